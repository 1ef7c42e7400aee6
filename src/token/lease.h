/*
 * How long a connection may stay: until its token expires, which it is told of before and may put off with a
 * newer token of the same user (promise 6). The loop's.
 */
#ifndef TC_TOKEN_LEASE_H
#define TC_TOKEN_LEASE_H

#include "domain/member.h"
#include "token/jwt.h"

typedef struct {
    const tc_jwt_rules_t *rules; /* the site's; NULL: the connection was turned away */
    char *subject;               /* malloc'ed; the user as the token names him, NULL where that is his id */
    int64_t expires_us;          /* monotonic; 0: in no time that matters */
    bool warned;
} tc_lease_t;

/* expires_us of a token that expires at `expires_s` of the wall clock. Any thread. */
int64_t tc_lease_expiry_us(int64_t expires_s);

/* When tc_lease_check() has something to do next, INT64_MAX never; `warning_us` before its end a lease is warned of, 0 never. */
int64_t tc_lease_deadline_us(const tc_lease_t *lease, const tc_member_t *member, int64_t warning_us,
                             int64_t now_us);

/* Ends a connection whose time is over, with 4001, or warns it. */
void tc_lease_check(tc_lease_t *lease, tc_member_t *member, int64_t warning_us, int64_t now_us);

/*
 * Prolongs it by a token, and tells the member so, or why not. `client_id`, NULL allowed, comes back with the
 * answer. `scratch` is for the while.
 */
void tc_lease_renew(tc_lease_t *lease, tc_member_t *member, const char *token, size_t len,
                    const char *client_id, int64_t now_us, apr_pool_t *scratch);

void tc_lease_free(tc_lease_t *lease);

#endif
