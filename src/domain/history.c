/* message_history frames. See history.h. */
#include "domain/history.h"

#include "base/limits.h"
#include "codec/wire.h"

void tc_history_begin(tc_history_t *history)
{
    memset(history, 0, sizeof(*history));
    TC_BUF_LIT(&history->buf, "{\"type\":\"message_history\",\"messages\":[");
}

void tc_history_begin_array(tc_history_t *history)
{
    memset(history, 0, sizeof(*history));
    TC_BUF_LIT(&history->buf, "[");
}

tc_blob_t *tc_history_end_array(tc_history_t *history)
{
    tc_blob_t *array;

    TC_BUF_LIT(&history->buf, "]");
    array = tc_blob_create(history->buf.len);
    memcpy(array->data, history->buf.data, history->buf.len);
    tc_buf_free(&history->buf);
    return array;
}

void tc_history_add(tc_history_t *history, const tc_event_t *event, int64_t seq)
{
    if (history->any) {
        TC_BUF_LIT(&history->buf, ",");
    }
    history->any = true;
    tc_buf_append(&history->buf, event->wire->data + event->object_at, event->object_len);
    tc_chat_encode_object_end(&history->buf, seq);
}

tc_blob_t *tc_history_end(tc_history_t *history, tc_history_kind_e kind, int64_t last_seq)
{
    static const char *const recovered[] = {"}", ",\"recovered\":false}", ",\"recovered\":true}"};
    tc_blob_t *frame;

    TC_BUF_LIT(&history->buf, "],\"last_seq\":");
    tc_buf_append_int(&history->buf, last_seq);
    tc_buf_append_str(&history->buf, recovered[kind]);
    frame = tc_wire_frame(TC_OPCODE_TEXT, history->buf.data, history->buf.len, 0);
    tc_buf_free(&history->buf);
    return frame;
}

#define SEQ_BYTES 32 /* what stands behind an object, at most: a comma, its seq */

size_t tc_history_size_of(const tc_event_t *event)
{
    return event->object_len + SEQ_BYTES;
}

/* Messages of the list, and the bytes that they take. */
static unsigned count_messages(const tc_event_t *events, size_t *bytes)
{
    unsigned count = 0;

    for (*bytes = 0; events != NULL; events = events->next) {
        if (events->kind == TC_EVENT_MESSAGE) {
            *bytes += tc_history_size_of(events);
            count++;
        }
    }
    return count;
}

/* Adds the newest messages of the list. The newest one of all is added whatever its size. */
static void add_newest(tc_history_t *history, const tc_event_t *events, unsigned max_messages)
{
    size_t bytes;
    unsigned left = count_messages(events, &bytes);

    for (; events != NULL && max_messages > 0; events = events->next) {
        if (events->kind != TC_EVENT_MESSAGE) {
            continue;
        }
        if (left <= max_messages && (bytes <= TC_HISTORY_BYTES || left == 1)) {
            tc_history_add(history, events, events->seq);
        }
        bytes -= tc_history_size_of(events);
        left--;
    }
}

tc_blob_t *tc_history_of_list(const tc_event_t *events, unsigned max_messages,
                              tc_history_kind_e kind, int64_t last_seq)
{
    tc_history_t history;

    tc_history_begin(&history);
    if (kind != TC_HISTORY_RECOVERED) {
        add_newest(&history, events, max_messages);
    }
    for (; events != NULL && kind == TC_HISTORY_RECOVERED; events = events->next) {
        tc_history_add(&history, events, events->seq);
    }
    return tc_history_end(&history, kind, last_seq);
}
