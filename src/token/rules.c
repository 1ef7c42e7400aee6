/* Which tokens a site accepts. See rules.h. */
#include "token/rules.h"

#include "base/hash.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <string.h>
#include <strings.h>

#define SHOWN_CHARS 100 /* of a text of the token, in a reason */

/* ---- what is required ---- */

const char *tc_jwt_required_read(const char *text, tc_jwt_required_t *out, apr_pool_t *pool)
{
    static const char *const dates[] = {"exp", "nbf", "iat"};
    const char *is = strchr(text, '=');
    char *name, *value, *c;
    size_t i;

    if (is == NULL || is == text || is[1] == '\0') {
        return "write the name of a claim, = and a value, for example token_use=access";
    }
    name = apr_pstrmemdup(pool, text, (apr_size_t)(is - text));
    value = apr_pstrdup(pool, is + 1);
    for (i = 0; i < sizeof(dates) / sizeof(dates[0]); i++) {
        if (strcmp(name, dates[i]) == 0) {
            return "exp, nbf and iat are dates, which are always checked; write another claim";
        }
    }
    *out = (tc_jwt_required_t){name, value, NULL};
    if (strncmp(text, "claim:", 6) == 0) {
        out->name = name + 6;
        return is > text + 6 ? NULL : "write the name of a claim behind claim:";
    }
    if (strcmp(name, "typ") == 0) {
        out->name = TC_FACTS_TYPE;
        out->value = value = strncasecmp(value, "application/", 12) == 0 ? value + 12 : value;
        for (c = value; *c != '\0'; c++) {
            *c = (char)apr_tolower(*c);
        }
    }
    return NULL;
}

static bool is_type(const tc_jwt_required_t *required)
{
    return strcmp(required->name, TC_FACTS_TYPE) == 0;
}

bool tc_jwt_rules_want_type(const tc_jwt_rules_t *rules, const tc_jwt_issuer_t *issuer)
{
    const tc_jwt_required_t *lists[] = {rules->required, issuer->required}, *one;
    int i;

    for (i = 0; i < 2; i++) {
        for (one = lists[i]; one != NULL; one = one->next) {
            if (is_type(one)) {
                return true;
            }
        }
    }
    return false;
}

/* ---- a token's claims ---- */

static bool is_same(void *what, const char *text, size_t len)
{
    const char *wanted = what;

    return strlen(wanted) == len && memcmp(wanted, text, len) == 0;
}

static bool has_value(const char *name, json_object *value, const char *wanted)
{
    return tc_facts_each(name, value, is_same, (void *)wanted);
}

/* A text of the token that a reason may show. The log escapes control characters. */
static const char *shown(const char *text, apr_pool_t *pool)
{
    return strlen(text) <= SHOWN_CHARS ? text : apr_pstrcat(pool, apr_pstrmemdup(pool, text, SHOWN_CHARS), "...", NULL);
}

static const char *check_type(json_object *header, const char *wanted, apr_pool_t *pool)
{
    const char *type = tc_facts_type(header);

    if (strcasecmp(type, wanted) == 0) {
        return NULL;
    }
    return *type == '\0' ? apr_psprintf(pool, "its header has no typ, which must be %s", wanted)
                         : apr_psprintf(pool, "the typ of its header is %s and not %s", shown(type, pool), wanted);
}

static const char *check_required(const tc_jwt_required_t *required, json_object *header, json_object *claims,
                                  apr_pool_t *pool)
{
    const char *why = NULL;

    for (; required != NULL && why == NULL; required = required->next) {
        json_object *value;

        if (is_type(required)) {
            why = check_type(header, required->value, pool);
            continue;
        }
        value = tc_claims_find(claims, required->name, pool);
        if (value == NULL) {
            why = apr_psprintf(pool, "the claim %s is missing, which must be %s", required->name, required->value);
        }
        else if (!has_value(required->name, value, required->value)) {
            why = apr_psprintf(pool, "the claim %s is not %s, which is required", required->name, required->value);
        }
    }
    return why;
}

static bool is_text_or_texts(json_object *value)
{
    size_t i;

    if (!json_object_is_type(value, json_type_array)) {
        return json_object_is_type(value, json_type_string);
    }
    for (i = 0; i < json_object_array_length(value); i++) {
        if (!json_object_is_type(json_object_array_get_idx(value, i), json_type_string)) {
            return false;
        }
    }
    return true;
}

