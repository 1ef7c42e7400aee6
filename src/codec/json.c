/* Reads JSON and writes JSON strings. See json.h. */
#include "codec/json.h"

#include <limits.h>
#include <string.h>

#if JSON_C_VERSION_NUM < ((0 << 16) | (14 << 8))
#error "mod_tripchat needs json-c 0.14 or newer."
#endif

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

tc_json_status_e tc_json_parse_object(const char *text, size_t len, int max_depth, size_t max_values, json_object **out)
{
    tc_json_status_e status = len > INT_MAX ? TC_JSON_BROKEN : tc_json_scan(text, len, max_depth, max_values);

    return status == TC_JSON_OK ? build(text, len, max_depth, out) : status;
}

/* Removes everything from an array or an object. */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as the parsed text, TC_JSON_LEVELS_MAX at most */
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

/*
 * How many bytes at the beginning of `text` must be escaped; 0: none. U+0085, U+2028 and U+2029 may stand in JSON. But
 * programs that split a stream of events into lines by Unicode's rules would cut the JSON in pieces there.
 */
static size_t escaped_bytes(const char *text, size_t left)
{
    unsigned char c = (unsigned char)*text;

    if (c < 0x20 || c == '"' || c == '\\') {
        return 1;
    }
    if (c == 0xc2 && left >= 2 && memcmp(text, "\xc2\x85", 2) == 0) {
        return 2;
    }
    return c == 0xe2 && left >= 3 && (memcmp(text, "\xe2\x80\xa8", 3) == 0 || memcmp(text, "\xe2\x80\xa9", 3) == 0) ? 3 : 0;
}

static void append_escaped(tc_buf_t *buf, const char *text, size_t bytes)
{
    if (bytes == 1) {
        append_escape(buf, (unsigned char)*text);
    }
    else {
        tc_buf_append_str(buf, bytes == 2 ? "\\u0085" : text[2] == '\xa8' ? "\\u2028" : "\\u2029");
    }
}

void tc_json_append_string(tc_buf_t *buf, const char *text, size_t len)
{
    size_t i = 0, from = 0;

    if (text == NULL) {
        TC_BUF_LIT(buf, "null");
        return;
    }
    TC_BUF_LIT(buf, "\"");
    while (i < len) {
        size_t bytes = escaped_bytes(text + i, len - i);

        if (bytes > 0) {
            tc_buf_append(buf, text + from, i - from);
            append_escaped(buf, text + i, bytes);
            from = i + bytes;
        }
        i += bytes > 0 ? bytes : 1;
    }
    tc_buf_append(buf, text + from, len - from);
    TC_BUF_LIT(buf, "\"");
}

void tc_json_append_str(tc_buf_t *buf, const char *text)
{
    tc_json_append_string(buf, text, text ? strlen(text) : 0);
}
