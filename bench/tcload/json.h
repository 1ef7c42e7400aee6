/*
 * Finds values in a JSON text without parsing it: the generator shares the machine with the server that it measures,
 * so it must stay cheap. A quoted key and its colon cannot stand within a JSON string, where quotes are escaped, so
 * content is never mistaken for structure. It is no parser: the first member of that name counts, at any depth.
 */
#ifndef BENCH_TCLOAD_JSON_H
#define BENCH_TCLOAD_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the value begins behind `key`, which comes with its quotes and its colon; or NULL. */
const char *json_value(const char *p, size_t n, const char *key, size_t key_len);

/* The same for a key that is a string literal without quotes. */
#define JSON_VALUE(p, n, key) json_value((p), (n), "\"" key "\":", sizeof("\"" key "\":") - 1)

/* Whether the value is this string. The value may be NULL, here and below; `end` is the text's end. */
bool json_is(const char *v, const char *end, const char *word);

/* Reads the value as digits; false when it does not begin with one. */
bool json_uint(const char *v, const char *end, uint64_t *value);

#endif
