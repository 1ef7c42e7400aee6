/* The ids of trips. See trip.h. */
#include "codec/trip.h"

#include "codec/utf8.h"

#include <string.h>

#define INTEGER_MAX "9223372036854775807" /* of a bigint */
#define INTEGER_MAX_DIGITS (sizeof(INTEGER_MAX) - 1)
#define HEX_CHARS ((size_t)2 * TC_UUID_BYTES)

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Behind the text, all bytes are zero. */
static void set(tc_trip_t *out, const char *text, size_t len)
{
    memset(out, 0, sizeof(*out));
    memcpy(out->text, text, len);
}

static bool parse_uuid(const char *text, size_t len, tc_trip_t *out)
{
    tc_uuid_t uuid;

    if (!tc_uuid_parse_any(text, len, &uuid)) {
        return false;
    }
    memset(out, 0, sizeof(*out));
    tc_uuid_format(&uuid, out->text);
    return true;
}

static bool parse_integer(const char *text, size_t len, tc_trip_t *out)
{
    size_t i;

    if (len == 0 || len > INTEGER_MAX_DIGITS) {
        return false;
    }
    for (i = 0; i < len; i++) {
        if (!is_digit(text[i])) {
            return false;
        }
    }
    while (len > 1 && *text == '0') {
        text++;
        len--;
    }
    if (len == INTEGER_MAX_DIGITS && memcmp(text, INTEGER_MAX, len) > 0) {
        return false;
    }
    set(out, text, len);
    return true;
}

/* Characters that a URL's path and every log show as they are, or that a URL has percent-encoded (not ASCII). */
static bool is_text_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || (unsigned char)c >= 0x80
           || (c != '\0' && strchr("-._~:@+,=", c) != NULL);
}

/* A path never has a part "." or "..", so such an id could not be reached. */
static bool parse_text(const char *text, size_t len, tc_trip_t *out)
{
    size_t i;

    if (len == 0 || len > TC_TRIP_MAX_BYTES || !tc_utf8_is_valid(text, len)
        || (len <= 2 && memcmp(text, "..", len) == 0)) {
        return false;
    }
    for (i = 0; i < len; i++) {
        if (!is_text_char(text[i])) {
            return false;
        }
    }
    set(out, text, len);
    return true;
}

bool tc_trip_parse(const char *text, size_t len, tc_trip_form_e form, tc_trip_t *out)
{
    switch (form) {
    case TC_TRIP_UUID:
    case TC_TRIP_UUID_HEX:
        return parse_uuid(text, len, out);
    case TC_TRIP_INTEGER:
        return parse_integer(text, len, out);
    case TC_TRIP_TEXT:
        break;
    }
    return parse_text(text, len, out);
}

bool tc_trip_from_sql(const char *text, tc_trip_form_e form, tc_trip_t *out)
{
    size_t len = text ? strlen(text) : 0;

    while (len > 0 && text[len - 1] == ' ') {
        len--;
    }
    if (form != TC_TRIP_TEXT && tc_trip_parse(text, len, form, out)) {
        return true;
    }
    if (len == 0 || len > TC_TRIP_MAX_BYTES || !tc_utf8_is_valid(text, len)) {
        return false;
    }
    set(out, text, len);
    return true;
}

const char *tc_trip_to_sql(const tc_trip_t *trip, tc_trip_form_e form, char *space)
{
    const char *from;
    tc_uuid_t uuid;

    if (form != TC_TRIP_UUID_HEX || !tc_uuid_parse(trip->text, strlen(trip->text), &uuid)) {
        return trip->text;
    }
    for (from = trip->text; *from != '\0'; from++) {
        if (*from != '-') {
            *space++ = *from;
        }
    }
    *space = '\0';
    return space - HEX_CHARS;
}

const char *tc_trip_form_words(tc_trip_form_e form)
{
    switch (form) {
    case TC_TRIP_UUID:
    case TC_TRIP_UUID_HEX:
        return "a UUID";
    case TC_TRIP_INTEGER:
        return "a number of at most 19 digits";
    case TC_TRIP_TEXT:
        break;
    }
    return "a text of at most 128 bytes with letters, digits and -._~:@+,= alone";
}

bool tc_place_parse(const char *text, size_t len, tc_trip_form_e form, tc_place_t *out)
{
    memset(out, 0, sizeof(*out));
    out->may_be_room = tc_uuid_parse(text, len, &out->room_id);
    out->may_be_trip = tc_trip_parse(text, len, form, &out->trip);
    return out->may_be_room || out->may_be_trip;
}
