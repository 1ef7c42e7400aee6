/* Checks that a text is one JSON object. See json_scan.h. */
#include "codec/json_scan.h"

#include "base/hex.h"
#include "codec/json_keys.h"
#include "codec/utf8.h"

#include <string.h>

/* The kinds of token that may come next. */
#define WANTS_VALUE 1u
#define WANTS_KEY   2u
#define WANTS_COLON 4u
#define WANTS_COMMA 8u
#define WANTS_END   16u /* of the array or the object */

#define LEVELS_MAX TC_JSON_LEVELS_MAX /* the bits of scan_t.objects */
#define EXPONENT_MAX 100000 /* a greater exponent is not told from this one; no text that we read is so long that it matters */

/* How far a text has been checked. */
typedef struct {
    const char *at, *end;
    size_t values, max_values; /* names and values so far, and how many there may be */
    uint64_t objects;  /* a bit for each open level, the innermost lowest; 1: an object, 0: an array */
    int depth;         /* open levels */
    uint32_t opened;   /* arrays and objects so far */
    uint32_t numbers[LEVELS_MAX + 1]; /* of those that are open: the count in `opened` when they began */
    tc_json_keys_t keys;
} scan_t;

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) {
        at++;
    }
    return at;
}

/*
 * Skips \uXXXX; `at` points behind the u. Half of a surrogate pair is no character, and there is no UTF-8 for it
 * (RFC 8259, 8.2), so it is refused. json-c would make U+FFFD of it: two different texts would become the same.
 */
static const char *scan_unicode(const char *at, const char *end)
{
    int32_t first = end - at >= 4 ? tc_hex_four(at) : -1, second;

    if (first < 0) {
        return NULL;
    }
    at += 4;
    if (first < 0xd800 || first > 0xdfff) {
        return at;
    }
    second = first < 0xdc00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u' ? tc_hex_four(at + 2) : -1;
    return second >= 0xdc00 && second <= 0xdfff ? at + 6 : NULL;
}

/* Skips an escape; `at` points behind its backslash. Returns NULL if it is not a valid escape (RFC 8259, 7). */
static const char *scan_escape(const char *at, const char *end)
{
    if (at == end || *at == '\0') {
        return NULL;
    }
    if (*at == 'u') {
        return scan_unicode(at + 1, end);
    }
    return strchr("\"\\/bfnrt", *at) != NULL ? at + 1 : NULL;
}

/* Skips the string whose first quote is at `at`. Returns NULL if it is not a valid string. */
static const char *scan_string(const char *at, const char *end)
{
    at++;
    while (at != NULL && at < end && *at != '"') {
        if ((unsigned char)*at < 0x20) {
            return NULL;
        }
        at = *at == '\\' ? scan_escape(at + 1, end) : at + 1;
    }
    return at != NULL && at < end ? at + 1 : NULL;
}

static const char *scan_digits(const char *at, const char *end)
{
    const char *from = at;

    while (at < end && *at >= '0' && *at <= '9') {
        at++;
    }
    return at > from ? at : NULL;
}

/* True if a whole number has a place in 64 bits with a sign. It has no leading zeros. json-c would change it in silence. */
static bool fits_in_64_bits(const char *digits, size_t len, bool negative)
{
    const char *greatest = negative ? "9223372036854775808" : "9223372036854775807";
    size_t most = strlen(greatest);

    return len < most || (len == most && memcmp(digits, greatest, most) <= 0);
}

/*
 * True if a number with a fraction or an exponent is finite as a double, whose greatest value is about 1.798e308. Numbers
 * from 1.797e308 on are refused: that near to the end, the digits behind would decide. `digits`: behind the sign.
 */
static bool is_finite(const char *digits, const char *end)
{
    char lead[5] = "0000";   /* the first digits that are not zeros in front */
    size_t leads = 0;
    long magnitude = 0, exponent = 0; /* the number is 0.LEAD… × 10 to the power of their sum */
    bool fraction = false, negative;
    const char *at;

    for (at = digits; at < end && *at != 'e' && *at != 'E'; at++) {
        if (*at == '.') {
            fraction = true;
            continue;
        }
        if (leads > 0 || *at != '0') {
            if (leads < 4) {
                lead[leads] = *at;
            }
            leads++;
            magnitude += !fraction;
        }
        else {
            magnitude -= fraction;
        }
    }
    if (leads == 0 || at == end) {
        return leads == 0 || magnitude < 309;
    }
    negative = *++at == '-';
    for (at += *at == '-' || *at == '+'; at < end; at++) {
        exponent = exponent < EXPONENT_MAX ? exponent * 10 + (*at - '0') : exponent;
    }
    magnitude += negative ? -exponent : exponent;
    return magnitude < 309 || (magnitude == 309 && strcmp(lead, "1797") < 0);
}

/* Skips the number that begins at `at`. Returns NULL if it is not a valid number (RFC 8259, 6), or out of range. */
static const char *scan_number(const char *at, const char *end)
{
    bool negative = *at == '-', whole = true;
    const char *digits = at + negative;

    at = scan_digits(digits, end);
    if (at == NULL || (*digits == '0' && at - digits > 1)) {
        return NULL;
    }
    if (at < end && *at == '.') {
        whole = false;
        at = scan_digits(at + 1, end);
    }
    if (at != NULL && at < end && (*at == 'e' || *at == 'E')) {
        whole = false;
        at++;
        at = scan_digits(at + (at < end && (*at == '+' || *at == '-')), end);
    }
    if (at == NULL) {
        return NULL;
    }
    return (whole ? fits_in_64_bits(digits, (size_t)(at - digits), negative) : is_finite(digits, at)) ? at : NULL;
}