/* RFC 7519, 4.1.3: one audience, or an array of them. */
static bool is_for(json_object *aud, const char *audience)
{
    size_t i;

    if (json_object_is_type(aud, json_type_string)) {
        return tc_facts_text(aud) != NULL && strcmp(tc_facts_text(aud), audience) == 0;
    }
    for (i = 0; json_object_is_type(aud, json_type_array) && i < json_object_array_length(aud); i++) {
        json_object *one = json_object_array_get_idx(aud, i);

        if (json_object_is_type(one, json_type_string) && tc_facts_text(one) != NULL
            && strcmp(tc_facts_text(one), audience) == 0) {
            return true;
        }
    }
    return false;
}

static const char *check_audience(const char *const *audiences, json_object *claims, apr_pool_t *pool)
{
    const char *const *audience;
    json_object *aud = NULL;

    if (audiences == NULL) {
        return NULL;
    }
    if (!json_object_object_get_ex(claims, "aud", &aud) || aud == NULL) {
        return apr_psprintf(pool, "the claim aud is missing, which must have %s", *audiences);
    }
    for (audience = audiences; *audience != NULL; audience++) {
        if (is_for(aud, *audience)) {
            return NULL;
        }
    }
    return is_text_or_texts(aud) ? apr_psprintf(pool, "for another audience: the claim aud does not have %s", *audiences)
                                 : "the claim aud has a value that is no text and no list of texts";
}

const char *tc_jwt_rules_check(const tc_jwt_rules_t *rules, const tc_jwt_issuer_t *issuer, json_object *header,
                               json_object *claims, apr_pool_t *pool)
{
    const char *why = check_audience(issuer->audiences, claims, pool);

    if (why == NULL) {
        why = check_required(rules->required, header, claims, pool);
    }
    return why ? why : check_required(issuer->required, header, claims, pool);
}

/* ---- issuers ---- */

/* The issuer whose keys stand in the rules themselves. */
static tc_jwt_issuer_t own_issuer(const tc_jwt_rules_t *rules)
{
    return (tc_jwt_issuer_t){.name = rules->issuer, .keys = rules->keys, .user_claim = rules->user_claim,
                             .audiences = rules->audiences};
}

const char *tc_jwt_issuer_find(const tc_jwt_rules_t *rules, json_object *claims, tc_jwt_issuer_t *out, apr_pool_t *pool)
{
    bool is_known = rules->issuer != NULL || rules->issuers != NULL;
    json_object *value = NULL;
    const char *iss = NULL;
    const tc_jwt_issuer_t *issuer;

    if (json_object_object_get_ex(claims, "iss", &value) && json_object_is_type(value, json_type_string)) {
        iss = tc_facts_text(value);
    }
    for (issuer = rules->issuers; issuer != NULL && iss != NULL; issuer = issuer->next) {
        if (strcmp(issuer->name, iss) == 0) {
            *out = *issuer;
            return NULL;
        }
    }
    *out = own_issuer(rules);
    if (out->keys != NULL && (out->name == NULL || (iss != NULL && strcmp(out->name, iss) == 0))) {
        return NULL;
    }
    if (!is_known || iss != NULL) {
        return iss ? apr_psprintf(pool, "of another issuer: the claim iss is %s", shown(iss, pool)) : "the site has no key";
    }
    return value ? "the claim iss has a value that is no text" : "the claim iss is missing";
}

/* ---- after a reload ---- */

/* The same by the facts of a token. False: there is no such issuer. */
static bool find_by_facts(const tc_jwt_rules_t *rules, const tc_facts_t *facts, tc_jwt_issuer_t *out)
{
    const tc_jwt_issuer_t *issuer;

    for (issuer = rules->issuers; issuer != NULL; issuer = issuer->next) {
        if (tc_facts_have(facts, "iss", issuer->name)) {
            *out = *issuer;
            return true;
        }
    }
    *out = own_issuer(rules);
    return out->keys != NULL && (out->name == NULL || tc_facts_have(facts, "iss", out->name));
}

static uint64_t add_text(uint64_t hash, const char *text)
{
    return tc_hash_add(tc_hash_text(hash, text ? text : ""), 0);
}

static uint64_t add_required(uint64_t hash, const tc_jwt_required_t *required)
{
    for (; required != NULL; required = required->next) {
        hash = add_text(add_text(hash, required->name), required->value);
    }
    return tc_hash_add(hash, 1);
}

