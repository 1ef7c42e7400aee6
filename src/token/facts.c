/* What a token says, as hashes. See facts.h. */
#include "token/facts.h"

#include "base/alloc.h"

#include <apr_lib.h>
#include <apr_siphash.h>
#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Facts stay within one httpd, and each is compared with a rule of the administrator's: the key need not be secret. */
static const unsigned char siphash_key[APR_SIPHASH_KSIZE] = "token's facts 1";

static uint64_t hash_of(const char *name, const char *value, size_t value_len)
{
    size_t name_size = strlen(name) + 1, len = name_size + value_len;
    char space[256], *text = len <= sizeof(space) ? space : tc_alloc(len);
    uint64_t hash;

    memcpy(text, name, name_size);
    memcpy(text + name_size, value, value_len);
    hash = apr_siphash24(text, len, siphash_key);
    if (text != space) {
        free(text);
    }
    return hash;
}

/* ---- values ---- */

const char *tc_facts_text(json_object *value)
{
    const char *text;

    switch (json_object_get_type(value)) {
    case json_type_string:
        text = json_object_get_string(value);
        return strlen(text) == (size_t)json_object_get_string_len(value) ? text : NULL;
    case json_type_int:
    case json_type_boolean:
        return json_object_get_string(value);
    default:
        return NULL;
    }
}

static bool each_word(const char *text, bool (*visit)(void *what, const char *text, size_t len), void *what)
{
    bool found = false;

    while (!found && *(text += strspn(text, " ")) != '\0') {
        size_t len = strcspn(text, " ");

        found = visit(what, text, len);
        text += len;
    }
    return found;
}

static bool one(const char *name, json_object *value, bool (*visit)(void *what, const char *text, size_t len), void *what)
{
    const char *text = tc_facts_text(value);

    if (text == NULL) {
        return false;
    }
    return strcmp(name, "scope") == 0 ? each_word(text, visit, what) : visit(what, text, strlen(text));
}

bool tc_facts_each(const char *name, json_object *value, bool (*visit)(void *what, const char *text, size_t len), void *what)
{
    bool found = false;
    size_t i;

    if (!json_object_is_type(value, json_type_array)) {
        return one(name, value, visit, what);
    }
    for (i = 0; i < json_object_array_length(value) && !found; i++) {
        found = one(name, json_object_array_get_idx(value, i), visit, what);
    }
    return found;
}

const char *tc_facts_type(json_object *header)
{
    const char *type = tc_json_get_text(header, "typ");

    if (type == NULL) {
        return "";
    }
    return strncasecmp(type, "application/", 12) == 0 && strchr(type + 12, '/') == NULL ? type + 12 : type;
}

/* ---- reading ---- */

typedef struct {
    tc_facts_t *facts;
    const char *name;
} reading_t;

static bool add(void *what, const char *value, size_t len)
{
    const reading_t *reading = what;
    tc_facts_t *facts = reading->facts;

    if (facts->count == TC_FACTS_MAX) {
        facts->is_partial = true;
        return true;
    }
    facts->hashes[facts->count++] = hash_of(reading->name, value, len);
    return false;
}

static void add_claim(tc_facts_t *facts, const char *name, json_object *value)
{
    reading_t reading = {facts, name};

    (void)tc_facts_each(name, value, add, &reading);
}

static void add_type(tc_facts_t *facts, json_object *header, apr_pool_t *pool)
{
    reading_t reading = {facts, TC_FACTS_TYPE};
    char *type = apr_pstrdup(pool, tc_facts_type(header)), *c;

    for (c = type; *c != '\0'; c++) {
        *c = (char)apr_tolower(*c);
    }
    (void)add(&reading, type, strlen(type));
}

/* Claims that come first, or are no facts. */
static bool is_passed_over(const char *name)
{
    static const char *const names[] = {"iss", "aud", "exp", "nbf", "iat", "jti"};
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* NOLINTNEXTLINE(misc-no-recursion): a token has few levels (jwt.c) */
static void add_members(tc_facts_t *facts, const char *path, json_object *object, apr_pool_t *pool)
{
    struct lh_entry *entry;

    for (entry = json_object_get_object(object)->head; entry != NULL && !facts->is_partial; entry = entry->next) {
        const char *key = (const char *)lh_entry_k(entry);
        const char *name = path ? apr_pstrcat(pool, path, ".", key, NULL) : key;
        json_object *value = (json_object *)lh_entry_v(entry);

        if (path == NULL && is_passed_over(name)) {
            continue;
        }
        if (json_object_is_type(value, json_type_object)) {
            add_members(facts, name, value, pool);
        }
        else {
            add_claim(facts, name, value);
        }
    }
}

tc_facts_t *tc_facts_read(json_object *header, json_object *claims, apr_pool_t *pool)
{
    tc_facts_t *facts = apr_pcalloc(pool, sizeof(*facts) + TC_FACTS_MAX * sizeof(facts->hashes[0]));
    json_object *value;

    add_type(facts, header, pool);
    if (json_object_object_get_ex(claims, "iss", &value)) {
        add_claim(facts, "iss", value);
    }
    if (json_object_object_get_ex(claims, "aud", &value)) {
        add_claim(facts, "aud", value);
    }
    add_members(facts, NULL, claims, pool);
    return facts;
}

bool tc_facts_have(const tc_facts_t *facts, const char *name, const char *value)
{
    uint64_t hash = hash_of(name, value, strlen(value));
    uint32_t i;

    for (i = 0; i < facts->count; i++) {
        if (facts->hashes[i] == hash) {
            return true;
        }
    }
    return false;
}

/* ---- copies ---- */

size_t tc_facts_size(const tc_facts_t *facts)
{
    return sizeof(*facts) + facts->count * sizeof(facts->hashes[0]);
}

tc_facts_t *tc_facts_copy(const void *bytes, size_t len)
{
    tc_facts_t head;

    if (len < sizeof(head)) {
        return NULL;
    }
    memcpy(&head, bytes, sizeof(head));
    if (head.count > TC_FACTS_MAX || len < tc_facts_size(&head)) {
        return NULL;
    }
    return memcpy(tc_alloc(tc_facts_size(&head)), bytes, tc_facts_size(&head));
}
