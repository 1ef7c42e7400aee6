/* Verifies JSON Web Tokens: RFC 7515 and 7519. See jwt.h. */
#include "token/jwt.h"

#include "base/limits.h"
#include "codec/base64url.h"
#include "codec/json.h"
#include "token/dates.h"
#include "token/jwt_lib.h"
#include "token/signature.h"

#include <apr_strings.h>
#include <openssl/err.h>
#include <string.h>
#include <strings.h>

#define JSON_DEPTH 8   /* of a header or of claims */
#define KEYS_TRIED  5  /* keys whose signature is checked for one token */
#define KID_SHOWN_CHARS 64

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

/* Who the user is and, where the rules name claims for that, what else the token says about them. */
static const char *read_identity(json_object *claims, const tc_jwt_rules_t *rules, const char *user_claim,
                                 tc_jwt_identity_t *out, apr_pool_t *pool)
{
    size_t max_bytes = rules->names ? TC_CLAIMED_ID_MAX_BYTES : 0;
    const char *why = tc_claims_read_user(claims, user_claim, max_bytes, &out->user_id, pool);

    return why != NULL || rules->names == NULL ? why : tc_claims_read(claims, rules->names, &out->claimed, pool);
}

static const char *check_claims(json_object *header, json_object *claims, const tc_jwt_rules_t *rules,
                                const tc_jwt_issuer_t *issuer, int64_t now_s, tc_jwt_identity_t *out, apr_pool_t *pool)
{
    const char *why = tc_dates_check(claims, rules->leeway_s, now_s, &out->expires_s, pool);

    if (why == NULL) {
        why = tc_jwt_rules_check(rules, issuer, header, claims, pool);
    }
    if (why != NULL) {
        return why;
    }
    if (json_object_object_get_ex(claims, "token_type", NULL)
        && !tc_json_is_text(claims, "token_type", "access")) {
        return "not an access token: the claim token_type is not access";
    }
    return read_identity(claims, rules, issuer->user_claim, out, pool);
}

/* ---- signatures ---- */

/*
 * Decodes a signature that is written in the one way of RFC 7515, 2: without padding, and without a bit in its last digit
 * that no byte has (RFC 4648, 3.5). libjwt takes other ways for some algorithms.
 */
static bool decode_signature(const char *text, tc_buf_t *signature)
{
    size_t len = strlen(text), over = len % 4;

    return tc_base64url_decode(signature, text, len)
           && (over == 0 || strchr(over == 2 ? "AQgw" : "AEIMQUYcgkosw048", text[len - 1]) != NULL);
}

