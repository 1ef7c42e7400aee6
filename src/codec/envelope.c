/* The envelopes that children send to each other. See envelope.h. */
#include "codec/envelope.h"

#include "base/limits.h"
#include "codec/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC "tc1 "
#define SEQ_MAX_DIGITS 18

static const char *const kinds[] = {"message", "edit", "head", "typing", "beat", "spent"};

/* ---- who has sent it ---- */

#define CHILD_BYTES 10
#define VERSION_AT 6
#define VERSION_MASK 0xf0
#define VERSION 0x80

static bool says_database(const tc_uuid_t *sender)
{
    return (sender->bytes[VERSION_AT] & VERSION_MASK) == VERSION;
}

tc_uuid_t tc_envelope_sender(const tc_uuid_t *child, uint64_t database)
{
    tc_uuid_t sender = *child;
    size_t i;

    if (database == 0) {
        return sender;
    }
    sender.bytes[VERSION_AT] = (unsigned char)(VERSION | (sender.bytes[VERSION_AT] & ~VERSION_MASK));
    for (i = sizeof(sender.bytes); i-- > CHILD_BYTES;) {
        sender.bytes[i] = (unsigned char)database;
        database >>= 8;
    }
    return sender;
}

bool tc_envelope_is_from(const tc_envelope_t *envelope, const tc_uuid_t *child)
{
    tc_uuid_t sender = tc_envelope_sender(child, 1);

    return says_database(&envelope->child) ? memcmp(&envelope->child, &sender, CHILD_BYTES) == 0
                                           : tc_uuid_equal(&envelope->child, child);
}

bool tc_envelope_may_be_of(const tc_envelope_t *envelope, uint64_t database)
{
    tc_uuid_t sender = tc_envelope_sender(&envelope->child, database);

    return database == 0 || !says_database(&envelope->child) || tc_uuid_equal(&envelope->child, &sender);
}

/* ---- writing ---- */

void tc_envelope_encode(tc_buf_t *buf, tc_envelope_kind_e kind, const tc_uuid_t *child, int64_t seq)
{
    char id[TC_UUID_CHARS + 1];

    tc_uuid_format(child, id);
    TC_BUF_LIT(buf, MAGIC);
    tc_buf_append_str(buf, kinds[kind]);
    TC_BUF_LIT(buf, " ");
    tc_buf_append_str(buf, id);
    TC_BUF_LIT(buf, " ");
    tc_buf_append_int(buf, seq);
    TC_BUF_LIT(buf, "\n");
}

void tc_envelope_encode_event(tc_buf_t *buf, tc_envelope_kind_e kind, const tc_uuid_t *child,
                              int64_t seq, const void *object, size_t object_len)
{
    tc_envelope_encode(buf, kind, child, seq);
    tc_buf_append(buf, object, object_len);
    tc_chat_encode_object_end(buf, seq);
}

void tc_envelope_encode_typing(tc_buf_t *buf, const tc_uuid_t *child, const char *user_id,
                               const char *user_email, bool is_typing)
{
    tc_envelope_encode(buf, TC_ENVELOPE_TYPING, child, 0);
    TC_BUF_LIT(buf, "{\"user_id\":");
    tc_json_append_str(buf, user_id);
    TC_BUF_LIT(buf, ",\"user_email\":");
    tc_json_append_str(buf, user_email);
    tc_buf_append_str(buf, is_typing ? ",\"is_typing\":true}" : ",\"is_typing\":false}");
}

static void append_hex(tc_buf_t *buf, uint64_t number)
{
    char digits[17];

    snprintf(digits, sizeof(digits), "%016llx", (unsigned long long)number);
    tc_buf_append_str(buf, digits);
}

void tc_envelope_begin_spent(tc_buf_t *buf, const tc_uuid_t *child, int64_t count, uint64_t server,
                             uint64_t database)
{
    tc_envelope_encode(buf, TC_ENVELOPE_SPENT, child, count);
    TC_BUF_LIT(buf, "{\"server\":\"");
    append_hex(buf, server);
    TC_BUF_LIT(buf, "\",\"database\":\"");
    append_hex(buf, database);
    TC_BUF_LIT(buf, "\",\"spent\":[");
}

