/* Reads sets of keys in JSON: RFC 7517, with the parameters of RFC 7518, 6. See jwt_key.h. */
#include "token/jwt_key.h"

#include "codec/base64url.h"
#include "codec/json.h"

#include <apr_strings.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <string.h>

#define JSON_DEPTH 8
#define KEYS_MAX 100
#define VALUES_MAX 10000 /* names and values in a set */

/* ---- parameters ---- */

static bool get_bytes(json_object *jwk, const char *name, tc_buf_t *bytes)
{
    const char *text = tc_json_get_text(jwk, name);

    return text != NULL && tc_base64url_decode(bytes, text, strlen(text));
}

static EVP_PKEY *make_pkey(const char *type, OSSL_PARAM_BLD *build)
{
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *pkey = NULL;

    if (params == NULL || context == NULL || EVP_PKEY_fromdata_init(context) != 1
        || EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        pkey = NULL;
    }
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    return pkey;
}

static EVP_PKEY *read_rsa(json_object *jwk)
{
    tc_buf_t n = TC_BUF_INIT, e = TC_BUF_INIT;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    BIGNUM *modulus = NULL, *exponent = NULL;
    EVP_PKEY *pkey = NULL;

    if (build != NULL && get_bytes(jwk, "n", &n) && get_bytes(jwk, "e", &e)) {
        modulus = BN_bin2bn(n.data, (int)n.len, NULL);
        exponent = BN_bin2bn(e.data, (int)e.len, NULL);
        if (modulus != NULL && exponent != NULL
            && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, modulus) == 1
            && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, exponent) == 1) {
            pkey = make_pkey("RSA", build);
        }
    }
    BN_free(modulus);
    BN_free(exponent);
    OSSL_PARAM_BLD_free(build);
    tc_buf_free(&n);
    tc_buf_free(&e);
    return pkey;
}

/* RFC 7518, 6.2.1: each coordinate is as long as the field. A 4 and both coordinates make a point (SEC 1, 2.3.3). */
static EVP_PKEY *read_ec(json_object *jwk, const char *curve, size_t field_bytes)
{
    tc_buf_t point = TC_BUF_INIT;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY *pkey = NULL;

    tc_buf_append(&point, "\4", 1);
    if (build != NULL && get_bytes(jwk, "x", &point) && point.len == 1 + field_bytes
        && get_bytes(jwk, "y", &point) && point.len == 1 + 2 * field_bytes
        && OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, curve, 0) == 1
        && OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point.data, point.len)
               == 1) {
        pkey = make_pkey("EC", build);
    }
    OSSL_PARAM_BLD_free(build);
    tc_buf_free(&point);
    return pkey;
}

/* RFC 8037, 2. */
static EVP_PKEY *read_ed25519(json_object *jwk)
{
    tc_buf_t x = TC_BUF_INIT;
    EVP_PKEY *pkey = NULL;

    if (get_bytes(jwk, "x", &x)) {
        pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x.data, x.len); /* NULL for another length than 32 */
    }
    tc_buf_free(&x);
    return pkey;
}

/* ---- one key ---- */

typedef struct {
    const char *crv, *alg;
    size_t field_bytes;
} curve_t;

static const curve_t curves[] = {{"P-256", "ES256", 32}, {"P-384", "ES384", 48}, {"P-521", "ES512", 66}};

/* The curve of an EC key; NULL when the key is not an EC key or its curve is not supported. */
static const curve_t *curve_of(json_object *jwk)
{
    size_t i;

    for (i = 0; tc_json_is_text(jwk, "kty", "EC") && i < sizeof(curves) / sizeof(curves[0]); i++) {
        if (tc_json_is_text(jwk, "crv", curves[i].crv)) {
            return &curves[i];
        }
    }
    return NULL;
}

static bool is_ed25519(json_object *jwk)
{
    return tc_json_is_text(jwk, "kty", "OKP") && tc_json_is_text(jwk, "crv", "Ed25519");
}

/* The algorithm of a key without an alg: a curve decides; for RSA it is RS256, the most common one. */
static const char *guess_alg(json_object *jwk)
{
    const curve_t *curve = curve_of(jwk);

    if (curve != NULL) {
        return curve->alg;
    }
    if (is_ed25519(jwk)) {
        return "EdDSA";
    }
    return tc_json_is_text(jwk, "kty", "RSA") ? "RS256" : NULL;
}

static bool is_for_verifying(json_object *jwk)
{
    json_object *ops;
    size_t i;

    if (json_object_object_get_ex(jwk, "use", NULL) && !tc_json_is_text(jwk, "use", "sig")) {
        return false;
    }
    if (!json_object_object_get_ex(jwk, "key_ops", &ops)) {
        return true;
    }
    if (!json_object_is_type(ops, json_type_array)) {
        return false;
    }
    for (i = 0; i < json_object_array_length(ops); i++) {
        const char *op = json_object_get_string(json_object_array_get_idx(ops, i));

        if (op != NULL && strcmp(op, "verify") == 0) {
            return true;
        }
    }
    return false;
}

