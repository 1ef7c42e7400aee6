/*
 * The signatures of tokens, over libjwt 1 and 2 or over libjwt 3. See jwt_lib.h.
 *
 * libjwt 1 verifies nothing when the header says "none" or the key is NULL, and takes any key for any algorithm.
 * So the caller binds the algorithm to the key before it asks libjwt. Afterwards the algorithm that libjwt found is
 * compared with the key's once more.
 */
#include "token/jwt_lib.h"

#include "base/buf.h"

#include <jwt.h>
#include <string.h>

bool tc_jwt_lib_knows(const tc_jwt_alg_t *alg)
{
    return alg->family == TC_JWT_HMAC || alg->family == TC_JWT_RSA || alg->family == TC_JWT_EC;
}

static bool is_algorithm(jwt_alg_t found, const tc_jwt_key_t *key)
{
    const char *name = found != JWT_ALG_NONE ? jwt_alg_str(found) : NULL;

    return name != NULL && strcmp(name, key->alg->name) == 0;
}

#ifndef jwt_checker_auto_t /* libjwt has no version macro; this macro came with 3.0 */

bool tc_jwt_lib_verifies(const char *token, const tc_jwt_key_t *key)
{
    jwt_t *jwt = NULL;
    bool good = key->len > 0 && jwt_decode(&jwt, token, key->bytes, (int)key->len) == 0
                && is_algorithm(jwt_get_alg(jwt), key);

    jwt_free(jwt);
    return good;
}

#else

#include <openssl/bn.h>
#include <openssl/core_names.h>

/* Appends `"name":"…"`, base64url of the bytes (RFC 7515, 2). */
static void append_bytes(tc_buf_t *jwk, const char *name, const unsigned char *bytes, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t i, bits = 0, value = 0;

    tc_buf_append_str(jwk, ",\"");
    tc_buf_append_str(jwk, name);
    tc_buf_append_str(jwk, "\":\"");
    for (i = 0; i < len; i++) {
        value = (value << 8 | bytes[i]) & 0xffff;
        for (bits += 8; bits >= 6; bits -= 6) {
            tc_buf_append(jwk, &digits[value >> (bits - 6) & 63], 1);
        }
    }
    if (bits > 0) {
        tc_buf_append(jwk, &digits[value << (6 - bits) & 63], 1);
    }
    tc_buf_append_str(jwk, "\"");
}

/* Appends a number of the key in `len` bytes (0: as many as the number has). False when OpenSSL does not give it. */
static bool append_number(tc_buf_t *jwk, const char *name, EVP_PKEY *pkey, const char *param, int len)
{
    tc_buf_t bytes = TC_BUF_INIT;
    BIGNUM *number = NULL;
    bool good = EVP_PKEY_get_bn_param(pkey, param, &number) == 1;

    if (good) {
        len = len > 0 ? len : BN_num_bytes(number);
        good = BN_bn2binpad(number, tc_buf_reserve(&bytes, (size_t)len), len) == len;
    }
    if (good) {
        append_bytes(jwk, name, bytes.data, (size_t)len);
    }
    BN_free(number);
    tc_buf_free(&bytes);
    return good;
}

/*
 * libjwt 3 refuses a secret that is shorter than its hash. The administrator was warned of such a secret (jwt_key.h).
 * With zeros appended, the secret gives the same HMAC (RFC 2104, 2).
 */
static void append_secret(tc_buf_t *jwk, const tc_jwt_key_t *key)
{
    static const unsigned char zeros[64];
    size_t least = (size_t)key->alg->hash_bits / 8;
    tc_buf_t secret = TC_BUF_INIT;

    tc_buf_append(&secret, key->bytes, key->len);
    if (key->len < least) {
        tc_buf_append(&secret, zeros, least - key->len);
    }
    append_bytes(jwk, "k", secret.data, secret.len);
    tc_buf_free(&secret);
}

/* Writes the key as a JWK (RFC 7517), the only form that libjwt 3 takes. False when OpenSSL does not give a number. */
static bool write_jwk(tc_buf_t *jwk, const tc_jwt_key_t *key)
{
    int field_bytes = (key->alg->hash_bits == 512 ? 521 + 7 : key->alg->hash_bits) / 8;
    bool good = true;

    tc_buf_append_str(jwk, "{\"alg\":\"");
    tc_buf_append_str(jwk, key->alg->name);
    if (key->alg->family == TC_JWT_HMAC) {
        tc_buf_append_str(jwk, "\",\"kty\":\"oct\"");
        append_secret(jwk, key);
    }
    else if (key->alg->family == TC_JWT_EC) {
        tc_buf_append_str(jwk, "\",\"kty\":\"EC\",\"crv\":\"P-");
        tc_buf_append_str(jwk, key->alg->hash_bits == 256 ? "256\"" : key->alg->hash_bits == 384 ? "384\"" : "521\"");
        good = append_number(jwk, "x", key->pkey, OSSL_PKEY_PARAM_EC_PUB_X, field_bytes)
               && append_number(jwk, "y", key->pkey, OSSL_PKEY_PARAM_EC_PUB_Y, field_bytes);
    }
    else {
        tc_buf_append_str(jwk, "\",\"kty\":\"RSA\"");
        good = append_number(jwk, "n", key->pkey, OSSL_PKEY_PARAM_RSA_N, 0)
               && append_number(jwk, "e", key->pkey, OSSL_PKEY_PARAM_RSA_E, 0);
    }
    tc_buf_append_str(jwk, "}");
    return good;
}

/* libjwt calls this with the parsed token, before it checks the signature. */
static int note_algorithm(jwt_t *jwt, jwt_config_t *config)
{
    *(jwt_alg_t *)config->ctx = jwt_get_alg(jwt);
    return 0;
}

/* Checks the signature alone: the caller judges the claims. A leeway of -1 turns off libjwt's check of a time. */
static bool check(jwt_checker_t *checker, const jwk_item_t *item, const char *token, const tc_jwt_key_t *key)
{
    jwt_alg_t found = JWT_ALG_NONE;

    return item != NULL && checker != NULL && !jwks_item_error(item)
           && jwt_checker_setkey(checker, jwt_str_alg(key->alg->name), item) == 0
           && jwt_checker_time_leeway(checker, JWT_CLAIM_EXP, -1) == 0
           && jwt_checker_time_leeway(checker, JWT_CLAIM_NBF, -1) == 0
           && jwt_checker_setcb(checker, note_algorithm, &found) == 0 && jwt_checker_verify(checker, token) == 0
           && is_algorithm(found, key);
}

/* A checker keeps its result, so each token gets a checker of its own. */
bool tc_jwt_lib_verifies(const char *token, const tc_jwt_key_t *key)
{
    tc_buf_t jwk = TC_BUF_INIT;
    bool good = false;

    if (key->len > 0 && write_jwk(&jwk, key)) {
        jwk_set_t *set = jwks_create_strn((char *)jwk.data, jwk.len);
        jwt_checker_t *checker = jwt_checker_new();

        good = set != NULL && check(checker, jwks_item_get(set, 0), token, key);
        jwt_checker_free(checker);
        jwks_free(set);
    }
    tc_buf_free(&jwk);
    return good;
}

#endif
