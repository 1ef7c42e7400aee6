/*
 * codec/envelope: what anybody who can write to the bus may write. An envelope that is decoded says the same when it
 * is encoded and decoded again, and both encodings are equal. The object of an event can get another seq, as in a
 * history, and is still JSON. The seq in the object is the seq in the envelope's first line. The room in the object
 * is the room that is listened to.
 *
 * Input: an envelope, for the room in ROOM.
 */
#include "fuzz.h"

#include "base/limits.h"
#include "codec/envelope.h"
#include "codec/json.h"

#include <strings.h>

#define ROOM "018d0000-0000-7000-8000-000000000001"

const char fuzz_name[] = "envelope";

/* An envelope with its body. It owns the parsed document. */
typedef struct {
    tc_envelope_t envelope;
    tc_envelope_event_t event;
    tc_envelope_typing_t typing;
} heard_t;

static bool is_event(const heard_t *heard)
{
    return heard->envelope.kind == TC_ENVELOPE_MESSAGE || heard->envelope.kind == TC_ENVELOPE_EDIT;
}

/* Reads an envelope as bus_redis does. False when bus_redis would drop it. The caller calls forget() in any case. */
static bool hear(const void *data, size_t len, heard_t *heard)
{
    tc_uuid_t room;

    memset(heard, 0, sizeof(*heard));
    FUZZ_REQUIRE(tc_uuid_parse(ROOM, strlen(ROOM), &room));
    if (!tc_envelope_decode(data, len, &heard->envelope)) {
        return false;
    }
    if (is_event(heard)) {
        return tc_envelope_decode_event(&heard->envelope, &room, &heard->event);
    }
    return heard->envelope.kind != TC_ENVELOPE_TYPING
           || tc_envelope_decode_typing(&heard->envelope, &heard->typing);
}

static void forget(heard_t *heard)
{
    tc_envelope_event_free(&heard->event);
    tc_envelope_typing_free(&heard->typing);
}

static tc_buf_t say(const heard_t *heard)
{
    const tc_envelope_t *envelope = &heard->envelope;
    tc_buf_t buf = TC_BUF_INIT;

    if (is_event(heard)) {
        tc_envelope_encode_event(&buf, envelope->kind, &envelope->child, envelope->seq,
                                 heard->event.object, heard->event.object_len);
    }
    else if (envelope->kind == TC_ENVELOPE_TYPING) {
        tc_envelope_encode_typing(&buf, &envelope->child, heard->typing.user_id,
                                  heard->typing.user_email, heard->typing.is_typing);
    }
    else {
        tc_envelope_encode(&buf, envelope->kind, &envelope->child, envelope->seq);
    }
    return buf;
}

static bool same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static void require_same(const heard_t *a, const heard_t *b)
{
    const tc_chat_message_t *said = &a->event.message, *again = &b->event.message;

    FUZZ_REQUIRE(a->envelope.kind == b->envelope.kind);
    FUZZ_REQUIRE(a->envelope.kind == TC_ENVELOPE_TYPING || a->envelope.seq == b->envelope.seq);
    FUZZ_REQUIRE(tc_uuid_equal(&a->envelope.child, &b->envelope.child));
    FUZZ_REQUIRE(tc_uuid_equal(&a->event.message_id, &b->event.message_id));
    FUZZ_REQUIRE(same(said->id, again->id) && same(said->content, again->content)
                 && same(said->updated_at, again->updated_at));
    FUZZ_REQUIRE(same(a->typing.user_id, b->typing.user_id)
                 && same(a->typing.user_email, b->typing.user_email)
                 && a->typing.is_typing == b->typing.is_typing);
}

static void check_again(const heard_t *heard)
{
    tc_buf_t said = say(heard), said_again;
    heard_t again;

    FUZZ_REQUIRE(hear(said.data, said.len, &again));
    require_same(heard, &again);
    said_again = say(&again);
    FUZZ_REQUIRE(said.len == said_again.len && memcmp(said.data, said_again.data, said.len) == 0);
    forget(&again);
    tc_buf_free(&said_again);
    tc_buf_free(&said);
}

/* Requires that the text is a message object of our room with this seq. */
static void require_object(const void *text, size_t len, int64_t expected)
{
    json_object *object = NULL, *seq;
    const char *room;
    size_t room_len;
    bool present;

    FUZZ_REQUIRE(tc_json_parse_object(text, len, TC_JSON_MAX_DEPTH, TC_JSON_MAX_VALUES, &object) == TC_JSON_OK);
    FUZZ_REQUIRE(json_object_object_get_ex(object, "seq", &seq)
                 && json_object_is_type(seq, json_type_int));
    FUZZ_REQUIRE(json_object_get_int64(seq) == expected);
    room = tc_json_get_string(object, "chat_room_id", &room_len, &present);
    FUZZ_REQUIRE(room != NULL && strcasecmp(room, ROOM) == 0);
    tc_json_free(object);
}

static void check_event(const heard_t *heard)
{
    const tc_envelope_t *envelope = &heard->envelope;
    tc_buf_t buf = TC_BUF_INIT;

    FUZZ_REQUIRE(envelope->seq > 0);
    FUZZ_REQUIRE(fuzz_is_utf8(envelope->body, envelope->body_len));
    require_object(envelope->body, envelope->body_len, envelope->seq);
    tc_buf_append(&buf, heard->event.object, heard->event.object_len);
    tc_chat_encode_object_end(&buf, INT64_MAX);
    require_object(buf.data, buf.len, INT64_MAX);
    tc_buf_free(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    heard_t heard;

    if (hear(data, size, &heard)) {
        check_again(&heard);
        if (is_event(&heard)) {
            check_event(&heard);
        }
    }
    forget(&heard);
    return 0;
}
