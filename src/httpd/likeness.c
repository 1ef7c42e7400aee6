/* Whether two servers have the same configuration. See likeness.h. */
#include "httpd/likeness.h"

#include "base/hash.h"
#include "httpd/issuers.h"

#include <string.h>

/* True if a word says where a line stands, which is no value. */
static int is_place(tc_directive_e id, const char *const *words, int i)
{
    return (id == TC_D_JWT_KEY && i % TC_CONFIG_KEY_WORDS == TC_CONFIG_KEY_WORDS - 1)
           || (id == TC_D_ISSUER && i % 3 == 1 && strcmp(words[i - 1], TC_ISSUER_PLACE) == 0);
}

static uint64_t hash_value(tc_directive_e id, const tc_config_value_t *value, uint64_t hash)
{
    int i;

    if (tc_config_has_number(id)) {
        hash = tc_hash_bytes(hash, &value->number, sizeof(value->number));
        hash = tc_hash_bytes(hash, &value->period_us, sizeof(value->period_us));
    }
    hash = tc_hash_add(tc_hash_text(hash, value->text ? value->text : ""), 0);
    for (i = 0; value->words != NULL && value->words[i] != NULL; i++) {
        hash = is_place(id, value->words, i) ? hash : tc_hash_add(tc_hash_text(hash, value->words[i]), 0);
    }
    return hash;
}

static int is_same_text(const char *one, const char *other)
{
    return one == other || (one != NULL && other != NULL && strcmp(one, other) == 0);
}

static int has_same_words(tc_directive_e id, const char *const *one, const char *const *other)
{
    static const char *const none[] = {NULL};
    int i = 0;

    one = one ? one : none;
    other = other ? other : none;
    while (one[i] != NULL && other[i] != NULL && (is_place(id, one, i) || strcmp(one[i], other[i]) == 0)) {
        i++;
    }
    return one[i] == NULL && other[i] == NULL;
}

/* A query is the same if its text is. */
int tc_likeness_of(tc_directive_e id, const tc_config_t *one, const tc_config_t *other)
{
    const tc_config_value_t *value = tc_config_value(one, id), *its = tc_config_value(other, id);

    return (!tc_config_has_number(id) || (value->number == its->number && value->period_us == its->period_us))
           && is_same_text(value->text, its->text) && has_same_words(id, value->words, its->words);
}

int tc_likeness_of_keys(const tc_config_t *one, const tc_config_t *other)
{
    int i;

    for (i = 0; i < TC_DIRECTIVE_COUNT; i++) {
        if (tc_config_is_key((tc_directive_e)i) && !tc_likeness_of((tc_directive_e)i, one, other)) {
            return 0;
        }
    }
    return 1;
}

int tc_likeness_difference(const tc_config_t *one, const tc_config_t *other)
{
    int i;

    for (i = 0; i < TC_DIRECTIVE_COUNT; i++) {
        if (i != TC_D_SITE && !tc_likeness_of((tc_directive_e)i, one, other)) {
            return i;
        }
    }
    return -1;
}

uint64_t tc_likeness_hash(const tc_config_t *config, uint64_t hash)
{
    int i;

    for (i = 0; i < TC_DIRECTIVE_COUNT; i++) {
        hash = i == TC_D_SITE ? hash : hash_value((tc_directive_e)i, tc_config_value(config, (tc_directive_e)i), hash);
    }
    return hash;
}

uint64_t tc_likeness_hash_keys(const tc_config_t *config, uint64_t hash)
{
    int i;

    for (i = 0; i < TC_DIRECTIVE_COUNT; i++) {
        if (tc_config_is_key((tc_directive_e)i)) {
            hash = hash_value((tc_directive_e)i, tc_config_value(config, (tc_directive_e)i), hash);
        }
    }
    return hash;
}
