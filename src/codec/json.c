/* JSON in and out. See json.h. */
#include "codec/json.h"

/* Members of the outer object, counted by its colons: json-c lets the last of two equal keys win. */
static int count_outer_members(const char *text, size_t len)
{
    int depth = 0, members = 0;
    bool in_string = false;
    size_t i;

    for (i = 0; i < len; i++) {
        char c = text[i];

        if (in_string) {
            if (c == '\\') {
                i++;
            }
            else if (c == '"') {
                in_string = false;
            }
            continue;
        }
        if (c == '"') {
            in_string = true;
        }
        else if (c == '{' || c == '[') {
            depth++;
        }
        else if (c == '}' || c == ']') {
            depth--;
        }
        else if (c == ':' && depth == 1) {
            members++;
        }
    }
    return members;
}

static bool is_only_space(const char *text, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++) {
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\n' && text[i] != '\r') {
            return false;
        }
    }
    return true;
}

static tc_json_status_e check_object(json_object *object, const char *text, size_t len)
{
    if (!json_object_is_type(object, json_type_object)) {
        return TC_JSON_NOT_OBJECT;
    }
    return json_object_object_length(object) == count_outer_members(text, len) ? TC_JSON_OK
                                                                               : TC_JSON_DOUBLED;
}

tc_json_status_e tc_json_parse_object(const char *text, size_t len, int max_depth,
                                      json_object **out)
{
    json_tokener *tokener = json_tokener_new_ex(max_depth);
    tc_json_status_e status = TC_JSON_BROKEN;
    json_object *object;
    size_t used;

    if (tokener == NULL) {
        return TC_JSON_BROKEN;
    }
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS);
    object = json_tokener_parse_ex(tokener, text, (int)len);
    used = json_tokener_get_parse_end(tokener);
    if (json_tokener_get_error(tokener) == json_tokener_continue) {
        /* A bare number has no end of its own: let a space end it, and whatever is cut short fail. */
        object = json_tokener_parse_ex(tokener, " ", 1);
        used = len;
    }
    if (json_tokener_get_error(tokener) == json_tokener_error_depth) {
        status = TC_JSON_TOO_DEEP;
    }
    else if (json_tokener_get_error(tokener) == json_tokener_success
             && is_only_space(text + used, len - used)) {
        status = check_object(object, text, used);
    }
    json_tokener_free(tokener);
    if (status == TC_JSON_OK) {
        *out = object;
    }
    else {
        json_object_put(object);
    }
    return status;
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
