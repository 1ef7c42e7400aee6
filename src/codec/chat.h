/*
 * The chat's JSON (docs/protocol.md). chat_decode.c reads and validates the messages of clients, chat_encode.c writes
 * those of the server. Pure: no socket, clock or thread. Whether a room or a message exists is for the store to say.
 */
#ifndef TC_CODEC_CHAT_H
#define TC_CODEC_CHAT_H

#include "base/buf.h"
#include "codec/trip.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

/* Every error that the server sends to clients: identifier, stable code on the wire, text for a person. */
#define TC_CHAT_ERRORS(X)                                                                          \
    X(INVALID_JSON, "invalid_json", "The message is not valid JSON.")                              \
    X(TOO_DEEP, "too_deep", "The message is nested too deeply or has too many values.")            \
    X(INVALID_MESSAGE, "invalid_message", "The message is not a JSON object with a type.")         \
    X(UNKNOWN_TYPE, "unknown_type", "The message type is not known.")                              \
    X(INVALID_FIELD, "invalid_field", "A field is missing or has the wrong form.")                 \
    X(EMPTY_CONTENT, "empty_content", "Message content cannot be empty.")                          \
    X(CONTENT_TOO_LONG, "content_too_long", "Message content is too long.")                        \
    X(INVALID_MESSAGE_TYPE, "invalid_message_type", "This message_type is not allowed.")           \
    X(REPLY_NOT_FOUND, "reply_not_found", "The message replied to is not in this room.")           \
    X(MESSAGE_NOT_FOUND, "message_not_found", "There is no such message in this room.")            \
    X(NOT_SENDER, "not_sender", "Only the sender can edit a message.")                             \
    X(UNAVAILABLE, "unavailable", "The chat is not available at the moment. Try again.")           \
    X(OVERLOADED, "overloaded", "The server has too much to do. Try again.")                       \
    X(INTERNAL, "internal", "The server could not do this. Another try will not help.")            \
    X(RATE_LIMITED, "rate_limited", "Too many messages. Wait a moment.")                           \
    X(UNAUTHORIZED, "unauthorized", "A valid token is needed.")                                    \
    X(FORBIDDEN, "forbidden", "You are not on this trip.")                                         \
    X(ORIGIN_NOT_ALLOWED, "origin_not_allowed", "Pages of this origin may not use the chat.")      \
    X(NOT_FOUND, "not_found", "There is nothing here.")                                            \
    X(METHOD_NOT_ALLOWED, "method_not_allowed", "This cannot be done here.")                       \
    X(PRECONDITION_FAILED, "precondition_failed", "It is not what it was.")                        \
    X(TOO_LARGE, "too_large", "The body is too large.")                                            \
    X(UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Send application/json.")

typedef enum {
    TC_CHAT_OK,
#define TC_CHAT_ERROR_ENUM(name, code, words) TC_CHAT_##name,
    TC_CHAT_ERRORS(TC_CHAT_ERROR_ENUM)
#undef TC_CHAT_ERROR_ENUM
} tc_chat_error_e;

typedef enum {
    TC_CHAT_IN_MESSAGE,
    TC_CHAT_IN_EDIT,
    TC_CHAT_IN_TYPING,
    TC_CHAT_IN_AUTHENTICATE,
    TC_CHAT_IN_PING
} tc_chat_in_e;

/* What a site allows. const after configuration. */
typedef struct {
    size_t max_content_chars;
    const char *const *message_types; /* NULL-terminated */
    tc_trip_form_e trip_form;         /* TripChatTripKey */
} tc_chat_rules_t;

/* A client's message, or the body of a REST request. The strings belong to `doc`, unless said otherwise. */
typedef struct {
    tc_chat_in_e kind;
    const char *client_id;    /* idempotency key; NULL: none. Set as soon as it is known, also if decoding fails */
    const char *bad_field;    /* a literal, with TC_CHAT_INVALID_FIELD */
    const char *content;      /* message and edit: valid UTF-8 without U+0000 */
    size_t content_len;
    const char *message_type; /* message: a string of the rules */
    bool has_reply;
    tc_uuid_t reply_to;
    tc_uuid_t message_id;     /* edit */
    tc_place_t chat_room;     /* POST */
    bool is_typing;
    const char *token;        /* authenticate: a string of any length without U+0000 */
    json_object *doc;
} tc_chat_in_t;

/*
 * Reads and validates one text message of a WebSocket. Returns TC_CHAT_OK, or the error to send to the client. The
 * caller always frees *out with tc_chat_in_free(), also after an error.
 */
tc_chat_error_e tc_chat_decode(const char *text, size_t len, const tc_chat_rules_t *rules,
                               tc_chat_in_t *out);
void tc_chat_in_free(tc_chat_in_t *in);

/*
 * The same for the body of a REST request, which may be any bytes. A POST carries a new message and names its room. A
 * PATCH carries the new content of a message that the request's URL names.
 */
tc_chat_error_e tc_chat_decode_post(const char *text, size_t len, const tc_chat_rules_t *rules,
                                    tc_chat_in_t *out);
tc_chat_error_e tc_chat_decode_patch(const char *text, size_t len, const tc_chat_rules_t *rules,
                                     tc_chat_in_t *out);

/* A message as clients see it. Strings are NUL-terminated; ids and times in their text form. */
typedef struct {
    const char *id;
    const char *room_id;
    const char *sender_json; /* written by tc_chat_encode_sender() */
    const char *content;
    const char *message_type;
    const char *reply_id; /* NULL: the message is not a reply */
    const char *reply_content; /* may be cut behind TC_QUOTE_MAX_CHARS + 1 code points */
    const char *reply_sender_email;
    bool is_edited;
    const char *created_at;
    const char *updated_at;
} tc_chat_message_t;

/* Appends the sender object. NULL strings become null. */
void tc_chat_encode_sender(tc_buf_t *buf, const char *id, const char *email, const char *username,
                           const char *full_name);

/* Stands behind a quote that was cut. U+2026. */
#define TC_CHAT_CUT "\xe2\x80\xa6"

/*
 * _object() appends the message object without its end, which is `,"seq":N}`; _object_end() appends that end. So the
 * same bytes serve the live event, the history and a resume, each with its own seq. Of the message that is replied to,
 * the object shows TC_QUOTE_MAX_CHARS code points.
 */
void tc_chat_encode_object(tc_buf_t *buf, const tc_chat_message_t *message);
void tc_chat_encode_object_end(tc_buf_t *buf, int64_t seq);

/* Append what stands before and behind the object in a chat_message. `client_id` may be NULL. */
void tc_chat_encode_message_begin(tc_buf_t *buf);
void tc_chat_encode_end(tc_buf_t *buf, const char *client_id);

/* Appends a whole message_edited. Uses only id, content and updated_at of `message`. */
void tc_chat_encode_edited(tc_buf_t *buf, const tc_chat_message_t *message, int64_t seq);

/* Appends a whole typing message. `user_email` may be NULL. */
void tc_chat_encode_typing(tc_buf_t *buf, const char *user_id, const char *user_email,
                           bool is_typing);

/* Append token_expiring (the connection's token expires soon) or authenticated (a new token was accepted). */
void tc_chat_encode_expiring(tc_buf_t *buf, int64_t expires_in_s);
void tc_chat_encode_authenticated(tc_buf_t *buf, int64_t expires_in_s, const char *client_id);

/* Appends a pong, the answer to a ping message. `client_id` may be NULL. */
void tc_chat_encode_pong(tc_buf_t *buf, const char *client_id);

/* Appends an error. `client_id` and `field` may be NULL; a `retry_after_s` of 0 is left out. */
void tc_chat_encode_error(tc_buf_t *buf, tc_chat_error_e error, const char *client_id,
                          const char *field, int retry_after_s);

/* The stable code of an error (static), and the seconds after which to try again; 0: a second try will not help. */
const char *tc_chat_error_code(tc_chat_error_e error);
int tc_chat_retry_after_s(tc_chat_error_e error);

#endif
