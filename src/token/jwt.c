/* Verifies JSON Web Tokens: RFC 7515 and 7519. See jwt.h. */
#include "token/jwt.h"

#include "base/limits.h"
#include "codec/base64url.h"
#include "codec/json.h"
#include "token/jwt_lib.h"
#include "token/signature.h"

#include <apr_strings.h>
#include <openssl/err.h>
#include <string.h>
#include <strings.h>

#define JSON_DEPTH 8   /* of a header or of claims */
#define KEYS_TRIED  5  /* keys whose signature is checked for one token */
#define IAT_AHEAD_S 60 /* how far in the future an iat may be, in addition to the leeway */

/* A token's parts, as pointers into its text. */
typedef struct {
    const char *text;    /* the whole token, NUL-terminated */
    const char *claims;  /* after the first dot */
    const char *signature;
} parts_t;

/* Splits header.claims.signature; false for any other shape. */
static bool split(const char *text, parts_t *parts)
{
    const char *first = strchr(text, '.'), *second = first ? strchr(first + 1, '.') : NULL;

    if (second == NULL || strchr(second + 1, '.') != NULL) {
        return false;
    }
    *parts = (parts_t){text, first + 1, second + 1};
    return true;
}

/* True if a string anywhere in the value has U+0000. */
/* NOLINTNEXTLINE(misc-no-recursion): JSON_DEPTH levels at most */
static bool has_nul(json_object *value)
{
    struct lh_entry *entry;
    size_t i;

    if (json_object_is_type(value, json_type_string)) {
        return strlen(json_object_get_string(value)) != (size_t)json_object_get_string_len(value);
    }
    if (json_object_is_type(value, json_type_object)) {
        for (entry = json_object_get_object(value)->head; entry != NULL; entry = entry->next) {
            if (has_nul((json_object *)lh_entry_v(entry))) {
                return true;
            }
        }
    }
    if (json_object_is_type(value, json_type_array)) {
        for (i = 0; i < json_object_array_length(value); i++) {
            if (has_nul(json_object_array_get_idx(value, i))) {
                return true;
            }
        }
    }
    return false;
}

/*
 * Parses one of the token's two JSON objects. Returns NULL if the part is not a JSON object in base64url, or has U+0000:
 * libjwt 1 refuses a token with such a character, and a token must mean the same whoever checks its signature.
 */
static json_object *parse_part(const char *part, size_t len)
{
    json_object *object = NULL;
    tc_buf_t json = TC_BUF_INIT;

    if (!tc_base64url_decode(&json, part, len)
        || tc_json_parse_object((char *)json.data, json.len, JSON_DEPTH, TC_JSON_MAX_VALUES, &object) != TC_JSON_OK) {
        object = NULL;
    }
    tc_buf_free(&json);
    if (has_nul(object)) {
        tc_json_free(object);
        object = NULL;
    }
    return object;
}

/* Reads a NumericDate (RFC 7519, 2), a number that may have a fraction. False when the claim is no number. */
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

/* The same for an optional claim. False when the claim is there and is no number. */
static bool get_optional_date(json_object *claims, const char *name, int64_t *seconds)
{
    return !json_object_object_get_ex(claims, name, NULL) || get_date(claims, name, seconds);
}

/* True when `at_s` is more than `patience_s` after now. `now_s` is not negative, so nothing overflows. */
static bool is_ahead(int64_t at_s, int64_t now_s, int64_t patience_s)
{
    return at_s > now_s && at_s - now_s > patience_s;
}

/* exp, nbf and iat: RFC 7519, 4.1.4 to 4.1.6. */
static const char *check_times(json_object *claims, const tc_jwt_rules_t *rules, int64_t now_s,
                               int64_t *expires_s)
{
    int64_t not_before_s = INT64_MIN, issued_s = INT64_MIN;

    if (!get_date(claims, "exp", expires_s)) {
        return "no exp claim";
    }
    if (*expires_s <= now_s - rules->leeway_s) {
        return "expired";
    }
    *expires_s = *expires_s > INT64_MAX - rules->leeway_s ? INT64_MAX : *expires_s + rules->leeway_s;
    if (!get_optional_date(claims, "nbf", &not_before_s)
        || is_ahead(not_before_s, now_s, rules->leeway_s)) {
        return "not yet valid";
    }
    if (!get_optional_date(claims, "iat", &issued_s)
        || is_ahead(issued_s, now_s, rules->leeway_s + IAT_AHEAD_S)) {
        return "issued in the future";
    }
    return NULL;
}

/* RFC 7519, 4.1.3: one audience, or an array of them. */
static bool has_audience(json_object *claims, const char *audience)
{
    json_object *list;
    size_t i;

    if (!json_object_object_get_ex(claims, "aud", &list)
        || !json_object_is_type(list, json_type_array)) {
        return tc_json_is_text(claims, "aud", audience);
    }
    for (i = 0; i < json_object_array_length(list); i++) {
        json_object *one = json_object_array_get_idx(list, i);

        if (json_object_is_type(one, json_type_string)
            && strlen(audience) == (size_t)json_object_get_string_len(one)
            && strcmp(json_object_get_string(one), audience) == 0) {
            return true;
        }
    }
    return false;
}

/* Who the user is and, where the rules name claims for that, what else the token says about them. */
static const char *read_identity(json_object *claims, const tc_jwt_rules_t *rules, tc_jwt_identity_t *out,
                                 apr_pool_t *pool)
{
    size_t max_bytes = rules->names ? TC_CLAIMED_ID_MAX_BYTES : 0;
    const char *why = tc_claims_read_user(claims, rules->user_claim, max_bytes, &out->user_id, pool);

    return why != NULL || rules->names == NULL ? why : tc_claims_read(claims, rules->names, &out->claimed, pool);
}

