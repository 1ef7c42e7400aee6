/*
 * The keys of a site's tokens: secrets, public keys in PEM, and sets of both (JWK Set, RFC 7517). Each is
 * bound to one algorithm when it is read, at start-up; const from then on, for any thread.
 */
#ifndef TC_TOKEN_JWT_KEY_H
#define TC_TOKEN_JWT_KEY_H

#include <apr_pools.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>

typedef enum { TC_JWT_HMAC, TC_JWT_RSA, TC_JWT_PSS, TC_JWT_EC } tc_jwt_family_e;

/* What tokens may be signed with (RFC 7518, 3). One of a table's rows; compare pointers. */
typedef struct {
    const char *name;       /* "RS256" */
    tc_jwt_family_e family;
    int hash_bits;
    int curve_nid;          /* EC: of the one curve it goes with */
} tc_jwt_alg_t;

/* The row of an algorithm, spelled as the RFC does; NULL: none that we know, "none" among them. */
const tc_jwt_alg_t *tc_jwt_alg_find(const char *name);

/* All names, for messages: "HS256, HS384, …". */
#define TC_JWT_ALGS "HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or ES512"

/* All of it is the pool's. */
typedef struct tc_jwt_key_t {
    const tc_jwt_alg_t *alg;
    const unsigned char *bytes; /* the secret, or the public key in PEM, with a NUL behind it */
    size_t len;                 /* without that NUL */
    const char *kid;            /* NULL: it has no name, and is tried with every token of its algorithm */
    EVP_PKEY *pkey;             /* NULL for a secret */
    struct tc_jwt_key_t *next;
} tc_jwt_key_t;

/*
 * Makes a key of a file's bytes: with an HMAC algorithm they are the secret, else PEM of a public key or a
 * certificate. NULL and *key, or what is wrong, for the administrator. `kid` may be NULL.
 */
const char *tc_jwt_key_read(const tc_jwt_alg_t *alg, const char *kid, const char *bytes, size_t len,
                            tc_jwt_key_t **key, apr_pool_t *pool);

/*
 * Makes keys of a JWK Set. NULL and *keys, in the set's order, or what is wrong. *left_out names the keys
 * that are not for signatures or of a kind that is not known, "" when there are none.
 */
const char *tc_jwt_key_read_set(const char *text, size_t len, tc_jwt_key_t **keys,
                                const char **left_out, apr_pool_t *pool);

/*
 * True where a secret is shorter than its hash: it can be guessed more easily than it should (RFC 7518, 3.2).
 */
bool tc_jwt_key_is_short(const tc_jwt_key_t *key);

/* For jwk.c: a key of what was found in a set; takes over one reference to `pkey`. */
const char *tc_jwt_key_of_pkey(const tc_jwt_alg_t *alg, const char *kid, EVP_PKEY *pkey,
                               tc_jwt_key_t **key, apr_pool_t *pool);

#endif
