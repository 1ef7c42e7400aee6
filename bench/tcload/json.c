/* See json.h. */
#include "tcload/json.h"

#include <string.h>

const char *json_value(const char *p, size_t n, const char *key, size_t key_len)
{
    const char *v = memmem(p, n, key, key_len), *end = p + n;

    if (!v)
        return NULL;
    for (v += key_len; v < end && *v == ' '; v++)
        ;
    return v < end ? v : NULL;
}

bool json_is(const char *v, const char *end, const char *word)
{
    size_t n = strlen(word);

    return v && (size_t)(end - v) >= n + 2 && v[0] == '"' && memcmp(v + 1, word, n) == 0 && v[n + 1] == '"';
}

bool json_uint(const char *v, const char *end, uint64_t *value)
{
    const char *p = v;

    for (*value = 0; p && p < end && *p >= '0' && *p <= '9'; p++)
        *value = *value * 10 + (uint64_t)(*p - '0');
    return p && p > v;
}
