/* The send queue of a connection. See outq.h. */
#include "engine/outq.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "base/metrics.h"
#include "base/units.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define SHARE_FRAMES 32 /* of which a queue's share is estimated */

void tc_outq_init(tc_outq_t *queue)
{
    *queue = (tc_outq_t){0}; /* gcc 14 takes memset() for one of `few` alone */
    queue->slots = queue->few;
    queue->size = TC_OUTQ_INLINE;
}

/* Releases a frame that was not sent. */
static void drop(tc_blob_t *frame)
{
    tc_flight_cancel(frame->flight);
    tc_blob_unref(frame);
}

static tc_blob_t **slot_at(const tc_outq_t *queue, unsigned i)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): the size starts at TC_OUTQ_INLINE and only doubles */
    return &queue->slots[(queue->first + i) % queue->size];
}

/* An empty queue owns no memory: most connections are idle most of the time. */
static void shrink(tc_outq_t *queue)
{
    if (queue->slots != queue->few) {
        free(queue->slots);
    }
    tc_outq_init(queue);
}

void tc_outq_free(tc_outq_t *queue)
{
    unsigned i;

    for (i = 0; i < queue->count; i++) {
        drop(*slot_at(queue, i));
    }
    shrink(queue);
}

static void grow(tc_outq_t *queue)
{
    tc_blob_t **slots = tc_alloc(2 * (size_t)queue->size * sizeof(tc_blob_t *));
    unsigned i;

    for (i = 0; i < queue->count; i++) {
        slots[i] = *slot_at(queue, i);
    }
    if (queue->slots != queue->few) {
        free(queue->slots);
    }
    queue->slots = slots;
    queue->size *= 2;
    queue->first = 0;
}

void tc_outq_push_always(tc_outq_t *queue, tc_blob_t *frame)
{
    if (queue->count == queue->size) {
        grow(queue);
    }
    *slot_at(queue, queue->count++) = tc_blob_ref(frame);
    queue->bytes += frame->len;
    tc_flight_board(frame->flight);
}

/* The number of frames that have begun to leave, and so must stay. */
static unsigned begun(const tc_outq_t *queue)
{
    return queue->pinned > 0 ? queue->pinned : queue->head_sent > 0;
}

/* Drops the frames that have not begun to leave: all of them, or only the droppable ones (`keep_undroppable`). */
static void filter(tc_outq_t *queue, bool keep_undroppable)
{
    unsigned i, kept = begun(queue), from = kept;

    for (i = from; i < queue->count; i++) {
        tc_blob_t *frame = *slot_at(queue, i);

        if (keep_undroppable && !frame->droppable) {
            *slot_at(queue, kept++) = frame;
        }
        else {
            tc_metrics_add(TC_METRICS_CHILD, TC_M_TYPING_DROPPED, frame->droppable);
            queue->bytes -= frame->len;
            drop(frame);
        }
    }
    queue->count = kept;
}

void tc_outq_drop_unsent(tc_outq_t *queue)
{
    filter(queue, false);
}

static bool fits(const tc_outq_t *queue, const tc_blob_t *frame, unsigned max_msgs,
                 size_t max_bytes)
{
    size_t first = queue->count > 0 ? (*slot_at(queue, 0))->len : 0;
    size_t counted = queue->bytes - (first < TC_HISTORY_BYTES ? first : TC_HISTORY_BYTES);

    return queue->count == 0 || (queue->count < max_msgs && counted + frame->len <= max_bytes);
}

apr_status_t tc_outq_push(tc_outq_t *queue, tc_blob_t *frame, unsigned max_msgs, size_t max_bytes)
{
    if (!fits(queue, frame, max_msgs, max_bytes)) {
        if (frame->droppable) {
            tc_metrics_add(TC_METRICS_CHILD, TC_M_TYPING_DROPPED, 1);
            return APR_SUCCESS;
        }
        filter(queue, true);
        if (!fits(queue, frame, max_msgs, max_bytes)) {
            return APR_ENOSPC;
        }
    }
    tc_outq_push_always(queue, frame);
    return APR_SUCCESS;
}

