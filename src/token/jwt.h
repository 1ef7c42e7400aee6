/*
 * Verifies JSON Web Tokens (RFC 7519): is the token signed with a key of the site, is it in force, and which user
 * is it for? libjwt checks the signatures that it knows, OpenSSL checks all others. The key determines the algorithm,
 * never the token. Any thread; keeps no state.
 */
#ifndef TC_TOKEN_JWT_H
#define TC_TOKEN_JWT_H

#include "token/rules.h"

#include <stdint.h>

typedef struct {
    const char *user_id; /* on the pool: the claim's text, or its whole number in decimal */
    int64_t expires_s;   /* seconds since 1970, the leeway included: from then on the token is expired */
    tc_claimed_t claimed; /* filled in if the rules have names */
    const tc_jwt_key_t *key;   /* that the token is signed with; the rules' */
    const tc_facts_t *facts;   /* what the token says, on the pool */
} tc_jwt_identity_t;

/*
 * Verifies `token` (`len` bytes, no NUL needed) at `now_s`, seconds since 1970. Returns NULL and fills *out, whose
 * strings are on `pool`. Otherwise returns why the token is refused: a literal or a text on `pool`, which is for the log,
 * never for the client.
 */
const char *tc_jwt_verify(const char *token, size_t len, const tc_jwt_rules_t *rules, int64_t now_s,
                          tc_jwt_identity_t *out, apr_pool_t *pool);

#endif
