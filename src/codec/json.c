/* Reads JSON and writes JSON strings. See json.h. */
#include "codec/json.h"

#include "codec/json_keys.h"
#include "codec/utf8.h"

#include <limits.h>
#include <string.h>

#if JSON_C_VERSION_NUM < ((0 << 16) | (14 << 8))
#error "mod_tripchat needs json-c 0.14 or newer."
#endif

/* The kinds of token that may come next. */
#define WANTS_VALUE 1u
#define WANTS_KEY   2u
#define WANTS_COLON 4u
#define WANTS_COMMA 8u
#define WANTS_END   16u /* of the array or the object */

#define LEVELS_MAX 64 /* the bits of scan_t.objects */

/* How far a text has been checked. */
typedef struct {
    const char *at, *end;
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

/* Skips an escape; `at` points behind its backslash. Returns NULL if it is not a valid escape (RFC 8259, 7). */
static const char *scan_escape(const char *at, const char *end)
{
    int digits;

    if (at == end || *at == '\0') {
        return NULL;
    }
    if (*at != 'u') {
        return strchr("\"\\/bfnrt", *at) != NULL ? at + 1 : NULL;
    }
    for (at++, digits = 0; digits < 4; at++, digits++) {
        if (at == end || *at == '\0' || strchr("0123456789abcdefABCDEF", *at) == NULL) {
            return NULL;
        }
    }
    return at;
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

/* Skips the number that begins at `at`. Returns NULL if it is not a valid number (RFC 8259, 6). */
static const char *scan_number(const char *at, const char *end)
{
    const char *digits = at + (*at == '-');

    at = scan_digits(digits, end);
    if (at == NULL || (*digits == '0' && at - digits > 1)) {
        return NULL;
    }
    if (at < end && *at == '.') {
        at = scan_digits(at + 1, end);
    }
    if (at != NULL && at < end && (*at == 'e' || *at == 'E')) {
        at++;
        at = scan_digits(at + (at < end && (*at == '+' || *at == '-')), end);
    }
    return at;
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

/*
 * Checks that the text is JSON by RFC 8259 and not too deep. json-c accepts more than that, and each release accepts
 * something else. So json-c only sees texts that pass this check.
 */
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
        take_token(scan, kind);
        if (scan->at == NULL) {
            return TC_JSON_BROKEN;
        }
        wants = wants_after(scan, kind, scan->depth > depth);
    }
}

/* Lets json-c build an object from checked JSON. json-c's flags are 0, because the scanner has been strict already. */
static tc_json_status_e build(const char *text, size_t len, int max_depth, json_object **out)
{
    json_tokener *tokener = json_tokener_new_ex(max_depth);

    if (tokener == NULL) {
        return TC_JSON_BROKEN;
    }
    json_tokener_set_flags(tokener, 0);
    *out = json_tokener_parse_ex(tokener, text, (int)len);
    json_tokener_free(tokener);
    return *out != NULL ? TC_JSON_OK : TC_JSON_BROKEN;
}

tc_json_status_e tc_json_parse_object(const char *text, size_t len, int max_depth,
                                      json_object **out)
{
    scan_t scan = {0};
    tc_json_status_e status;

    if (len == 0 || len > INT_MAX || !tc_utf8_is_valid(text, len)) {
        return TC_JSON_BROKEN;
    }
    max_depth = max_depth < LEVELS_MAX ? max_depth : LEVELS_MAX;
    scan.at = text;
    scan.end = text + len;
    status = scan_text(&scan, max_depth);
    if (status == TC_JSON_OK && *skip_space(text, scan.end) != '{') {
        status = TC_JSON_NOT_OBJECT;
    }
    if (status == TC_JSON_OK && tc_json_keys_have_double(&scan.keys)) {
        status = TC_JSON_DOUBLED;
    }
    tc_json_keys_free(&scan.keys);
    return status == TC_JSON_OK ? build(text, len, max_depth, out) : status;
}

/* Removes everything from an array or an object. */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as the parsed text, LEVELS_MAX at most */
static void make_empty(json_object *value)
{
    struct lh_entry *entry;
    size_t i, len;

    if (json_object_is_type(value, json_type_object)) {
        while ((entry = json_object_get_object(value)->head) != NULL) {
            make_empty((json_object *)lh_entry_v(entry));
            json_object_object_del(value, (const char *)lh_entry_k(entry));
        }
    }
    else if (json_object_is_type(value, json_type_array)) {
        len = json_object_array_length(value);
        for (i = 0; i < len; i++) {
            make_empty(json_object_array_get_idx(value, i));
        }
        (void)json_object_array_del_idx(value, 0, len);
    }
}

/* json-c 0.19 compiled with NDEBUG never frees an array or an object that is not empty, so they are emptied first. */
void tc_json_free(json_object *value)
{
    make_empty(value);
    (void)json_object_put(value);
}

bool tc_json_has_more_values(const char *text, size_t len, size_t max)
{
    const char *at, *end;
    bool in_string = false, in_word = false;
    size_t values = 0;

    if (len <= max) {
        return false; /* also keeps away from an empty text, whose pointer may be NULL */
    }
    end = text + len;
    for (at = text; at < end && values <= max; at++) {
        if (in_string) {
            in_string = *at != '"';
            at += *at == '\\';
        }
        else if (*at == '"' || *at == '[' || *at == '{') {
            in_string = *at == '"';
            in_word = false;
            values++;
        }
        else if (*at == '\0' || strchr(" \t\r\n]},:", *at) != NULL) {
            in_word = false;
        }
        else {
            values += !in_word;
            in_word = true;
        }
    }
    return values > max;
}

const char *tc_json_get_string(json_object *object, const char *key, size_t *len, bool *present)
{
    json_object *value;

    *present = json_object_object_get_ex(object, key, &value) && value != NULL;
    if (!*present || !json_object_is_type(value, json_type_string)) {
        return NULL;
    }
    *len = (size_t)json_object_get_string_len(value);
    return json_object_get_string(value);
}

const char *tc_json_get_text(json_object *object, const char *key)
{
    size_t len = 0;
    bool present;
    const char *text = tc_json_get_string(object, key, &len, &present);

    return text != NULL && strlen(text) == len ? text : NULL;
}

bool tc_json_is_text(json_object *object, const char *key, const char *text)
{
    const char *member = tc_json_get_text(object, key);

    return member != NULL && strcmp(member, text) == 0;
}

static void append_escape(tc_buf_t *buf, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    static const char named[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    char out[6] = {'\\', 'u', '0', '0', 0, 0};
    const char *pair;

    for (pair = named; *pair != '\0'; pair += 2) {
        if ((unsigned char)pair[0] == c) {
            out[1] = pair[1];
            tc_buf_append(buf, out, 2);
            return;
        }
    }
    out[4] = digits[c >> 4];
    out[5] = digits[c & 15];
    tc_buf_append(buf, out, 6);
}

void tc_json_append_string(tc_buf_t *buf, const char *text, size_t len)
{
    size_t i, from = 0;

    if (text == NULL) {
        TC_BUF_LIT(buf, "null");
        return;
    }
    TC_BUF_LIT(buf, "\"");
    for (i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c < 0x20 || c == '"' || c == '\\') {
            tc_buf_append(buf, text + from, i - from);
            append_escape(buf, c);
            from = i + 1;
        }
    }
    tc_buf_append(buf, text + from, len - from);
    TC_BUF_LIT(buf, "\"");
}

void tc_json_append_str(tc_buf_t *buf, const char *text)
{
    tc_json_append_string(buf, text, text ? strlen(text) : 0);
}
