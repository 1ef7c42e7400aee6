/*
 * Whether an object of a JSON text has the same key twice, on any level. json-c keeps the last of two equal keys, and
 * json-c 0.19 compiled with NDEBUG never frees the value that it drops. Pure.
 */
#ifndef TC_CODEC_JSON_KEYS_H
#define TC_CODEC_JSON_KEYS_H

#include "base/buf.h"

#include <stdbool.h>

/* The keys of one text. Zeroed: none. */
typedef struct {
    tc_buf_t entries; /* a number for each key, from its object and its characters */
} tc_json_keys_t;

/*
 * Notes a key: the bytes between its quotes, of the object with the number `object`. They are valid in JSON and UTF-8 and
 * have no half of a surrogate pair. False if the key has U+0000, at which json-c would cut the key and so make another key
 * of it. Equal keys are found however they are escaped. Costs 16 bytes a key.
 */
bool tc_json_keys_add(tc_json_keys_t *keys, uint32_t object, const char *key, size_t len);

/*
 * True if an object has a key twice. Sorts the keys. Two different keys count as equal with a chance of 2^-64, unless
 * their sender wants them to, who is then refused.
 */
bool tc_json_keys_have_double(tc_json_keys_t *keys);

void tc_json_keys_free(tc_json_keys_t *keys);

#endif
