/*
 * UTF-8 (RFC 3629) checked as it arrives, in pieces of any size. Pure; any thread.
 */
#ifndef TC_CODEC_UTF8_H
#define TC_CODEC_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What has been seen of a text. All zero is the start of one. */
typedef struct {
    uint8_t missing; /* continuation bytes that the current character still needs */
    uint8_t low;     /* the next of them lies in low..high */
    uint8_t high;
} tc_utf8_t;

/* Feeds the next piece. False at the first byte that no valid text can have there. */
bool tc_utf8_feed(tc_utf8_t *state, const unsigned char *data, size_t len);

/* True when the text may end here: no character is half read. */
static inline bool tc_utf8_is_complete(const tc_utf8_t *state)
{
    return state->missing == 0;
}

/* Is this a whole text in UTF-8? */
bool tc_utf8_is_valid(const void *text, size_t len);

/* Code points in valid UTF-8. */
size_t tc_utf8_count(const char *text, size_t len);

/* True when valid UTF-8 holds nothing but white space (Unicode White_Space and U+001C..U+001F). */
bool tc_utf8_is_blank(const char *text, size_t len);

#endif
