/* Keys that an object has twice. See json_keys.h. */
#include "codec/json_keys.h"

#include "base/hash.h"
#include "base/hex.h"

#include <stdlib.h>

typedef struct {
    uint64_t hash; /* of the key's characters */
    uint32_t object;
} entry_t;

/* Reads \uXXXX, or two of them that are a surrogate pair. */
static const char *read_unicode(const char *at, uint32_t *character)
{
    *character = (uint32_t)tc_hex_four(at);
    at += 4;
    if (*character >= 0xd800 && *character <= 0xdbff) {
        *character = 0x10000 + ((*character - 0xd800) << 10) + ((uint32_t)tc_hex_four(at + 2) - 0xdc00);
        at += 6;
    }
    return at;
}

/* Reads the escape behind a backslash (RFC 8259, 7). */
static const char *read_escape(const char *at, uint32_t *character)
{
    static const char named[] = "b\bf\fn\nr\rt\t";
    const char *pair;

    if (*at == 'u') {
        return read_unicode(at + 1, character);
    }
    *character = (unsigned char)*at; /* a quote, a backslash or a slash */
    for (pair = named; *pair != '\0'; pair += 2) {
        if (*pair == *at) {
            *character = (unsigned char)pair[1];
        }
    }
    return at + 1;
}

/* Reads a character that is not escaped, one to four bytes of UTF-8. */
static const char *read_utf8(const char *at, uint32_t *character)
{
    unsigned char first = (unsigned char)*at++;
    int more = first < 0xc0 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;

    *character = more == 0 ? first : first & (0x3fu >> more);
    while (more-- > 0) {
        *character = *character << 6 | ((unsigned char)*at++ & 0x3fu);
    }
    return at;
}

bool tc_json_keys_add(tc_json_keys_t *keys, uint32_t object, const char *key, size_t len)
{
    const char *at = key, *end = key + len;
    entry_t entry = {TC_HASH_BASIS, object};

    while (at < end) {
        uint32_t character;

        at = *at == '\\' ? read_escape(at + 1, &character) : read_utf8(at, &character);
        if (character == 0) {
            return false;
        }
        entry.hash = tc_hash_add(entry.hash, character);
    }
    tc_buf_append(&keys->entries, &entry, sizeof(entry));
    return true;
}

static int compare(const void *one, const void *other)
{
    const entry_t *a = one, *b = other;

    if (a->object != b->object) {
        return a->object < b->object ? -1 : 1;
    }
    return a->hash < b->hash ? -1 : a->hash > b->hash;
}

bool tc_json_keys_have_double(tc_json_keys_t *keys)
{
    entry_t *entries = (entry_t *)(void *)keys->entries.data;
    size_t count = keys->entries.len / sizeof(*entries), i;

    if (count > 1) {
        qsort(entries, count, sizeof(*entries), compare);
    }
    for (i = 1; i < count; i++) {
        if (compare(&entries[i - 1], &entries[i]) == 0) {
            return true;
        }
    }
    return false;
}

void tc_json_keys_free(tc_json_keys_t *keys)
{
    tc_buf_free(&keys->entries);
}
