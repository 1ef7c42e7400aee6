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
    int64_t expires_us;          /* monotonic; 0: not within ten years, so never */
    bool warned;
} tc_lease_t;

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

/* Tells the member that the lease was renewed, and how long it lasts. */
void tc_lease_confirm(const tc_lease_t *lease, tc_member_t *member, const char *client_id, int64_t now_us);

#endif
