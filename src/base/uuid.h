/*
 * UUIDs (RFC 9562): reading and writing the text form, and making version 7, which sorts by time. Any thread.
 */
#ifndef TC_BASE_UUID_H
#define TC_BASE_UUID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TC_UUID_BYTES 16
#define TC_UUID_CHARS 36

typedef struct {
    unsigned char bytes[TC_UUID_BYTES];
} tc_uuid_t;

/* Reads the 8-4-4-4-12 form in upper or lower case. Returns false for any other text. */
bool tc_uuid_parse(const char *text, size_t len_bytes, tc_uuid_t *out);

/* The same, and the 32 digits without hyphens. */
bool tc_uuid_parse_any(const char *text, size_t len_bytes, tc_uuid_t *out);

/* Writes the lower-case form and a NUL. `out` holds TC_UUID_CHARS + 1 bytes. */
void tc_uuid_format(const tc_uuid_t *uuid, char *out);

/*
 * Makes a version 7 UUID (RFC 9562, 5.7) from the wall clock and the system's random source. In a process each one sorts
 * after all that were made before it, also within a millisecond and after the clock was set back (6.2).
 */
void tc_uuid_make_v7(tc_uuid_t *out);

/* The same for a clock that says `wall_us`. For tests. */
void tc_uuid_make_v7_at(tc_uuid_t *out, int64_t wall_us);

bool tc_uuid_equal(const tc_uuid_t *a, const tc_uuid_t *b);

#endif
