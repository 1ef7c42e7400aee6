/* Reads and validates the messages of clients. docs/protocol.md. See chat.h. */
#include "codec/chat.h"

#include "base/limits.h"
#include "codec/json.h"
#include "codec/utf8.h"

#define EXACT_MAX ((INT64_C(1) << 53) - 1) /* the greatest integer that every JSON reader gets right */

static tc_chat_error_e bad_field(tc_chat_in_t *out, const char *field)
{
    out->bad_field = field;
    return TC_CHAT_INVALID_FIELD;
}

static tc_chat_error_e read_client_id(tc_chat_in_t *out)
{
    size_t len, chars;
    bool present;
    const char *id = tc_json_get_string(out->doc, "client_id", &len, &present);

    if (!present) {
        return TC_CHAT_OK;
    }
    if (id == NULL || memchr(id, '\0', len) != NULL) {
        return bad_field(out, "client_id");
    }
    chars = tc_utf8_count(id, len);
    if (chars == 0 || chars > TC_CLIENT_ID_MAX_CHARS) {
        return bad_field(out, "client_id");
    }
    out->client_id = id;
    return TC_CHAT_OK;
}

static tc_chat_error_e read_content(const tc_chat_rules_t *rules, tc_chat_in_t *out)
{
    bool present;

    out->content = tc_json_get_string(out->doc, "content", &out->content_len, &present);
    if (out->content == NULL || memchr(out->content, '\0', out->content_len) != NULL) {
        return bad_field(out, "content");
    }
    if (tc_utf8_is_blank(out->content, out->content_len)) {
        return TC_CHAT_EMPTY_CONTENT;
    }
    return tc_utf8_count(out->content, out->content_len) > rules->max_content_chars
               ? TC_CHAT_CONTENT_TOO_LONG
               : TC_CHAT_OK;
}

static tc_chat_error_e read_message_type(const tc_chat_rules_t *rules, tc_chat_in_t *out)
{
    size_t len;
    bool present;
    const char *name = tc_json_get_string(out->doc, "message_type", &len, &present);
    const char *const *type;

    if (present && name == NULL) {
        return bad_field(out, "message_type");
    }
    if (!present) {
        name = "text";
        len = strlen(name);
    }
    for (type = rules->message_types; *type != NULL; type++) {
        if (strlen(*type) == len && memcmp(*type, name, len) == 0) {
            out->message_type = *type;
            return TC_CHAT_OK;
        }
    }
    return TC_CHAT_INVALID_MESSAGE_TYPE;
}

/* Fills `id` from a field that must be a UUID. If the field is missing, *present is false and that is no error. */
static tc_chat_error_e read_uuid(tc_chat_in_t *out, const char *field, tc_uuid_t *id,
                                 bool *present)
{
    size_t len = 0;
    const char *text = tc_json_get_string(out->doc, field, &len, present);

    if (*present && (text == NULL || !tc_uuid_parse(text, len, id))) {
        return bad_field(out, field);
    }
    return TC_CHAT_OK;
}

static tc_chat_error_e read_message(const tc_chat_rules_t *rules, tc_chat_in_t *out)
{
    tc_chat_error_e error = read_content(rules, out);

    out->kind = TC_CHAT_IN_MESSAGE;
    if (error == TC_CHAT_OK) {
        error = read_message_type(rules, out);
    }
    return error == TC_CHAT_OK ? read_uuid(out, "reply_to", &out->reply_to, &out->has_reply)
                               : error;
}

static tc_chat_error_e read_edit(const tc_chat_rules_t *rules, tc_chat_in_t *out)
{
    bool present;
    tc_chat_error_e error = read_uuid(out, "message_id", &out->message_id, &present);

    out->kind = TC_CHAT_IN_EDIT;
    if (error != TC_CHAT_OK) {
        return error;
    }
    return present ? read_content(rules, out) : bad_field(out, "message_id");
}

static tc_chat_error_e read_typing(const tc_chat_rules_t *rules, tc_chat_in_t *out)
{
    json_object *value;

    (void)rules;
    out->kind = TC_CHAT_IN_TYPING;
    if (!json_object_object_get_ex(out->doc, "is_typing", &value)
        || !json_object_is_type(value, json_type_boolean)) {
        return bad_field(out, "is_typing");
    }
    out->is_typing = json_object_get_boolean(value);
    return TC_CHAT_OK;
}

static tc_chat_error_e read_authenticate(const tc_chat_rules_t *rules, tc_chat_in_t *out)
{
    (void)rules;
    out->kind = TC_CHAT_IN_AUTHENTICATE;
    out->token = tc_json_get_text(out->doc, "token");
    return out->token != NULL ? TC_CHAT_OK : bad_field(out, "token");
}

