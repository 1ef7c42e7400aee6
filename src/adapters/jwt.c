/* JSON Web Tokens. RFC 7515 and 7519. See jwt.h. */
#include "adapters/jwt.h"

#include "base/limits.h"
#include "codec/json.h"

#include <apr_base64.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <jwt.h>
#include <string.h>

#define JSON_DEPTH 8 /* of a header or of claims */

/* Decodes base64url without padding (RFC 7515, 2); NULL when it is something else. */
static char *decode_part(const char *part, size_t len, size_t *decoded_len, apr_pool_t *pool)
{
    char *text = apr_palloc(pool, len + 4);
    char *decoded;
    size_t i;
    int got;

    if (len == 0 || len % 4 == 1) {
        return NULL;
    }
    for (i = 0; i < len; i++) {
        text[i] = part[i] == '-' ? '+' : part[i] == '_' ? '/' : part[i];
        if (!apr_isalnum(part[i]) && part[i] != '-' && part[i] != '_') {
            return NULL;
        }
    }
    while (i % 4 != 0) {
        text[i++] = '=';
    }
    text[i] = '\0';
    decoded = apr_palloc(pool, len + 4);
    got = apr_base64_decode(decoded, text);
    if (got < 0 || (size_t)got < len / 4 * 3) {
        return NULL;
    }
    *decoded_len = (size_t)got;
    return decoded;
}

/* One of the token's two JSON objects; NULL when it is none. */
static json_object *parse_part(const char *part, size_t len, apr_pool_t *pool)
{
    json_object *object = NULL;
    size_t decoded_len;
    const char *decoded = decode_part(part, len, &decoded_len, pool);

    if (decoded == NULL
        || tc_json_parse_object(decoded, decoded_len, JSON_DEPTH, &object) != TC_JSON_OK) {
        return NULL;
    }
    return object;
}

static bool is_member(json_object *object, const char *name, const char *value)
{
    size_t len;
    bool present;
    const char *text = tc_json_get_string(object, name, &len, &present);

    return text != NULL && strlen(value) == len && memcmp(text, value, len) == 0;
}

/* Seconds of a NumericDate (RFC 7519, 2): a number that may have a fraction. False when it is none. */
static bool get_date(json_object *claims, const char *name, int64_t *seconds)
{
    json_object *value;

    if (!json_object_object_get_ex(claims, name, &value)
        || !(json_object_is_type(value, json_type_int)
             || json_object_is_type(value, json_type_double))) {
        return false;
    }
    *seconds = json_object_get_int64(value);
    return true;
}

static const char *check_times(json_object *claims, int64_t now_s, int64_t *expires_s)
{
    int64_t not_before_s = 0;

    if (!get_date(claims, "exp", expires_s)) {
        return "no exp claim";
    }
    if (now_s >= *expires_s) {
        return "expired";
    }
    if (json_object_object_get_ex(claims, "nbf", NULL)
        && (!get_date(claims, "nbf", &not_before_s) || now_s < not_before_s)) {
        return "not yet valid";
    }
    return NULL;
}

static const char *read_user(json_object *claims, const char *claim, tc_jwt_identity_t *out,
                             apr_pool_t *pool)
{
    json_object *value;
    const char *text;

    if (!json_object_object_get_ex(claims, claim, &value)) {
        return "no user claim";
    }
    text = json_object_get_string(value);
    switch (json_object_get_type(value)) {
    case json_type_int:
        break;
    case json_type_string:
        if (*text == '\0' || strlen(text) != (size_t)json_object_get_string_len(value)) {
            return "user claim is empty or has a NUL";
        }
        break;
    default:
        return "user claim is no string or number";
    }
    out->user_id = apr_pstrdup(pool, text);
    return NULL;
}

static const char *check_claims(json_object *claims, const tc_jwt_rules_t *rules, int64_t now_s,
                                tc_jwt_identity_t *out, apr_pool_t *pool)
{
    const char *why = check_times(claims, now_s, &out->expires_s);

    if (why != NULL) {
        return why;
    }
    if (json_object_object_get_ex(claims, "token_type", NULL)
        && !is_member(claims, "token_type", "access")) {
        return "not an access token";
    }
    return read_user(claims, rules->user_claim, out, pool);
}

/* libjwt verifies nothing when the header says "none", and takes any key for any algorithm: both are
 * settled before it is asked, and what it found is looked at again after. */
static const char *check_signature(const char *token, const tc_jwt_key_t *key)
{
    jwt_t *jwt = NULL;
    const char *why = "bad signature";

    if (key->key_len == 0) {
        return "no key";
    }
    if (jwt_decode(&jwt, token, key->key, (int)key->key_len) == 0
        && jwt_get_alg(jwt) != JWT_ALG_NONE
        && strcmp(jwt_alg_str(jwt_get_alg(jwt)), key->alg) == 0) {
        why = NULL;
    }
    jwt_free(jwt);
    return why;
}

/* Where the header and the claims of header.claims.signature end; false for any other shape. */
static bool find_dots(const char *token, const char **first, const char **second)
{
    *first = strchr(token, '.');
    *second = *first ? strchr(*first + 1, '.') : NULL;
    return *second != NULL && strchr(*second + 1, '.') == NULL;
}

static const char *check_header(json_object *header, const tc_jwt_key_t *key)
{
    if (header == NULL) {
        return "broken header";
    }
    if (!is_member(header, "alg", key->alg)) {
        return "wrong algorithm";
    }
    /* RFC 7515, 4.1.11: whoever understands no extension must refuse one that is critical. */
    return json_object_object_get_ex(header, "crit", NULL) ? "critical extension" : NULL;
}

const char *tc_jwt_verify(const char *token_text, size_t len, const tc_jwt_rules_t *rules,
                          int64_t now_s, tc_jwt_identity_t *out, apr_pool_t *pool)
{
    const char *token, *first, *second, *why;
    json_object *header, *claims;

    if (len == 0 || len > TC_TOKEN_MAX_BYTES || memchr(token_text, '\0', len) != NULL) {
        return len == 0 ? "empty" : "too long or with a NUL";
    }
    token = apr_pstrmemdup(pool, token_text, len);
    if (!find_dots(token, &first, &second)) {
        return "not a JWT";
    }
    header = parse_part(token, (size_t)(first - token), pool);
    why = check_header(header, rules->key);
    json_object_put(header);
    if (why == NULL) {
        why = check_signature(token, rules->key);
    }
    if (why != NULL) {
        return why;
    }
    claims = parse_part(first + 1, (size_t)(second - first - 1), pool);
    why = claims ? check_claims(claims, rules, now_s, out, pool) : "broken claims";
    json_object_put(claims);
    return why;
}
