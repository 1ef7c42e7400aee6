/* Checks UTF-8 as it arrives. RFC 3629, section 4. See utf8.h. */
#include "codec/utf8.h"

#include <string.h>

/*
 * A lead byte says how many bytes follow, and narrows the range of the first of them. That range excludes overlong
 * forms, surrogates and code points beyond U+10FFFF.
 */
static bool start_character(tc_utf8_t *state, unsigned char lead)
{
    state->low = 0x80;
    state->high = 0xbf;
    if (lead >= 0xc2 && lead <= 0xdf) {
        state->missing = 1;
    }
    else if ((lead & 0xf0) == 0xe0) {
        state->missing = 2;
        state->low = lead == 0xe0 ? 0xa0 : 0x80;
        state->high = lead == 0xed ? 0x9f : 0xbf;
    }
    else if (lead >= 0xf0 && lead <= 0xf4) {
        state->missing = 3;
        state->low = lead == 0xf0 ? 0x90 : 0x80;
        state->high = lead == 0xf4 ? 0x8f : 0xbf;
    }
    else {
        return false;
    }
    return true;
}

static size_t skip_ascii(const unsigned char *data, size_t at, size_t len)
{
    while (at + 8 <= len) {
        uint64_t word;

        memcpy(&word, data + at, 8);
        if (word & UINT64_C(0x8080808080808080)) {
            break;
        }
        at += 8;
    }
    while (at < len && data[at] < 0x80) {
        at++;
    }
    return at;
}

bool tc_utf8_feed(tc_utf8_t *state, const unsigned char *data, size_t len)
{
    size_t at = 0;

    while (at < len) {
        if (state->missing > 0) {
            if (data[at] < state->low || data[at] > state->high) {
                return false;
            }
            state->low = 0x80;
            state->high = 0xbf;
            state->missing--;
            at++;
            continue;
        }
        at = skip_ascii(data, at, len);
        if (at < len && !start_character(state, data[at++])) {
            return false;
        }
    }
    return true;
}

bool tc_utf8_is_valid(const void *text, size_t len)
{
    tc_utf8_t state = {0};

    return tc_utf8_feed(&state, text, len) && tc_utf8_is_complete(&state);
}

/* The length of the character that begins at `at`; 0 when none does. */
static size_t character_len(const char *at, size_t len)
{
    size_t n;

    for (n = 1; n <= 4 && n <= len; n++) {
        if (tc_utf8_is_valid(at, n)) {
            return n;
        }
    }
    return 0;
}

size_t tc_utf8_mend(const char *text, size_t len, char *out)
{
    static const char replacement[] = "\xef\xbf\xbd";
    size_t at = 0, to = 0;

    while (at < len) {
        size_t n = character_len(text + at, len - at);

        memcpy(out + to, n > 0 ? text + at : replacement, n > 0 ? n : sizeof(replacement) - 1);
        to += n > 0 ? n : sizeof(replacement) - 1;
        at += n > 0 ? n : 1;
    }
    return to;
}

size_t tc_utf8_count(const char *text, size_t len)
{
    size_t i, count = 0;

    for (i = 0; i < len; i++) {
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    }
    return count;
}

size_t tc_utf8_prefix(const char *text, size_t len, size_t max_chars)
{
    size_t i;

    for (i = 0; i < len; i++) {
        if (((unsigned char)text[i] & 0xc0) != 0x80 && max_chars-- == 0) {
            break;
        }
    }
    return i;
}

/* Decodes the first character of `text`, which is valid UTF-8, and sets *len to its length in bytes. */
static uint32_t next_code_point(const unsigned char *text, size_t *len)
{
    if (text[0] < 0x80) {
        *len = 1;
        return text[0];
    }
    if (text[0] < 0xe0) {
        *len = 2;
        return (uint32_t)(text[0] & 0x1f) << 6 | (text[1] & 0x3f);
    }
    if (text[0] < 0xf0) {
        *len = 3;
        return (uint32_t)(text[0] & 0x0f) << 12 | (uint32_t)(text[1] & 0x3f) << 6 | (text[2] & 0x3f);
    }
    *len = 4;
    return 0x10000; /* stands for every code point from here on: none of them is white space */
}

static bool is_space(uint32_t c)
{
    return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0
           || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029
           || c == 0x202f || c == 0x205f || c == 0x3000;
}

bool tc_utf8_is_blank(const char *text, size_t len)
{
    size_t at = 0, step;

    while (at < len) {
        if (!is_space(next_code_point((const unsigned char *)text + at, &step))) {
            return false;
        }
        at += step;
    }
    return true;
}