static const char *read_secret(json_object *jwk, const tc_jwt_alg_t *alg, const char *kid,
                               tc_jwt_key_t **key, apr_pool_t *pool)
{
    tc_buf_t secret = TC_BUF_INIT;
    const char *wrong = "its k is not base64url";

    if (get_bytes(jwk, "k", &secret)) {
        wrong = tc_jwt_key_read(alg, kid, (char *)secret.data, secret.len, key, pool);
    }
    tc_buf_free(&secret);
    return wrong;
}

/* RFC 7517, 4: kty and alg must agree. Returns NULL, or what is wrong with the key. */
static const char *read_key(json_object *jwk, const tc_jwt_alg_t *alg, const char *kid,
                            tc_jwt_key_t **key, apr_pool_t *pool)
{
    const curve_t *curve = curve_of(jwk);
    EVP_PKEY *pkey = NULL;

    if (alg->family == TC_JWT_HMAC) {
        return tc_json_is_text(jwk, "kty", "oct") ? read_secret(jwk, alg, kid, key, pool)
                                                  : "its alg needs a key with kty oct";
    }
    if (tc_json_is_text(jwk, "kty", "RSA")) {
        pkey = read_rsa(jwk);
    }
    else if (curve != NULL) {
        pkey = read_ec(jwk, curve->crv, curve->field_bytes);
    }
    else if (is_ed25519(jwk)) {
        pkey = read_ed25519(jwk);
    }
    ERR_clear_error();
    return pkey ? tc_jwt_key_of_pkey(alg, kid, pkey, key, pool)
                : "its numbers (n and e, or crv, x and y) do not form a public key";
}

/* ---- the set ---- */

/* Adds a key to *left_out. */
static void leave_out(const char *kid, const char *why, const char **left_out, apr_pool_t *pool)
{
    *left_out = apr_pstrcat(pool, *left_out, **left_out ? ", " : "", kid ? kid : "one without a kid", why ? " (" : "",
                            why ? why : "", why ? ")" : "", NULL);
}

/* Adds a key to the list at *end, or to *left_out: one odd key of a provider must not turn all users away. */
static void add_key(json_object *jwk, tc_jwt_key_t ***end, const char **left_out, apr_pool_t *pool)
{
    const char *kid, *name, *wrong = NULL;
    const tc_jwt_alg_t *alg;

    if (!json_object_is_type(jwk, json_type_object) || tc_json_get_text(jwk, "kty") == NULL) {
        leave_out("one", "it is not an object with a kty", left_out, pool);
        return;
    }
    kid = tc_json_get_text(jwk, "kid") ? apr_pstrdup(pool, tc_json_get_text(jwk, "kid")) : NULL;
    name = tc_json_get_text(jwk, "alg") ? tc_json_get_text(jwk, "alg") : guess_alg(jwk);
    alg = name ? tc_jwt_alg_find(name) : NULL;
    if (name == NULL && tc_json_is_text(jwk, "kty", "oct")) {
        wrong = "it has kty oct and no alg; add one, for example \"alg\": \"HS256\"";
    }
    else if (alg != NULL && is_for_verifying(jwk)) {
        wrong = read_key(jwk, alg, kid, *end, pool);
        if (wrong == NULL) {
            *end = &(**end)->next;
            return;
        }
    }
    leave_out(kid, wrong, left_out, pool);
}

const char *tc_jwt_key_read_set(const char *text, size_t len, tc_jwt_key_t **keys,
                                const char **left_out, apr_pool_t *pool)
{
    json_object *set = NULL, *list;
    const char *wrong = "the file is not a JSON object with an array \"keys\"";
    tc_jwt_key_t **end = keys;
    size_t i;

    *keys = NULL;
    *left_out = "";
    if (tc_json_parse_object(text, len, JSON_DEPTH, VALUES_MAX, &set) == TC_JSON_OK
        && json_object_object_get_ex(set, "keys", &list)
        && json_object_is_type(list, json_type_array)) {
        wrong = json_object_array_length(list) > KEYS_MAX ? "the file has more than 100 keys" : NULL;
        for (i = 0; wrong == NULL && i < json_object_array_length(list); i++) {
            add_key(json_object_array_get_idx(list, i), &end, left_out, pool);
        }
        if (wrong == NULL && *keys == NULL) {
            wrong = apr_pstrcat(pool, "the file has no key that can verify a token", **left_out ? "; not used: " : "", *left_out,
                                NULL);
        }
    }
    tc_json_free(set);
    return wrong;
}
