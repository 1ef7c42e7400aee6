/* Writes the messages of the server. docs/protocol.md. See chat.h. */
#include "codec/chat.h"

#include "base/limits.h"
#include "codec/json.h"
#include "codec/utf8.h"

static const struct {
    const char *code;
    const char *words;
} errors[] = {
    {"ok", ""},
#define TC_CHAT_ERROR_ROW(name, code, words) {code, words},
    TC_CHAT_ERRORS(TC_CHAT_ERROR_ROW)
#undef TC_CHAT_ERROR_ROW
};

const char *tc_chat_error_code(tc_chat_error_e error)
{
    return errors[error].code;
}

int tc_chat_retry_after_s(tc_chat_error_e error)
{
    return error == TC_CHAT_UNAVAILABLE || error == TC_CHAT_OVERLOADED ? TC_RETRY_AFTER_S : 0;
}

void tc_chat_encode_sender(tc_buf_t *buf, const char *id, const char *email, const char *username,
                           const char *full_name)
{
    TC_BUF_LIT(buf, "{\"id\":");
    tc_json_append_str(buf, id);
    TC_BUF_LIT(buf, ",\"email\":");
    tc_json_append_str(buf, email);
    TC_BUF_LIT(buf, ",\"username\":");
    tc_json_append_str(buf, username);
    TC_BUF_LIT(buf, ",\"full_name\":");
    tc_json_append_str(buf, full_name);
    TC_BUF_LIT(buf, "}");
}

/* A reply to a long message is not a long message itself, wherever it is shown. */
static void append_quote(tc_buf_t *buf, const char *content)
{
    size_t len = content ? strlen(content) : 0;
    size_t shown = tc_utf8_prefix(content, len, TC_QUOTE_MAX_CHARS);

    tc_json_append_string(buf, content, shown);
    if (shown < len) {
        buf->len--; /* the quotation mark */
        TC_BUF_LIT(buf, TC_CHAT_CUT "\"");
    }
}

static void append_reply(tc_buf_t *buf, const tc_chat_message_t *message)
{
    if (message->reply_id == NULL) {
        TC_BUF_LIT(buf, "null");
        return;
    }
    TC_BUF_LIT(buf, "{\"id\":");
    tc_json_append_str(buf, message->reply_id);
    TC_BUF_LIT(buf, ",\"content\":");
    append_quote(buf, message->reply_content);
    TC_BUF_LIT(buf, ",\"sender_email\":");
    tc_json_append_str(buf, message->reply_sender_email);
    TC_BUF_LIT(buf, "}");
}

static void append_edited(tc_buf_t *buf, bool is_edited)
{
    tc_buf_append_str(buf, is_edited ? ",\"is_edited\":true" : ",\"is_edited\":false");
}

void tc_chat_encode_object(tc_buf_t *buf, const tc_chat_message_t *message)
{
    TC_BUF_LIT(buf, "{\"id\":");
    tc_json_append_str(buf, message->id);
    TC_BUF_LIT(buf, ",\"chat_room_id\":");
    tc_json_append_str(buf, message->room_id);
    TC_BUF_LIT(buf, ",\"sender\":");
    tc_buf_append_str(buf, message->sender_json);
    TC_BUF_LIT(buf, ",\"content\":");
    tc_json_append_str(buf, message->content);
    TC_BUF_LIT(buf, ",\"message_type\":");
    tc_json_append_str(buf, message->message_type);
    TC_BUF_LIT(buf, ",\"reply_to\":");
    append_reply(buf, message);
    append_edited(buf, message->is_edited);
    TC_BUF_LIT(buf, ",\"created_at\":");
    tc_json_append_str(buf, message->created_at);
    TC_BUF_LIT(buf, ",\"updated_at\":");
    tc_json_append_str(buf, message->updated_at);
}

void tc_chat_encode_object_end(tc_buf_t *buf, int64_t seq)
{
    TC_BUF_LIT(buf, ",\"seq\":");
    tc_buf_append_int(buf, seq);
    TC_BUF_LIT(buf, "}");
}

void tc_chat_encode_message_begin(tc_buf_t *buf)
{
    TC_BUF_LIT(buf, "{\"type\":\"chat_message\",\"message\":");
}

void tc_chat_encode_end(tc_buf_t *buf, const char *client_id)
{
    if (client_id != NULL) {
        TC_BUF_LIT(buf, ",\"client_id\":");
        tc_json_append_str(buf, client_id);
    }
    TC_BUF_LIT(buf, "}");
}

void tc_chat_encode_edited(tc_buf_t *buf, const tc_chat_message_t *message, int64_t seq)
{
    TC_BUF_LIT(buf, "{\"type\":\"message_edited\",\"message\":{\"id\":");
    tc_json_append_str(buf, message->id);
    TC_BUF_LIT(buf, ",\"content\":");
    tc_json_append_str(buf, message->content);
    append_edited(buf, true);
    TC_BUF_LIT(buf, ",\"updated_at\":");
    tc_json_append_str(buf, message->updated_at);
    tc_chat_encode_object_end(buf, seq);
    tc_chat_encode_end(buf, NULL);
}

void tc_chat_encode_typing(tc_buf_t *buf, const char *user_id, const char *user_email,
                           bool is_typing)
{
    TC_BUF_LIT(buf, "{\"type\":\"typing\",\"user_id\":");
    tc_json_append_str(buf, user_id);
    TC_BUF_LIT(buf, ",\"user_email\":");
    tc_json_append_str(buf, user_email);
    tc_buf_append_str(buf, is_typing ? ",\"is_typing\":true}" : ",\"is_typing\":false}");
}

void tc_chat_encode_expiring(tc_buf_t *buf, int64_t expires_in_s)
{
    TC_BUF_LIT(buf, "{\"type\":\"token_expiring\",\"expires_in\":");
    tc_buf_append_int(buf, expires_in_s);
    tc_chat_encode_end(buf, NULL);
}

void tc_chat_encode_authenticated(tc_buf_t *buf, int64_t expires_in_s, const char *client_id)
{
    TC_BUF_LIT(buf, "{\"type\":\"authenticated\",\"expires_in\":");
    tc_buf_append_int(buf, expires_in_s);
    tc_chat_encode_end(buf, client_id);
}

void tc_chat_encode_pong(tc_buf_t *buf, const char *client_id)
{
    TC_BUF_LIT(buf, "{\"type\":\"pong\"");
    tc_chat_encode_end(buf, client_id);
}

void tc_chat_encode_error(tc_buf_t *buf, tc_chat_error_e error, const char *client_id,
                          const char *field, int retry_after_s)
{
    TC_BUF_LIT(buf, "{\"type\":\"error\",\"code\":");
    tc_json_append_str(buf, errors[error].code);
    TC_BUF_LIT(buf, ",\"message\":");
    tc_json_append_str(buf, errors[error].words);
    if (field != NULL) {
        TC_BUF_LIT(buf, ",\"field\":");
        tc_json_append_str(buf, field);
    }
    if (retry_after_s > 0) {
        TC_BUF_LIT(buf, ",\"retry_after\":");
        tc_buf_append_int(buf, retry_after_s);
    }
    tc_chat_encode_end(buf, client_id);
}
