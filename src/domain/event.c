/* Events and their bytes. See event.h. */
#include "domain/event.h"

#include "base/alloc.h"
#include "codec/wire.h"

#include <stdlib.h>

static void encode_message(tc_event_t *event, const char *object, size_t object_len)
{
    tc_buf_t buf = TC_BUF_INIT;
    size_t begin;

    tc_chat_encode_message_begin(&buf);
    begin = buf.len;
    tc_buf_append(&buf, object, object_len);
    tc_chat_encode_object_end(&buf, event->seq);
    tc_chat_encode_end(&buf, NULL);
    event->wire = tc_wire_frame(TC_OPCODE_TEXT, buf.data, buf.len, 0);
    event->object_at = tc_wire_header_len(buf.len) + begin;
    tc_buf_free(&buf);
}

/* The frame of an edit holds only a few fields. The whole object stands behind the frame, for the history. */
static void encode_edit(tc_event_t *event, const char *object, size_t object_len,
                        const tc_chat_message_t *message)
{
    tc_buf_t frame = TC_BUF_INIT;

    tc_chat_encode_edited(&frame, message, event->seq);
    event->wire = tc_wire_frame(TC_OPCODE_TEXT, frame.data, frame.len, object_len);
    memcpy(event->wire->data + event->wire->len, object, object_len);
    event->object_at = event->wire->len;
    tc_buf_free(&frame);
}

tc_event_t *tc_event_wrap(tc_event_kind_e kind, int64_t seq, const tc_uuid_t *message_id,
                          const char *object, size_t object_len,
                          const tc_chat_message_t *message)
{
    tc_event_t *event = tc_alloc_zero(sizeof(*event));

    event->refs = 1;
    event->kind = kind;
    event->seq = seq;
    event->message_id = *message_id;
    event->object_len = object_len;
    if (kind == TC_EVENT_MESSAGE) {
        encode_message(event, object, object_len);
    }
    else {
        encode_edit(event, object, object_len, message);
    }
    return event;
}

tc_event_t *tc_event_create(tc_event_kind_e kind, int64_t seq, const tc_uuid_t *message_id,
                            const tc_chat_message_t *message)
{
    tc_buf_t object = TC_BUF_INIT;
    tc_event_t *event;

    tc_chat_encode_object(&object, message);
    event = tc_event_wrap(kind, seq, message_id, (const char *)object.data, object.len, message);
    tc_buf_free(&object);
    return event;
}

tc_event_t *tc_event_copy(const tc_event_t *event)
{
    tc_event_t *copy = tc_alloc_zero(sizeof(*copy));

    copy->refs = 1;
    copy->kind = event->kind;
    copy->seq = event->seq;
    copy->message_id = event->message_id;
    copy->wire = tc_blob_ref(event->wire);
    copy->object_at = event->object_at;
    copy->object_len = event->object_len;
    return copy;
}

/* The payload is an object: what is added goes before its last brace. */
tc_blob_t *tc_event_frame_for(const tc_event_t *event, const char *client_id)
{
    tc_buf_t buf = TC_BUF_INIT;
    size_t header = tc_wire_frame_header_len(event->wire);
    tc_blob_t *frame;

    tc_buf_append(&buf, event->wire->data + header, event->wire->len - header - 1);
    tc_chat_encode_end(&buf, client_id);
    frame = tc_wire_frame(TC_OPCODE_TEXT, buf.data, buf.len, 0);
    frame->flight = tc_flight_ref(event->wire->flight);
    tc_buf_free(&buf);
    return frame;
}

void tc_event_set_own(tc_event_t *event, const char *client_id)
{
    event->own = tc_event_frame_for(event, client_id);
}

void tc_event_launch(tc_event_t *event, unsigned slot, int64_t now_us)
{
    event->wire->flight = tc_flight_create(slot, now_us);
    if (event->own != NULL) {
        event->own->flight = tc_flight_ref(event->wire->flight);
    }
}

void tc_event_unref(tc_event_t *event)
{
    if (event != NULL && --event->refs == 0) {
        tc_blob_unref(event->wire);
        tc_blob_unref(event->own);
        free(event);
    }
}

void tc_event_unref_list(tc_event_t *events)
{
    while (events != NULL) {
        tc_event_t *next = events->next;

        tc_event_unref(events);
        events = next;
    }
}

size_t tc_event_size(const tc_event_t *event)
{
    size_t own = event->own ? sizeof(*event->own) + event->own->size : 0;

    return sizeof(*event) + sizeof(*event->wire) + event->wire->size + own;
}