/* libjwt checks what it knows; see jwt_lib.h. Both check the signature alone, so they agree. */
static bool verifies(const parts_t *parts, bool is_plain, const tc_jwt_key_t *key)
{
    size_t len = (size_t)(parts->signature - 1 - parts->text);
    tc_buf_t signature = TC_BUF_INIT;
    bool good = key->len > 0 && decode_signature(parts->signature, &signature);

    if (good && is_plain && tc_jwt_lib_knows(key->alg)) {
        good = tc_jwt_lib_verifies(parts->text, key);
    }
    else if (good) {
        good = tc_signature_verifies(parts->text, len, signature.data, signature.len, key);
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

/* RFC 7515, 4.1.9: "application/" may stand before a type. RFC 9068, 2.1: an access token of OAuth says so. */
static bool has_known_type(json_object *header)
{
    const char *type = tc_facts_type(header);

    return strcasecmp(type, "JWT") == 0 || strcasecmp(type, "at+jwt") == 0;
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
    return NULL;
}

/* A site that requires a typ takes that one alone (tc_jwt_rules_check()). */
static const char *check_type(json_object *header, const tc_jwt_rules_t *rules, const tc_jwt_issuer_t *issuer)
{
    return is_plain(header) || has_known_type(header) || tc_jwt_rules_want_type(rules, issuer)
               ? NULL
               : "wrong type: the typ of its header is neither JWT nor at+jwt";
}

/* A token with a kid fits the key of that name and keys without a name. Without a kid it fits every key. */
static bool has_name(json_object *header, const tc_jwt_key_t *key)
{
    return key->kid == NULL || !json_object_object_get_ex(header, "kid", NULL)
           || tc_json_is_text(header, "kid", key->kid);
}

static bool is_for_key(json_object *header, const tc_jwt_key_t *key)
{
    return tc_json_is_text(header, "alg", key->alg->name) && has_name(header, key);
}

/* Why no key fits the token. The kid is a stranger's, so little of it is shown; the log escapes control characters. */
static const char *why_no_key(json_object *header, const tc_jwt_key_t *keys, apr_pool_t *pool)
{
    const char *alg = tc_json_get_text(header, "alg"), *kid = tc_json_get_text(header, "kid");
    const char *shown = kid ? apr_pstrndup(pool, kid, KID_SHOWN_CHARS) : "no text";
    bool has_alg = false;

    if (alg == NULL || strcasecmp(alg, "none") == 0) {
        return alg ? "it is not signed (alg none)" : "its header has no alg";
    }
    if (tc_jwt_alg_find(alg) == NULL) {
        return "its alg is none of the supported algorithms";
    }
    for (; keys != NULL; keys = keys->next) {
        has_alg = has_alg || strcmp(keys->alg->name, alg) == 0;
        if (keys->kid != NULL && kid != NULL && strcmp(keys->kid, kid) == 0) {
            return apr_psprintf(pool, "the key with its kid (%s) is for %s, and its alg is %s", shown, keys->alg->name, alg);
        }
    }
    return has_alg ? apr_psprintf(pool, "no key has its kid (%s)", shown)
                   : apr_psprintf(pool, "no key is for its alg, %s", alg);
}

/* True if the token names this very key. */
static bool is_named(json_object *header, const tc_jwt_key_t *key)
{
    return key->kid != NULL && tc_json_is_text(header, "kid", key->kid);
}

/*
 * A token may fit many keys, for example if it has no kid. Only the first few are tried: each costs processor time. Keys that
 * the token names come first.
 */
static const char *check_signature(json_object *header, const parts_t *parts, const tc_jwt_key_t *keys,
                                   const tc_jwt_key_t **key, apr_pool_t *pool)
{
    const tc_jwt_key_t *one;
    int tried = 0, turn;

    for (turn = 0; turn < 2; turn++) {
        for (one = keys; one != NULL; one = one->next) {
            if (!is_for_key(header, one) || is_named(header, one) != (turn == 0)) {
                continue;
            }
            if (tried++ == KEYS_TRIED) {
                return "bad signature with the first " APR_STRINGIFY(KEYS_TRIED) " keys that it fits; it needs a kid";
            }
            if (verifies(parts, is_plain(header), one)) {
                *key = one;
                return NULL;
            }
        }
    }
    return tried > 0 ? "bad signature: it was signed with another key, or changed" : why_no_key(header, keys, pool);
}

/*
 * Everything about the claims is decided by our own reading, whatever the algorithm is. The issuer that the token names is
 * believed only because its keys must have signed the token.
 */
static const char *check_token(json_object *header, json_object *claims, const parts_t *parts, const tc_jwt_rules_t *rules,
                               int64_t now_s, tc_jwt_identity_t *out, apr_pool_t *pool)
{
    const char *why = check_header(header);
    tc_jwt_issuer_t issuer;

    if (why == NULL && claims == NULL) {
        why = "broken claims";
    }
    if (why == NULL) {
        why = tc_jwt_issuer_find(rules, claims, &issuer, pool);
    }
    if (why == NULL) {
        why = check_type(header, rules, &issuer);
    }
    if (why == NULL) {
        why = check_signature(header, parts, issuer.keys, &out->key, pool);
    }
    if (why == NULL) {
        why = check_claims(header, claims, rules, &issuer, now_s, out, pool);
    }
    if (why == NULL) {
        out->facts = tc_facts_read(header, claims, pool);
    }
    return why;
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
