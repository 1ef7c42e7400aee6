/*
 * JSON Web Tokens (RFC 7519) over libjwt, and over OpenSSL where libjwt knows no way: is this one ours, in
 * force, and for whom. The algorithm is the key's, never the token's. Any thread; keeps nothing.
 */
#ifndef TC_TOKEN_JWT_H
#define TC_TOKEN_JWT_H

#include "token/jwt_key.h"

#include <stdint.h>

/* What a site takes. const after start-up. */
typedef struct {
    const tc_jwt_key_t *keys;
    const char *user_claim;
    const char *audience;    /* one of the token's aud; NULL: whichever */
    const char *issuer;      /* the token's iss; NULL: whichever */
    int64_t leeway_s;        /* what the clocks of issuer and httpd may differ by */
} tc_jwt_rules_t;

typedef struct {
    const char *user_id; /* in the pool: the claim, a number in decimal */
    int64_t expires_s;   /* seconds since 1970: from then on the token counts as expired, leeway included */
} tc_jwt_identity_t;

/*
 * Verifies `token` at `now_s`. NULL when it is good and *out is filled; else why not, a literal fit
 * for a log, never for the client.
 */
const char *tc_jwt_verify(const char *token, size_t len, const tc_jwt_rules_t *rules, int64_t now_s,
                          tc_jwt_identity_t *out, apr_pool_t *pool);

#endif
