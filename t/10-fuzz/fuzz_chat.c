/*
 * codec/chat, decoding and encoding. A client's text that is decoded is within the limits of docs/protocol.md, and
 * decodes to the same message when the target writes it again. What the server sends of it is one JSON object with
 * the same content. The UTF-8 check that comes first agrees with another implementation of it.
 *
 * Input: the text of a WebSocket message.
 */
#include "fuzz.h"

#include "base/limits.h"
#include "chat_checks.h"
#include "codec/json.h"
#include "codec/utf8.h"

#define LARGEST_SEQ INT64_MAX

const char fuzz_name[] = "chat";

static bool check_utf8(const uint8_t *data, size_t size)
{
    tc_utf8_t state = {0};
    bool valid = tc_utf8_feed(&state, data, size) && tc_utf8_is_complete(&state);

    FUZZ_REQUIRE(valid == fuzz_is_utf8(data, size));
    FUZZ_REQUIRE(!valid || tc_utf8_count((const char *)data, size) == fuzz_count_chars(data, size));
    return valid;
}

/* Writes what a client would write to say the same. */
static void encode_again(tc_buf_t *buf, const tc_chat_in_t *in)
{
    static const char *const types[] = {"chat_message", "edit_message", "typing", "authenticate", "ping"};

    TC_BUF_LIT(buf, "{\"type\":");
    tc_json_append_str(buf, types[in->kind]);
    if (in->kind == TC_CHAT_IN_EDIT) {
        fuzz_append_uuid(buf, "message_id", &in->message_id);
    }
    fuzz_append_fields(buf, in);
    TC_BUF_LIT(buf, "}");
}

static void check_again(const tc_chat_in_t *in)
{
    tc_buf_t buf = TC_BUF_INIT;
    tc_chat_in_t again;

    encode_again(&buf, in);
    FUZZ_REQUIRE(tc_chat_decode((char *)buf.data, buf.len, &fuzz_rules, &again) == TC_CHAT_OK);
    fuzz_require_same_chat(in, &again);
    tc_chat_in_free(&again);
    tc_buf_free(&buf);
}

static json_object *parse(tc_buf_t *buf)
{
    json_object *object = NULL;

    FUZZ_REQUIRE(tc_json_parse_object((char *)buf->data, buf->len, TC_JSON_MAX_DEPTH, TC_JSON_MAX_VALUES, &object)
                 == TC_JSON_OK);
    tc_buf_free(buf);
    return object;
}

/* Requires that the member `key` is the string `expected`, or that it is missing when `expected` is NULL. */
static void require_string(json_object *object, const char *key, const char *expected)
{
    size_t len;
    bool present;
    const char *got = tc_json_get_string(object, key, &len, &present);

    FUZZ_REQUIRE(present == (expected != NULL));
    FUZZ_REQUIRE(!present || (got != NULL && len == strlen(expected) && strcmp(got, expected) == 0));
}

static json_object *member(json_object *object, const char *key)
{
    json_object *value = NULL;

    FUZZ_REQUIRE(json_object_object_get_ex(object, key, &value));
    return value;
}

/* Checks an answer that has a message object in it, and frees it. */
static void check_answer(json_object *answer, const tc_chat_in_t *in, const char *client_id)
{
    json_object *message = member(answer, "message");

    require_string(answer, "client_id", client_id);
    require_string(message, "content", in->content);
    FUZZ_REQUIRE(json_object_get_int64(member(message, "seq")) == LARGEST_SEQ);
    tc_json_free(answer);
}

/* The content is used for every text that may come from a client or from the site's tables. */
static void check_message(const tc_chat_in_t *in)
{
    const char *text = in->content;
    tc_buf_t sender = TC_BUF_INIT, live = TC_BUF_INIT, edited = TC_BUF_INIT;
    tc_chat_message_t message = {
        .id = text, .room_id = text, .content = text, .message_type = text, .reply_id = text,
        .reply_content = text, .reply_sender_email = in->client_id, .created_at = text,
        .updated_at = text,
    };

    tc_chat_encode_sender(&sender, text, in->client_id, text, NULL);
    tc_buf_append(&sender, "", 1);
    message.sender_json = (char *)sender.data;
    tc_chat_encode_message_begin(&live);
    tc_chat_encode_object(&live, &message);
    tc_chat_encode_object_end(&live, LARGEST_SEQ);
    tc_chat_encode_end(&live, in->client_id);
    check_answer(parse(&live), in, in->client_id);
    tc_chat_encode_edited(&edited, &message, LARGEST_SEQ);
    check_answer(parse(&edited), in, NULL);
    tc_buf_free(&sender);
}

static void check_typing(const tc_chat_in_t *in)
{
    tc_buf_t buf = TC_BUF_INIT;
    json_object *answer;

    tc_chat_encode_typing(&buf, "u1", in->client_id, in->is_typing);
    answer = parse(&buf);
    require_string(answer, "user_email", in->client_id);
    FUZZ_REQUIRE(json_object_get_boolean(member(answer, "is_typing")) == in->is_typing);
    tc_json_free(answer);
}

/* The answer to a ping has nothing but the client's id. */
static void check_pong(const tc_chat_in_t *in)
{
    tc_buf_t buf = TC_BUF_INIT;
    json_object *answer;

    tc_chat_encode_pong(&buf, in->client_id);
    answer = parse(&buf);
    require_string(answer, "type", "pong");
    require_string(answer, "client_id", in->client_id);
    tc_json_free(answer);
}

static void check_authenticated(const tc_chat_in_t *in)
{
    tc_buf_t buf = TC_BUF_INIT;
    json_object *answer;

    tc_chat_encode_authenticated(&buf, LARGEST_SEQ, in->client_id);
    answer = parse(&buf);
    require_string(answer, "type", "authenticated");
    require_string(answer, "client_id", in->client_id);
    tc_json_free(answer);
}

static void check_error(tc_chat_error_e error, const tc_chat_in_t *in)
{
    tc_buf_t buf = TC_BUF_INIT;
    json_object *answer;

    tc_chat_encode_error(&buf, error, in->client_id, in->bad_field, TC_RETRY_AFTER_S);
    answer = parse(&buf);
    require_string(answer, "code", tc_chat_error_code(error));
    require_string(answer, "field", in->bad_field);
    require_string(answer, "client_id", in->client_id);
    tc_json_free(answer);
}

/* What the server sends because of a good message. */
static void check_reaction(const tc_chat_in_t *in)
{
    switch (in->kind) {
    case TC_CHAT_IN_MESSAGE:
    case TC_CHAT_IN_EDIT:
        check_message(in);
        break;
    case TC_CHAT_IN_TYPING:
        check_typing(in);
        break;
    case TC_CHAT_IN_AUTHENTICATE:
        check_authenticated(in);
        break;
    case TC_CHAT_IN_PING:
        check_pong(in);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tc_chat_error_e error;
    tc_chat_in_t in;

    /* The reader refuses any other text before it is decoded. */
    if (!check_utf8(data, size)) {
        return 0;
    }
    error = tc_chat_decode((const char *)data, size, &fuzz_rules, &in);
    fuzz_check_chat(error, &in);
    if (error != TC_CHAT_OK) {
        check_error(error, &in);
    }
    else {
        check_again(&in);
        check_reaction(&in);
    }
    tc_chat_in_free(&in);
    return 0;
}