static const char *check_claims(json_object *claims, const tc_jwt_rules_t *rules, int64_t now_s,
                                tc_jwt_identity_t *out, apr_pool_t *pool)
{
    const char *why = check_times(claims, rules, now_s, &out->expires_s);

    if (why != NULL) {
        return why;
    }
    if (rules->issuer != NULL && !tc_json_is_text(claims, "iss", rules->issuer)) {
        return "of another issuer";
    }
    if (rules->audience != NULL && !has_audience(claims, rules->audience)) {
        return "for another audience";
    }
    if (json_object_object_get_ex(claims, "token_type", NULL)
        && !tc_json_is_text(claims, "token_type", "access")) {
        return "not an access token";
    }
    return read_identity(claims, rules, out, pool);
}

/* ---- signatures ---- */

/* libjwt checks what it knows; see jwt_lib.h. Both check the signature alone, so they agree. */
static bool verifies(const parts_t *parts, bool is_plain, const tc_jwt_key_t *key)
{
    size_t len = (size_t)(parts->signature - 1 - parts->text);
    tc_buf_t signature = TC_BUF_INIT;
    bool good;

    if (is_plain && tc_jwt_lib_knows(key->alg)) {
        good = key->len > 0 && tc_jwt_lib_verifies(parts->text, key);
    }
    else {
        good = key->len > 0 && tc_base64url_decode(&signature, parts->signature, strlen(parts->signature))
               && tc_signature_verifies(parts->text, len, signature.data, signature.len, key);
    }
    tc_buf_free(&signature);
    ERR_clear_error(); /* the thread's error queue belongs to httpd */
    return good;
}

/* ---- header ---- */

/* Anybody can sign a token that brings its own key or the key's address. enc and zip belong to a JWE (RFC 7516). */
static bool brings_its_own_key(json_object *header)
{
    static const char *const names[] = {"jwk", "jku", "x5u", "x5c", "enc", "zip"};
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (json_object_object_get_ex(header, names[i], NULL)) {
            return true;
        }
    }
    return false;
}

/* RFC 7519, 5.1: no typ, or JWT. */
static bool is_plain(json_object *header)
{
    const char *type = tc_json_get_text(header, "typ");

    return !json_object_object_get_ex(header, "typ", NULL) || (type != NULL && strcasecmp(type, "JWT") == 0);
}

/* RFC 9068, 2.1: an access token of OAuth says so. */
static bool is_access_token(json_object *header)
{
    const char *type = tc_json_get_text(header, "typ");

    return type != NULL && (strcasecmp(type, "at+jwt") == 0 || strcasecmp(type, "application/at+jwt") == 0);
}

static const char *check_header(json_object *header)
{
    if (header == NULL) {
        return "broken header";
    }
    /* RFC 7515, 4.1.11: we support no extension, so we must refuse every critical one. */
    if (json_object_object_get_ex(header, "crit", NULL)) {
        return "critical extension";
    }
    if (brings_its_own_key(header)) {
        return "brings its own key";
    }
    return is_plain(header) || is_access_token(header) ? NULL : "wrong type";
}

/* A token with a kid fits the key of that name and keys without a name. Without a kid it fits every key. */
static bool is_for_key(json_object *header, const tc_jwt_key_t *key)
{
    return tc_json_is_text(header, "alg", key->alg->name)
           && (key->kid == NULL || !json_object_object_get_ex(header, "kid", NULL)
               || tc_json_is_text(header, "kid", key->kid));
}

/* A token may fit many keys, for example if it has no kid. Only the first few are tried: each costs processor time. */
static const char *check_signature(json_object *header, const parts_t *parts, const tc_jwt_key_t *keys)
{
    const char *why = "no key has its algorithm and kid";
    int tried = 0;

    for (; keys != NULL; keys = keys->next) {
        if (!is_for_key(header, keys)) {
            continue;
        }
        if (tried++ == KEYS_TRIED) {
            return "bad signature with the first " APR_STRINGIFY(KEYS_TRIED) " keys that it fits; it needs a kid";
        }
        if (verifies(parts, is_plain(header), keys)) {
            return NULL;
        }
        why = "bad signature";
    }
    return why;
}

/* Everything about the claims is decided by our own reading, whatever the algorithm is. */
static const char *check_token(json_object *header, json_object *claims, const parts_t *parts, const tc_jwt_rules_t *rules,
                               int64_t now_s, tc_jwt_identity_t *out, apr_pool_t *pool)
{
    const char *why = check_header(header);

    if (why == NULL && claims == NULL) {
        why = "broken claims";
    }
    if (why == NULL) {
        why = check_signature(header, parts, rules->keys);
    }
    return why ? why : check_claims(claims, rules, now_s, out, pool);
}

const char *tc_jwt_verify(const char *token, size_t len, const tc_jwt_rules_t *rules, int64_t now_s,
                          tc_jwt_identity_t *out, apr_pool_t *pool)
{
    const char *why;
    json_object *header, *claims;
    parts_t parts;

    if (len == 0 || len > TC_TOKEN_MAX_BYTES || memchr(token, '\0', len) != NULL) {
        return len == 0 ? "empty" : "too long or with a NUL";
    }
    if (!split(apr_pstrmemdup(pool, token, len), &parts)) {
        return "not a JWT";
    }
    header = parse_part(parts.text, (size_t)(parts.claims - 1 - parts.text));
    claims = parse_part(parts.claims, (size_t)(parts.signature - 1 - parts.claims));
    why = check_token(header, claims, &parts, rules, now_s, out, pool);
    tc_json_free(header);
    tc_json_free(claims);
    return why;
}