static uint64_t conditions_of(const tc_jwt_rules_t *rules, const tc_jwt_issuer_t *issuer)
{
    uint64_t hash = add_text(TC_HASH_BASIS, issuer->name);
    const char *const *audience;

    for (audience = issuer->audiences; audience != NULL && *audience != NULL; audience++) {
        hash = add_text(hash, *audience);
    }
    hash = tc_hash_add(hash, 1);
    return add_required(add_required(hash, rules->required), issuer->required);
}

static uint64_t identity_of(const tc_jwt_rules_t *rules, const tc_jwt_issuer_t *issuer)
{
    uint64_t hash = add_text(TC_HASH_BASIS, issuer->user_claim);

    return rules->names ? add_text(tc_hash_add(hash, 1), rules->names->trips) : hash;
}

void tc_jwt_mark(const tc_jwt_rules_t *rules, const tc_jwt_key_t *key, const tc_facts_t *facts, tc_jwt_mark_t *mark)
{
    tc_jwt_issuer_t issuer;

    (void)find_by_facts(rules, facts, &issuer);
    memcpy(mark->key_id, key->id, sizeof(mark->key_id));
    mark->conditions = conditions_of(rules, &issuer);
    mark->identity = identity_of(rules, &issuer);
    mark->leeway_s = rules->leeway_s;
}

static uint64_t add_issuer(uint64_t hash, const tc_jwt_rules_t *rules, const tc_jwt_issuer_t *issuer)
{
    uint64_t parts[] = {conditions_of(rules, issuer), identity_of(rules, issuer)};
    const tc_jwt_key_t *key;

    for (key = issuer->keys; key != NULL; key = key->next) {
        hash = add_text(tc_hash_bytes(hash, key->id, sizeof(key->id)), key->kid);
    }
    return tc_hash_bytes(hash, parts, sizeof(parts));
}

uint64_t tc_jwt_rules_hash(const tc_jwt_rules_t *rules)
{
    const tc_jwt_issuer_t own = own_issuer(rules), *issuer;
    uint64_t hash = tc_hash_bytes(TC_HASH_BASIS, &rules->leeway_s, sizeof(rules->leeway_s));

    hash = add_issuer(hash, rules, &own);
    for (issuer = rules->issuers; issuer != NULL; issuer = issuer->next) {
        hash = add_issuer(hash, rules, issuer);
    }
    return hash;
}

static bool have_required(const tc_facts_t *facts, const tc_jwt_required_t *required)
{
    for (; required != NULL; required = required->next) {
        if (!tc_facts_have(facts, required->name, required->value)) {
            return false;
        }
    }
    return true;
}

static bool have_audience(const tc_facts_t *facts, const char *const *audiences)
{
    if (audiences == NULL) {
        return true;
    }
    for (; *audiences != NULL; audiences++) {
        if (tc_facts_have(facts, "aud", *audiences)) {
            return true;
        }
    }
    return false;
}

static const tc_jwt_key_t *find_key(const tc_jwt_key_t *key, const unsigned char *id)
{
    while (key != NULL && memcmp(key->id, id, TC_JWT_KEY_ID_BYTES) != 0) {
        key = key->next;
    }
    return key;
}

tc_jwt_still_e tc_jwt_still(const tc_jwt_rules_t *rules, const tc_jwt_mark_t *mark, const tc_facts_t *facts,
                            const tc_jwt_key_t **key, const char **why)
{
    tc_jwt_issuer_t issuer;

    *why = "the issuer of its token is no longer one of the site's";
    if (!find_by_facts(rules, facts, &issuer)) {
        return TC_JWT_ENDS;
    }
    *why = "the key of its token is no longer one of the site's";
    *key = find_key(issuer.keys, mark->key_id);
    if (*key == NULL) {
        return TC_JWT_ENDS;
    }
    if (conditions_of(rules, &issuer) != mark->conditions) {
        *why = "its token does not have the audience, or another claim, that is required now";
        if (!have_audience(facts, issuer.audiences)) {
            return TC_JWT_ENDS;
        }
        if (!have_required(facts, rules->required) || !have_required(facts, issuer.required)) {
            *why = facts->is_partial ? "its token has more claims than are kept, and must be read again" : *why;
            return facts->is_partial ? TC_JWT_COMES_BACK : TC_JWT_ENDS;
        }
    }
    *why = "another claim of its token says now who the user is";
    return identity_of(rules, &issuer) == mark->identity ? TC_JWT_STAYS : TC_JWT_COMES_BACK;
}
