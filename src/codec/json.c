/* JSON in and out. See json.h. */
#include "codec/json.h"

/* Past the string that begins at `at` (its quote); NULL when it has no end or a control character. */
static const char *scan_string(const char *at, const char *end)
{
    for (at++; at < end; at++) {
        if (*at == '"') {
            return at + 1;
        }
        if ((unsigned char)*at < 0x20) {
            return NULL;
        }
        at += *at == '\\';
    }
    return NULL;
}

static const char *scan_digits(const char *at, const char *end)
{
    const char *from = at;

    while (at < end && *at >= '0' && *at <= '9') {
        at++;
    }
    return at > from ? at : NULL;
}

/* Past the number that begins at `at` (RFC 8259, 6); NULL when it is none. */
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

/* Past one of the three words; NULL when it is another. */
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

static const char *scan_token(const char *at, const char *end)
{
    if (*at == '"') {
        return scan_string(at, end);
    }
    if (*at == '-' || (*at >= '0' && *at <= '9')) {
        return scan_number(at, end);
    }
    return strchr(" \t\r\n{}[],:", *at) != NULL && *at != '\0' ? at + 1 : scan_word(at, end);
}

/* True when an escaped U+0000 stands in from..to, which begins with a whole string. */
static bool has_nul(const char *from, const char *to)
{
    for (; to - from >= 6; from++) {
        if (memcmp(from, "\\u0000", 6) == 0) {
            return true;
        }
        from += *from == '\\';
    }
    return false;
}

/*
 * Checks the tokens of a text whose structure json-c has checked: it takes words, numbers and strings
 * that are no JSON, and ends a key at its U+0000, which makes another key of it. Counts the outer object's
 * members by their colons: of two equal keys json-c keeps the last.
 */
static bool scan_tokens(const char *text, size_t len, int *outer_members)
{
    const char *at = text, *end = text + len, *key = text;
    int depth = 0;

    *outer_members = 0;
    while (at != NULL && at < end) {
        if (*at == ':' && has_nul(key, at)) {
            return false;
        }
        key = *at == '"' ? at : key;
        depth += (*at == '{' || *at == '[') - (*at == '}' || *at == ']');
        *outer_members += *at == ':' && depth == 1;
        at = scan_token(at, end);
    }
    return at != NULL;
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
    int members;

    if (!scan_tokens(text, len, &members)) {
        return TC_JSON_BROKEN;
    }
    if (!json_object_is_type(object, json_type_object)) {
        return TC_JSON_NOT_OBJECT;
    }
    return json_object_object_length(object) == members ? TC_JSON_OK : TC_JSON_DOUBLED;
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

bool tc_json_has_more_values(const char *text, size_t len, size_t max)
{
    const char *at, *end = text + len;
    bool in_string = false, in_word = false;
    size_t values = 0;

    if (len <= max) {
        return false;
    }
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
