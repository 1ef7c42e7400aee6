/*
 * Checks that a text is one JSON object (RFC 8259) in UTF-8. Each release of json-c accepts something else, and changes
 * some of what it accepts. So json-c sees only texts that pass this check, and builds what they say. Pure.
 */
#ifndef TC_CODEC_JSON_SCAN_H
#define TC_CODEC_JSON_SCAN_H

#include <stddef.h>

#define TC_JSON_LEVELS_MAX 64

typedef enum {
    TC_JSON_OK,
    TC_JSON_BROKEN,    /* not JSON in UTF-8, more than one value, a number out of range, half a surrogate pair, or a key with
                          U+0000 */
    TC_JSON_TOO_DEEP,
    TC_JSON_TOO_MANY,  /* more names and values than allowed */
    TC_JSON_NOT_OBJECT,
    TC_JSON_DOUBLED    /* an object on any level has the same key twice */
} tc_json_status_e;

/*
 * Checks `text`, which may have at most `max_depth` levels (TC_JSON_LEVELS_MAX is the most), and at most `max_values` names
 * and values. A whole number must fit in 64 bits with a sign, another one must be less than 1.797e308. Stops at the first
 * fault, so a text may have others. Allocates 16 bytes a key at most.
 */
tc_json_status_e tc_json_scan(const char *text, size_t len, int max_depth, size_t max_values);

#endif