void tc_envelope_add_spent(tc_buf_t *buf, const char *user_id, int action, unsigned count)
{
    if (buf->data[buf->len - 1] != '[') {
        TC_BUF_LIT(buf, ",");
    }
    TC_BUF_LIT(buf, "[");
    tc_json_append_str(buf, user_id);
    TC_BUF_LIT(buf, ",");
    tc_buf_append_int(buf, action);
    TC_BUF_LIT(buf, ",");
    tc_buf_append_int(buf, count);
    TC_BUF_LIT(buf, "]");
}

void tc_envelope_end_spent(tc_buf_t *buf)
{
    TC_BUF_LIT(buf, "]}");
}

/* ---- reading the line ---- */

/* Returns the word from *at up to `stop`, and moves *at behind `stop`. Returns NULL if there is no `stop`. */
static const char *take_word(const char **at, const char *end, char stop, size_t *len)
{
    const char *word = *at;
    const char *behind = memchr(word, stop, (size_t)(end - word));

    if (behind == NULL) {
        return NULL;
    }
    *len = (size_t)(behind - word);
    *at = behind + 1;
    return word;
}

static bool read_kind(const char *word, size_t len, tc_envelope_kind_e *kind)
{
    size_t i;

    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strlen(kinds[i]) == len && memcmp(kinds[i], word, len) == 0) {
            *kind = (tc_envelope_kind_e)i;
            return true;
        }
    }
    return false;
}

static bool read_seq(const char *word, size_t len, int64_t *seq)
{
    size_t i;

    *seq = 0;
    for (i = 0; i < len && word[i] >= '0' && word[i] <= '9'; i++) {
        *seq = *seq * 10 + (word[i] - '0');
    }
    return len > 0 && i == len;
}

bool tc_envelope_decode(const char *data, size_t len, tc_envelope_t *out)
{
    const char *at = data + sizeof(MAGIC) - 1, *end = data + len;
    const char *kind, *child, *seq;
    size_t kind_len, child_len, seq_len;

    if (len < sizeof(MAGIC) - 1 || memcmp(data, MAGIC, sizeof(MAGIC) - 1) != 0
        || (kind = take_word(&at, end, ' ', &kind_len)) == NULL
        || (child = take_word(&at, end, ' ', &child_len)) == NULL
        || (seq = take_word(&at, end, '\n', &seq_len)) == NULL || seq_len > SEQ_MAX_DIGITS) {
        return false;
    }
    out->body = at;
    out->body_len = (size_t)(end - at);
    return read_kind(kind, kind_len, &out->kind) && tc_uuid_parse(child, child_len, &out->child)
           && read_seq(seq, seq_len, &out->seq);
}

/* ---- reading bodies ---- */

static json_object *parse_body(const tc_envelope_t *envelope)
{
    json_object *doc = NULL;

    if (tc_json_parse_object(envelope->body, envelope->body_len, TC_JSON_MAX_DEPTH, TC_JSON_MAX_VALUES, &doc) != TC_JSON_OK) {
        return NULL;
    }
    return doc;
}

static bool get_uuid(json_object *doc, const char *key, tc_uuid_t *uuid)
{
    const char *text = tc_json_get_text(doc, key);

    return text != NULL && tc_uuid_parse(text, strlen(text), uuid);
}

/* Cuts the end with the seq off the object; the rest is passed on byte for byte. The end must match the envelope. */
static bool cut_seq(const tc_envelope_t *envelope, tc_envelope_event_t *out)
{
    tc_buf_t end = TC_BUF_INIT;
    bool fits;

    tc_chat_encode_object_end(&end, envelope->seq);
    fits = envelope->body_len > end.len
           && memcmp(envelope->body + envelope->body_len - end.len, end.data, end.len) == 0;
    out->object = envelope->body;
    out->object_len = fits ? envelope->body_len - end.len : 0;
    tc_buf_free(&end);
    return fits;
}

static bool has_type(json_object *doc, const char *key, json_type type)
{
    json_object *value;

    return json_object_object_get_ex(doc, key, &value) && json_object_is_type(value, type);
}

static bool has_value(json_object *doc, const char *key)
{
    json_object *value;

    return json_object_object_get_ex(doc, key, &value) && value != NULL;
}

static bool has_object_or_null(json_object *doc, const char *key)
{
    json_object *value;

    return json_object_object_get_ex(doc, key, &value)
           && (value == NULL || json_object_is_type(value, json_type_object));
}

