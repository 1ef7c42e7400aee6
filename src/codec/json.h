/*
 * Reads JSON (RFC 8259) with a strict scanner (json_scan.h) and json-c behind it, and writes JSON strings. Pure.
 */
#ifndef TC_CODEC_JSON_H
#define TC_CODEC_JSON_H

#include "base/buf.h"
#include "codec/json_scan.h"

#include <json-c/json.h>
#include <stdbool.h>

/*
 * Parses one JSON object of at most `max_depth` levels, and at most `max_values` names and values: json-c builds hundreds of
 * bytes for an empty list of two bytes. Only TC_JSON_OK fills *out. The caller frees *out with tc_json_free().
 */
tc_json_status_e tc_json_parse_object(const char *text, size_t len, int max_depth, size_t max_values, json_object **out);

/* Frees a value of tc_json_parse_object(); NULL is allowed. Do not use json_object_put(), see json.c. */
void tc_json_free(json_object *value);

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
