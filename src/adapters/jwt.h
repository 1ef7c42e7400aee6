/*
 * JSON Web Tokens (RFC 7519) over libjwt: is this one ours, in force, and for whom. The algorithm is the
 * key's, never the token's. Any thread; keeps nothing.
 */
#ifndef TC_ADAPTERS_JWT_H
#define TC_ADAPTERS_JWT_H

#include <apr_pools.h>
#include <stddef.h>
#include <stdint.h>

/* A key and the one algorithm it is for. const after start-up. RS and ES keys will join here. */
typedef struct {
    const char *alg; /* "HS256" */
    const unsigned char *key;
    size_t key_len;
} tc_jwt_key_t;

typedef struct {
    const tc_jwt_key_t *key;
    const char *user_claim;
} tc_jwt_rules_t;

typedef struct {
    const char *user_id; /* in the pool: the claim, a number in decimal */
    int64_t expires_s;   /* seconds since 1970 */
} tc_jwt_identity_t;

/*
 * Verifies `token` at `now_s`. NULL when it is good and *out is filled; else why not, a literal fit
 * for a log, never for the client.
 */
const char *tc_jwt_verify(const char *token, size_t len, const tc_jwt_rules_t *rules, int64_t now_s,
                          tc_jwt_identity_t *out, apr_pool_t *pool);

#endif
