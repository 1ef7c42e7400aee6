/*
 * JSON (RFC 8259) in and out: a strict scanner, with json-c behind it, and a writer of strings. The scanner decides
 * what is JSON, since each release of json-c takes something else. Pure.
 */
#ifndef TC_CODEC_JSON_H
#define TC_CODEC_JSON_H

#include "base/buf.h"

#include <json-c/json.h>
#include <stdbool.h>

typedef enum {
    TC_JSON_OK,
    TC_JSON_BROKEN,    /* not JSON in UTF-8, more than one value, or a key with U+0000, which json-c would cut */
    TC_JSON_TOO_DEEP,
    TC_JSON_NOT_OBJECT,
    TC_JSON_DOUBLED    /* a key of the outer object stands twice */
} tc_json_status_e;

/*
 * Parses one JSON object of at most `max_depth` levels (64 at most). TC_JSON_OK alone fills *out, which the caller
 * gives back with tc_json_free().
 */
tc_json_status_e tc_json_parse_object(const char *text, size_t len, int max_depth,
                                      json_object **out);

/* Frees what tc_json_parse_object() made, with all that is in it. NULL is nothing. Never json_object_put(). */
void tc_json_free(json_object *value);

/*
 * Does a text hold more names and values than `max`? For those that strangers send: json-c builds an object
 * of hundreds of bytes for an empty list, two bytes long. Of what is not JSON it may say either.
 */
bool tc_json_has_more_values(const char *text, size_t len, size_t max);

/*
 * The string member `key` of `object`, owned by it, with its length in bytes; NULL when there is none
 * or when it is no string. *present tells the two apart (null counts as absent).
 */
const char *tc_json_get_string(json_object *object, const char *key, size_t *len, bool *present);

/* The same where it has no U+0000, so that it ends where C thinks; NULL for every other. */
const char *tc_json_get_text(json_object *object, const char *key);

/* Is the member `key` the string `text`? */
bool tc_json_is_text(json_object *object, const char *key, const char *text);

/* Appends `text` (UTF-8) as a JSON string, quotes included. NULL becomes null. */
void tc_json_append_string(tc_buf_t *buf, const char *text, size_t len);
void tc_json_append_str(tc_buf_t *buf, const char *text);

#endif