/* True if the object has the members that docs/protocol.md demands; the caller checks the others. */
static bool is_message_object(json_object *doc)
{
    return has_type(doc, "sender", json_type_object) && tc_json_get_text(doc, "message_type") != NULL
           && has_object_or_null(doc, "reply_to") && has_type(doc, "is_edited", json_type_boolean)
           && tc_json_get_text(doc, "created_at") != NULL;
}

bool tc_envelope_decode_event(const tc_envelope_t *envelope, const tc_uuid_t *room_id,
                              tc_envelope_event_t *out)
{
    tc_uuid_t said_room;

    memset(out, 0, sizeof(*out));
    if (envelope->seq < 1 || (out->doc = parse_body(envelope)) == NULL) {
        return false;
    }
    out->message.id = tc_json_get_text(out->doc, "id");
    out->message.content = tc_json_get_text(out->doc, "content");
    out->message.updated_at = tc_json_get_text(out->doc, "updated_at");
    return get_uuid(out->doc, "id", &out->message_id)
           && get_uuid(out->doc, "chat_room_id", &said_room)
           && tc_uuid_equal(&said_room, room_id) && out->message.content != NULL
           && out->message.updated_at != NULL && is_message_object(out->doc)
           && cut_seq(envelope, out);
}

void tc_envelope_event_free(tc_envelope_event_t *event)
{
    tc_json_free(event->doc);
    event->doc = NULL;
}

bool tc_envelope_decode_typing(const tc_envelope_t *envelope, tc_envelope_typing_t *out)
{
    json_object *value;

    memset(out, 0, sizeof(*out));
    if ((out->doc = parse_body(envelope)) == NULL
        || !has_type(out->doc, "is_typing", json_type_boolean)) {
        return false;
    }
    out->user_id = tc_json_get_text(out->doc, "user_id");
    out->user_email = tc_json_get_text(out->doc, "user_email");
    if (out->user_email == NULL && has_value(out->doc, "user_email")) {
        return false;
    }
    out->is_typing = json_object_object_get_ex(out->doc, "is_typing", &value)
                     && json_object_get_boolean(value);
    return out->user_id != NULL;
}

void tc_envelope_typing_free(tc_envelope_typing_t *typing)
{
    tc_json_free(typing->doc);
    typing->doc = NULL;
}

/* Reads 16 hexadecimal digits. */
static bool read_hex(json_object *doc, const char *key, uint64_t *number)
{
    const char *digits = tc_json_get_text(doc, key);

    if (digits == NULL || strlen(digits) != 16 || strspn(digits, "0123456789abcdef") != 16) {
        return false;
    }
    *number = strtoull(digits, NULL, 16);
    return true;
}

bool tc_envelope_decode_spent(const tc_envelope_t *envelope, tc_envelope_spent_t *out)
{
    json_object *database;

    out->doc = parse_body(envelope);
    out->list = NULL;
    out->next = 0;
    out->database = 0;
    if (out->doc == NULL || !read_hex(out->doc, "server", &out->server)
        || (json_object_object_get_ex(out->doc, "database", &database) && !read_hex(out->doc, "database", &out->database))) {
        return false;
    }
    return json_object_object_get_ex(out->doc, "spent", &out->list) && json_object_is_type(out->list, json_type_array);
}

/* Reads one entry. Returns false if it is malformed. */
static bool read_spent(json_object *entry, const char **user_id, int *action, int *count)
{
    json_object *user, *numbers[2];

    if (!json_object_is_type(entry, json_type_array) || json_object_array_length(entry) != 3) {
        return false;
    }
    user = json_object_array_get_idx(entry, 0);
    numbers[0] = json_object_array_get_idx(entry, 1);
    numbers[1] = json_object_array_get_idx(entry, 2);
    if (!json_object_is_type(user, json_type_string) || !json_object_is_type(numbers[0], json_type_int)
        || !json_object_is_type(numbers[1], json_type_int)) {
        return false;
    }
    *user_id = json_object_get_string(user);
    *action = json_object_get_int(numbers[0]);
    *count = json_object_get_int(numbers[1]);
    return *action >= 0 && *count >= 0;
}

bool tc_envelope_next_spent(tc_envelope_spent_t *spent, const char **user_id, int *action, int *count)
{
    while (spent->next < json_object_array_length(spent->list)) {
        if (read_spent(json_object_array_get_idx(spent->list, spent->next++), user_id, action, count)) {
            return true;
        }
    }
    return false;
}

void tc_envelope_spent_free(tc_envelope_spent_t *spent)
{
    tc_json_free(spent->doc);
    spent->doc = NULL;
}