/* Skips one of JSON's three words. Returns NULL if none stands there. */
static const char *scan_word(const char *at, const char *end)
{
    static const char *const words[] = {"true", "false", "null"};
    size_t i;

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t len = strlen(words[i]);

        if ((size_t)(end - at) >= len && memcmp(at, words[i], len) == 0) {
            return at + len;
        }
    }
    return NULL;
}

static const char *scan_scalar(const char *at, const char *end)
{
    if (*at == '"') {
        return scan_string(at, end);
    }
    return *at == '-' || (*at >= '0' && *at <= '9') ? scan_number(at, end) : scan_word(at, end);
}

/* The kind of the next token. A string is a key where a key may come. 0: the bracket does not fit the open level. */
static unsigned kind_of(const scan_t *scan, unsigned wants)
{
    switch (*scan->at) {
    case ':':
        return WANTS_COLON;
    case ',':
        return WANTS_COMMA;
    case '}':
        return (scan->objects & 1) != 0 ? WANTS_END : 0;
    case ']':
        return (scan->objects & 1) == 0 ? WANTS_END : 0;
    case '"':
        return wants & WANTS_KEY ? WANTS_KEY : WANTS_VALUE;
    default:
        return WANTS_VALUE;
    }
}

/* Skips a key, and refuses what json-c would make another key of (json_keys.h). */
static void take_key(scan_t *scan)
{
    const char *from = scan->at;

    scan->at = scan_string(from, scan->end);
    if (scan->at != NULL
        && !tc_json_keys_add(&scan->keys, scan->numbers[scan->depth], from + 1, (size_t)(scan->at - from) - 2)) {
        scan->at = NULL;
    }
}

/* Skips a scalar, or enters an array or an object. */
static void take_value(scan_t *scan)
{
    if (*scan->at != '{' && *scan->at != '[') {
        scan->at = scan_scalar(scan->at, scan->end);
        return;
    }
    scan->depth++;
    scan->numbers[scan->depth] = ++scan->opened;
    scan->objects = scan->objects << 1 | (*scan->at == '{');
    scan->at++;
}

/* Skips a token of this kind. If the token is malformed, scan->at is NULL afterwards. */
static void take_token(scan_t *scan, unsigned kind)
{
    switch (kind) {
    case WANTS_VALUE:
        take_value(scan);
        break;
    case WANTS_KEY:
        take_key(scan);
        break;
    case WANTS_END:
        scan->depth--;
        scan->objects >>= 1;
        scan->at++;
        break;
    default:
        scan->at++;
        break;
    }
}

/* The kinds that may follow a token of this kind; 0: only the end of the text. */
static unsigned wants_after(const scan_t *scan, unsigned kind, bool opened)
{
    unsigned item = (scan->objects & 1) != 0 ? WANTS_KEY : WANTS_VALUE;

    if (opened) {
        return item | WANTS_END;
    }
    switch (kind) {
    case WANTS_KEY:
        return WANTS_COLON;
    case WANTS_COLON:
        return WANTS_VALUE;
    case WANTS_COMMA:
        return item;
    default:
        return scan->depth > 0 ? WANTS_COMMA | WANTS_END : 0;
    }
}

static tc_json_status_e scan_text(scan_t *scan, int max_depth)
{
    unsigned wants = WANTS_VALUE;

    for (;;) {
        unsigned kind;
        int depth = scan->depth;

        scan->at = skip_space(scan->at, scan->end);
        if (scan->at == scan->end) {
            return wants == 0 ? TC_JSON_OK : TC_JSON_BROKEN;
        }
        kind = kind_of(scan, wants);
        if ((kind & wants) == 0) {
            return TC_JSON_BROKEN;
        }
        if (kind == WANTS_VALUE && depth >= max_depth) {
            return TC_JSON_TOO_DEEP;
        }
        if ((kind & (WANTS_VALUE | WANTS_KEY)) != 0 && ++scan->values > scan->max_values) {
            return TC_JSON_TOO_MANY;
        }
        take_token(scan, kind);
        if (scan->at == NULL) {
            return TC_JSON_BROKEN;
        }
        wants = wants_after(scan, kind, scan->depth > depth);
    }
}

tc_json_status_e tc_json_scan(const char *text, size_t len, int max_depth, size_t max_values)
{
    scan_t scan = {.at = text, .max_values = max_values};
    tc_json_status_e status;

    if (len == 0 || !tc_utf8_is_valid(text, len)) {
        return TC_JSON_BROKEN;
    }
    scan.end = text + len;
    status = scan_text(&scan, max_depth < LEVELS_MAX ? max_depth : LEVELS_MAX);
    if (status == TC_JSON_OK && *skip_space(text, scan.end) != '{') {
        status = TC_JSON_NOT_OBJECT;
    }
    if (status == TC_JSON_OK && tc_json_keys_have_double(&scan.keys)) {
        status = TC_JSON_DOUBLED;
    }
    tc_json_keys_free(&scan.keys);
    return status;
}
