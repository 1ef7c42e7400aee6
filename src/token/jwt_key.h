/*
 * The keys of a site's tokens: secrets, public keys in PEM, and sets of both (JWK Set, RFC 7517). Each key is read
 * at start-up and bound to one algorithm. It is const from then on, for any thread.
 */
#ifndef TC_TOKEN_JWT_KEY_H
#define TC_TOKEN_JWT_KEY_H

#include <apr_pools.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>

typedef enum { TC_JWT_HMAC, TC_JWT_RSA, TC_JWT_PSS, TC_JWT_EC, TC_JWT_ED } tc_jwt_family_e;

/* An algorithm that tokens may be signed with (RFC 7518, 3, and RFC 8037, 3.1). A row of one table: compare pointers. */
typedef struct {
    const char *name;       /* "RS256" */
    tc_jwt_family_e family;
    int hash_bits;          /* 0: the algorithm has no hash of its own to name */
    int curve_nid;          /* EC: of the only curve that the algorithm allows */
} tc_jwt_alg_t;

/* The row of an algorithm, named as in the RFC; NULL when it is not supported. "none" is not. */
const tc_jwt_alg_t *tc_jwt_alg_find(const char *name);

/* All names, for messages: "HS256, HS384, …". */
#define TC_JWT_ALGS "HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 or EdDSA"

#define TC_JWT_KEY_ID_BYTES 16

/* A key in a list. The pool owns all of it. */
typedef struct tc_jwt_key_t {
    const tc_jwt_alg_t *alg;
    const unsigned char *bytes; /* the secret, or the public key in PEM; NUL-terminated */
    size_t len;                 /* without that NUL */
    const char *kid;            /* NULL: the key has no name and is tried with every token of its algorithm */
    EVP_PKEY *pkey;             /* NULL for a secret */
    unsigned char id[TC_JWT_KEY_ID_BYTES]; /* a hash of algorithm and key: the same key has the same id in every process */
    struct tc_jwt_key_t *next;
} tc_jwt_key_t;

/*
 * Makes a key from a file's bytes. For an HMAC algorithm the bytes are the secret. For other algorithms they are a
 * public key or a certificate in PEM. `kid` may be NULL; it must live as long as the pool. Returns NULL and sets *key.
 * Otherwise returns what is wrong, for the administrator. At start-up.
 */
const char *tc_jwt_key_read(const tc_jwt_alg_t *alg, const char *kid, const char *bytes, size_t len,
                            tc_jwt_key_t **key, apr_pool_t *pool);

/*
 * Makes keys of a JWK Set. Returns NULL and sets *keys, in the set's order. Otherwise returns what is wrong, for the
 * administrator. *left_out names the keys that are not for signatures, whose algorithm is not supported, or that
 * are broken, with the reason; "" when there are none. At start-up.
 */
const char *tc_jwt_key_read_set(const char *text, size_t len, tc_jwt_key_t **keys,
                                const char **left_out, apr_pool_t *pool);

/*
 * What speaks against the key in a file that tc_jwt_key_read() took, for a warning: a certificate that has expired or is
 * not for signatures. NULL: nothing. At start-up.
 */
const char *tc_jwt_key_doubt(const char *bytes, size_t len);

/* True when the key is a secret that is shorter than its hash: it is too easy to guess (RFC 7518, 3.2). */
bool tc_jwt_key_is_short(const tc_jwt_key_t *key);

/* For jwk.c: makes a key of `pkey`. Takes over one reference to `pkey`, also when it returns what is wrong. */
const char *tc_jwt_key_of_pkey(const tc_jwt_alg_t *alg, const char *kid, EVP_PKEY *pkey,
                               tc_jwt_key_t **key, apr_pool_t *pool);

#endif
