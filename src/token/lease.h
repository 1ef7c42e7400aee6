/*
 * The lease of a connection, which may stay until its token expires. The client is warned before that, and may renew
 * the lease with a newer token of the same user. Loop, unless a comment says otherwise.
 */
#ifndef TC_TOKEN_LEASE_H
#define TC_TOKEN_LEASE_H

#include "domain/member.h"
#include "token/jwt.h"

typedef struct {
    const tc_jwt_rules_t *rules; /* the site's; NULL: the connection was turned away */
    const tc_jwt_key_t *key;     /* that the token is signed with; the rules' */
    tc_facts_t *facts;           /* of the token; malloc'ed, the lease's; NULL: it has none */
    int64_t expires_us;          /* monotonic; 0: not within ten years, so never */
    bool warned;
} tc_lease_t;

/* Begins a lease with a token that was verified under `rules`. The caller frees it with tc_lease_free(). Any thread. */
void tc_lease_begin(tc_lease_t *lease, const tc_jwt_rules_t *rules, const tc_jwt_identity_t *identity);
void tc_lease_free(tc_lease_t *lease);

/* The expires_us of a token that expires at `expires_s` (seconds since 1970). Any thread. */
int64_t tc_lease_expiry_us(int64_t expires_s);

/*
 * When tc_lease_check() must run next (monotonic); INT64_MAX: never. The client is warned `warning_us` before the lease
 * ends; 0: not at all.
 */
int64_t tc_lease_deadline_us(const tc_lease_t *lease, const tc_member_t *member, int64_t warning_us,
                             int64_t now_us);

/* Closes the connection with 4001 when its lease has ended, or sends the warning when it is due. */
void tc_lease_check(tc_lease_t *lease, tc_member_t *member, int64_t warning_us, int64_t now_us);

/*
 * Renews the lease by `token` (`len` bytes). False: the token is refused (the reason is logged), and the member has got
 * the error, which repeats `client_id`; that may be NULL. If the token is one of the user's own that no longer names the
 * member's trip, the connection is closed with 4003. `scratch` is cleared at the end.
 */
bool tc_lease_renew(tc_lease_t *lease, tc_member_t *member, const char *token, size_t len,
                    const char *client_id, apr_pool_t *scratch);

/*
 * For a lease that comes from another child, with the rules of this child, its facts, and what counted in the other child.
 * Returns 0, and the lease goes on. Otherwise returns the close code, and *why is a literal for the log: the key of the token
 * is gone, or the token lacks what the rules want now (4001); or a newcomer with the token would be another user (1012).
 */
unsigned tc_lease_resume(tc_lease_t *lease, const tc_jwt_mark_t *mark, const char **why);

/* Tells the member that the lease was renewed, and how long it lasts. */
void tc_lease_confirm(const tc_lease_t *lease, tc_member_t *member, const char *client_id, int64_t now_us);

#endif
