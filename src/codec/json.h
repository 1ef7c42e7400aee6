/*
 * Reads JSON (RFC 8259) with a strict scanner and json-c behind it, and writes JSON strings. The scanner decides what
 * is JSON, because each release of json-c accepts something else. Pure.
 */
#ifndef TC_CODEC_JSON_H
#define TC_CODEC_JSON_H

#include "base/buf.h"

#include <json-c/json.h>
#include <stdbool.h>

typedef enum {
    TC_JSON_OK,
    TC_JSON_BROKEN,    /* not JSON in UTF-8, more than one value, or a key with U+0000 or half a surrogate pair */
    TC_JSON_TOO_DEEP,
    TC_JSON_NOT_OBJECT,
    TC_JSON_DOUBLED    /* an object on any level has the same key twice */
} tc_json_status_e;

/*
 * Parses one JSON object of at most `max_depth` levels; 64 is the most. Only TC_JSON_OK fills *out. The caller frees
 * *out with tc_json_free().
 */
tc_json_status_e tc_json_parse_object(const char *text, size_t len, int max_depth,
                                      json_object **out);

/* Frees a value of tc_json_parse_object(); NULL is allowed. Do not use json_object_put(), see json.c. */
void tc_json_free(json_object *value);

/*
 * True if a text holds more names and values than `max`. Texts of clients are checked with this before they are parsed,
 * because json-c builds hundreds of bytes for an empty list of two bytes. If the text is not JSON, the result may be
 * true or false.
 */
bool tc_json_has_more_values(const char *text, size_t len, size_t max);

/*
 * Returns the string member `key` of `object`, which owns it, and its length in bytes. Returns NULL if the member is
 * missing or is not a string. *present is false only if it is missing; a null counts as missing.
 */
const char *tc_json_get_string(json_object *object, const char *key, size_t *len, bool *present);

/* Returns the string member `key`, or NULL if it is missing, is not a string, or contains U+0000. */
const char *tc_json_get_text(json_object *object, const char *key);

/* True if the member `key` is the string `text`. */
bool tc_json_is_text(json_object *object, const char *key, const char *text);

/* Append `text` (UTF-8) as a JSON string, with its quotes. NULL becomes null. */
void tc_json_append_string(tc_buf_t *buf, const char *text, size_t len);
void tc_json_append_str(tc_buf_t *buf, const char *text);

#endif