int tc_outq_peek(const tc_outq_t *queue, struct iovec *iov, int max)
{
    int n = 0;

    for (; n < max && (unsigned)n < queue->count; n++) {
        tc_blob_t *frame = *slot_at(queue, (unsigned)n);
        size_t skip = n == 0 ? queue->head_sent : 0;

        iov[n].iov_base = frame->data + skip;
        iov[n].iov_len = frame->len - skip;
    }
    return n;
}

size_t tc_outq_share(const tc_outq_t *queue)
{
    size_t share = 0;
    unsigned looked;

    for (looked = 0; looked < queue->count && looked < SHARE_FRAMES; looked++) {
        const tc_blob_t *frame = *slot_at(queue, queue->count - 1 - looked);

        share += frame->size / frame->refs;
    }
    return looked < queue->count ? share / looked * queue->count : share;
}

void tc_outq_copy(const tc_outq_t *queue, tc_buf_t *bytes)
{
    unsigned i;

    for (i = 0; i < queue->count; i++) {
        const tc_blob_t *frame = *slot_at(queue, i);
        size_t skip = i == 0 ? queue->head_sent : 0;

        tc_buf_append(bytes, frame->data + skip, frame->len - skip);
    }
}

void tc_outq_pin(tc_outq_t *queue, size_t len)
{
    size_t covered = 0;

    queue->pinned = 0;
    while (queue->pinned < queue->count && covered < len + queue->head_sent) {
        covered += (*slot_at(queue, queue->pinned++))->len;
    }
}

void tc_outq_consume(tc_outq_t *queue, size_t len, int64_t now_us)
{
    queue->pinned = 0;
    queue->head_sent += len;
    queue->moved_us = now_us;
    queue->unsent = UINT_MAX;
    while (queue->count > 0 && queue->head_sent >= (*slot_at(queue, 0))->len) {
        tc_blob_t *frame = *slot_at(queue, 0);

        queue->head_sent -= frame->len;
        queue->bytes -= frame->len;
        queue->first = (queue->first + 1) % queue->size;
        queue->count--;
        queue->due_us = 0;
        tc_flight_land(frame->flight, now_us);
        tc_blob_unref(frame);
    }
    if (queue->count == 0) {
        shrink(queue);
    }
}

bool tc_outq_note_stuck(tc_outq_t *queue, int64_t now_us, int64_t grace_us, size_t unsent)
{
    bool is_news = queue->count > 0 && queue->due_us == 0;

    if (is_news) {
        size_t ahead = (*slot_at(queue, 0))->len - queue->head_sent + unsent;

        queue->due_us = now_us + grace_us + (int64_t)ahead * TC_US_PER_S / TC_SLOWEST_BYTES_S;
        queue->moved_us = now_us;
        queue->unsent = UINT_MAX;
    }
    if (queue->unsent == UINT_MAX) {
        queue->unsent = unsent < UINT_MAX ? (unsigned)unsent : UINT_MAX;
    }
    return is_news;
}

int64_t tc_outq_deadline_us(const tc_outq_t *queue, int64_t patience_us)
{
    if (queue->due_us == 0) {
        return INT64_MAX;
    }
    return queue->moved_us + patience_us < queue->due_us ? queue->moved_us + patience_us : queue->due_us;
}

/* A client that reads empties the socket for a while before the socket takes more. */
bool tc_outq_is_too_slow(tc_outq_t *queue, int64_t now_us, int64_t patience_us, size_t unsent)
{
    if (queue->due_us == 0 || now_us >= queue->due_us) {
        return queue->due_us != 0;
    }
    if (unsent < queue->unsent) {
        queue->unsent = (unsigned)unsent;
        queue->moved_us = now_us;
    }
    return now_us - queue->moved_us >= patience_us;
}
