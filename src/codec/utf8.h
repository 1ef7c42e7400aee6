/*
 * Checks UTF-8 (RFC 3629) as it arrives, in pieces of any size. Pure; any thread.
 */
#ifndef TC_CODEC_UTF8_H
#define TC_CODEC_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The state between two pieces of a text. All zero: the start of a text. */
typedef struct {
    uint8_t missing; /* continuation bytes that the current character still needs */
    uint8_t low;     /* the next continuation byte must lie in low..high */
    uint8_t high;
} tc_utf8_t;

/* Checks the next piece. Returns false if a byte cannot stand at its place in a valid text. */
bool tc_utf8_feed(tc_utf8_t *state, const unsigned char *data, size_t len);

/* True if the text may end here: no character is incomplete. */
static inline bool tc_utf8_is_complete(const tc_utf8_t *state)
{
    return state->missing == 0;
}

/* True if the bytes are a complete text in UTF-8. An empty text is valid. */
bool tc_utf8_is_valid(const void *text, size_t len);

/*
 * Copies a text to `out` with U+FFFD in place of each byte that cannot stand at its place in UTF-8. Returns the length
 * of the copy, which is at most tc_utf8_mended_max(len). No 0 is added.
 */
size_t tc_utf8_mend(const char *text, size_t len, char *out);

static inline size_t tc_utf8_mended_max(size_t len)
{
    return 3 * len;
}

/* True if a text has ASCII's characters alone. */
static inline bool tc_utf8_is_ascii(const char *text)
{
    while (*text != '\0' && (unsigned char)*text < 0x80) {
        text++;
    }
    return *text == '\0';
}

/* The number of code points in valid UTF-8. */
size_t tc_utf8_count(const char *text, size_t len);

/* The length in bytes of the first `max_chars` code points of valid UTF-8; `len` if it has fewer. */
size_t tc_utf8_prefix(const char *text, size_t len, size_t max_chars);

/* True if valid UTF-8 contains only white space (Unicode White_Space and U+001C..U+001F), or nothing. */
bool tc_utf8_is_blank(const char *text, size_t len);

#endif
