/* What must hold of each message that was decoded. See chat_checks.h. */
#include "chat_checks.h"

#include "fuzz.h"

#include "base/limits.h"
#include "codec/json.h"
#include "codec/utf8.h"

static const char *const types[] = {"text", "image", "file", "location", NULL};
const tc_chat_rules_t fuzz_rules = {.max_content_chars = 40, .message_types = types};

static void check_client_id(const char *id)
{
    size_t len = strlen(id);

    FUZZ_REQUIRE(len > 0 && fuzz_is_utf8(id, len));
    FUZZ_REQUIRE(fuzz_count_chars(id, len) <= TC_CLIENT_ID_MAX_CHARS);
}

static void check_content(const tc_chat_in_t *in)
{
    FUZZ_REQUIRE(in->content != NULL && in->content_len > 0);
    FUZZ_REQUIRE(strlen(in->content) == in->content_len);
    FUZZ_REQUIRE(fuzz_is_utf8(in->content, in->content_len));
    FUZZ_REQUIRE(fuzz_count_chars(in->content, in->content_len) <= fuzz_rules.max_content_chars);
    FUZZ_REQUIRE(strspn(in->content, " \t\r\n\v\f") < in->content_len);
}

static void check_message_type(const char *name)
{
    const char *const *type = types;

    while (*type != NULL && *type != name) {
        type++;
    }
    FUZZ_REQUIRE(*type != NULL);
}

void fuzz_check_chat(tc_chat_error_e error, const tc_chat_in_t *in)
{
    if (in->client_id != NULL) {
        check_client_id(in->client_id);
    }
    FUZZ_REQUIRE(error <= TC_CHAT_INVALID_MESSAGE_TYPE); /* only the store finds the errors after it */
    FUZZ_REQUIRE((in->bad_field != NULL) == (error == TC_CHAT_INVALID_FIELD));
    if (error != TC_CHAT_OK) {
        return;
    }
    FUZZ_REQUIRE(in->doc != NULL);
    if (in->kind == TC_CHAT_IN_MESSAGE || in->kind == TC_CHAT_IN_EDIT) {
        check_content(in);
    }
    if (in->kind == TC_CHAT_IN_MESSAGE) {
        check_message_type(in->message_type);
    }
    if (in->kind == TC_CHAT_IN_AUTHENTICATE) {
        FUZZ_REQUIRE(in->token != NULL && fuzz_is_utf8(in->token, strlen(in->token)));
    }
}

void fuzz_append_uuid(tc_buf_t *buf, const char *key, const tc_uuid_t *uuid)
{
    char text[TC_UUID_CHARS + 1];

    tc_uuid_format(uuid, text);
    TC_BUF_LIT(buf, ",");
    tc_json_append_str(buf, key);
    TC_BUF_LIT(buf, ":");
    tc_json_append_str(buf, text);
}

void fuzz_append_fields(tc_buf_t *buf, const tc_chat_in_t *in)
{
    if (in->kind == TC_CHAT_IN_TYPING) {
        tc_buf_append_str(buf, in->is_typing ? ",\"is_typing\":true" : ",\"is_typing\":false");
    }
    else if (in->kind == TC_CHAT_IN_AUTHENTICATE) {
        TC_BUF_LIT(buf, ",\"token\":");
        tc_json_append_str(buf, in->token);
    }
    else if (in->kind != TC_CHAT_IN_PING) {
        TC_BUF_LIT(buf, ",\"content\":");
        tc_json_append_string(buf, in->content, in->content_len);
    }
    if (in->kind == TC_CHAT_IN_MESSAGE) {
        TC_BUF_LIT(buf, ",\"message_type\":");
        tc_json_append_str(buf, in->message_type);
        if (in->has_reply) {
            fuzz_append_uuid(buf, "reply_to", &in->reply_to);
        }
    }
    if (in->client_id != NULL) {
        TC_BUF_LIT(buf, ",\"client_id\":");
        tc_json_append_str(buf, in->client_id);
    }
}

static bool same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

void fuzz_require_same_chat(const tc_chat_in_t *a, const tc_chat_in_t *b)
{
    FUZZ_REQUIRE(a->kind == b->kind);
    FUZZ_REQUIRE(same(a->client_id, b->client_id));
    FUZZ_REQUIRE(same(a->content, b->content) && a->content_len == b->content_len);
    FUZZ_REQUIRE(a->message_type == b->message_type);
    FUZZ_REQUIRE(a->has_reply == b->has_reply);
    FUZZ_REQUIRE(tc_uuid_equal(&a->reply_to, &b->reply_to));
    FUZZ_REQUIRE(tc_uuid_equal(&a->message_id, &b->message_id));
    /* A trip's id without hyphens is no room's, but its canonical form may be. */
    FUZZ_REQUIRE(!a->chat_room.may_be_room
                 || (b->chat_room.may_be_room && tc_uuid_equal(&a->chat_room.room_id, &b->chat_room.room_id)));
    FUZZ_REQUIRE(a->chat_room.may_be_trip == b->chat_room.may_be_trip);
    FUZZ_REQUIRE(strcmp(a->chat_room.trip.text, b->chat_room.trip.text) == 0);
    FUZZ_REQUIRE(a->is_typing == b->is_typing);
    FUZZ_REQUIRE(same(a->token, b->token));
}