static tc_chat_error_e read_ping(const tc_chat_rules_t *rules, tc_chat_in_t *out)
{
    (void)rules;
    out->kind = TC_CHAT_IN_PING;
    return TC_CHAT_OK;
}

typedef tc_chat_error_e reader_fn(const tc_chat_rules_t *rules, tc_chat_in_t *out);

static const struct {
    const char *type;
    reader_fn *read;
} readers[] = {
    {"chat_message", read_message},
    {"edit_message", read_edit},
    {"typing", read_typing},
    {"authenticate", read_authenticate},
    {"ping", read_ping},
};

static tc_chat_error_e read_object(const tc_chat_rules_t *rules, tc_chat_in_t *out)
{
    size_t len, i;
    bool present;
    const char *type = tc_json_get_string(out->doc, "type", &len, &present);
    tc_chat_error_e error = read_client_id(out);

    for (i = 0; type != NULL && i < sizeof(readers) / sizeof(readers[0]); i++) {
        if (strlen(readers[i].type) == len && memcmp(readers[i].type, type, len) == 0) {
            return error == TC_CHAT_OK ? readers[i].read(rules, out) : error;
        }
    }
    out->bad_field = NULL; /* the error is about the type, not about a field */
    return type != NULL ? TC_CHAT_UNKNOWN_TYPE : TC_CHAT_INVALID_MESSAGE;
}

/* A room's id is a text. An integer id of a trip may be a number, too, if every JSON reader gets it right (RFC 8259, 6). */
static tc_chat_error_e read_chat_room(const tc_chat_rules_t *rules, tc_chat_in_t *out)
{
    size_t len = 0;
    bool present;
    const char *text = tc_json_get_string(out->doc, "chat_room", &len, &present);
    json_object *value;

    if (text == NULL && rules->trip_form == TC_TRIP_INTEGER
        && json_object_object_get_ex(out->doc, "chat_room", &value)
        && json_object_is_type(value, json_type_int) && json_object_get_int64(value) <= EXACT_MAX) {
        text = json_object_to_json_string(value);
        len = strlen(text);
    }
    return text != NULL && tc_place_parse(text, len, rules->trip_form, &out->chat_room)
               ? TC_CHAT_OK
               : bad_field(out, "chat_room");
}

static tc_chat_error_e read_post(const tc_chat_rules_t *rules, tc_chat_in_t *out)
{
    tc_chat_error_e error = read_client_id(out);

    if (error == TC_CHAT_OK) {
        error = read_chat_room(rules, out);
    }
    return error == TC_CHAT_OK ? read_message(rules, out) : error;
}

static tc_chat_error_e read_patch(const tc_chat_rules_t *rules, tc_chat_in_t *out)
{
    tc_chat_error_e error = read_client_id(out);

    out->kind = TC_CHAT_IN_EDIT;
    return error == TC_CHAT_OK ? read_content(rules, out) : error;
}

/* Parses `text` and passes the result to `read`. */
static tc_chat_error_e decode(const char *text, size_t len, const tc_chat_rules_t *rules,
                              reader_fn *read, tc_chat_in_t *out)
{
    memset(out, 0, sizeof(*out));
    switch (tc_json_parse_object(text, len, TC_JSON_MAX_DEPTH, TC_JSON_MAX_VALUES, &out->doc)) {
    case TC_JSON_OK:
        return read(rules, out);
    case TC_JSON_TOO_DEEP:
    case TC_JSON_TOO_MANY:
        return TC_CHAT_TOO_DEEP;
    case TC_JSON_NOT_OBJECT:
        return TC_CHAT_INVALID_MESSAGE;
    case TC_JSON_BROKEN:
    case TC_JSON_DOUBLED:
        break;
    }
    return TC_CHAT_INVALID_JSON;
}

tc_chat_error_e tc_chat_decode(const char *text, size_t len, const tc_chat_rules_t *rules,
                               tc_chat_in_t *out)
{
    return decode(text, len, rules, read_object, out);
}

tc_chat_error_e tc_chat_decode_post(const char *text, size_t len, const tc_chat_rules_t *rules,
                                    tc_chat_in_t *out)
{
    return decode(text, len, rules, read_post, out);
}

tc_chat_error_e tc_chat_decode_patch(const char *text, size_t len, const tc_chat_rules_t *rules,
                                     tc_chat_in_t *out)
{
    return decode(text, len, rules, read_patch, out);
}

void tc_chat_in_free(tc_chat_in_t *in)
{
    tc_json_free(in->doc);
    in->doc = NULL;
}
