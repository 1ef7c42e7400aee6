/* The timeline of a live room. See timeline.h. */
#include "domain/timeline.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "codec/requote.h"

#include <stdlib.h>

/* The bytes of an event count once, even if the event stands both in the log and in the recent list. */
static void hold(tc_timeline_t *timeline, tc_event_t *event)
{
    if (event->holds++ == 0) {
        timeline->bytes += tc_event_size(event);
    }
    tc_event_ref(event);
}

static void release(tc_timeline_t *timeline, tc_event_t *event)
{
    if (--event->holds == 0) {
        timeline->bytes -= tc_event_size(event);
    }
    tc_event_unref(event);
}

static void forget_frames(tc_timeline_t *timeline)
{
    tc_blob_t **frames[] = {&timeline->history[0], &timeline->history[1], &timeline->resume,
                            &timeline->page};
    size_t i;

    for (i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        tc_blob_unref(*frames[i]);
        *frames[i] = NULL;
    }
}

static tc_event_t *ring_at(const tc_event_ring_t *ring, unsigned i)
{
    return ring->slots[(ring->first + i) % ring->size];
}

static void ring_grow(tc_event_ring_t *ring)
{
    unsigned size = ring->size ? ring->size * 2 : 8, i;
    tc_event_t **slots = tc_alloc(size * sizeof(tc_event_t *));

    for (i = 0; i < ring->count; i++) {
        slots[i] = ring_at(ring, i);
    }
    free(ring->slots);
    ring->slots = slots;
    ring->size = size;
    ring->first = 0;
}

static void log_pop(tc_timeline_t *timeline)
{
    tc_event_ring_t *ring = &timeline->log;

    release(timeline, ring_at(ring, 0));
    ring->first = (ring->first + 1) % ring->size;
    ring->count--;
}

static void log_push(tc_timeline_t *timeline, tc_event_t *event)
{
    tc_event_ring_t *ring = &timeline->log;

    if (ring->count == TC_ROOM_LOG_EVENTS) {
        log_pop(timeline);
    }
    if (ring->count == ring->size) {
        ring_grow(ring);
    }
    hold(timeline, event);
    ring->slots[(ring->first + ring->count++) % ring->size] = event;
}

static void recent_clear(tc_timeline_t *timeline)
{
    unsigned i;

    for (i = 0; i < timeline->recent_count; i++) {
        release(timeline, timeline->recent[i].event);
    }
    free(timeline->recent);
    timeline->recent = NULL;
    timeline->recent_count = 0;
    timeline->recent_bytes = 0;
}

static void recent_pop(tc_timeline_t *timeline)
{
    timeline->recent_bytes -= tc_history_size_of(timeline->recent[0].event);
    release(timeline, timeline->recent[0].event);
    memmove(timeline->recent, timeline->recent + 1, --timeline->recent_count * sizeof(tc_recent_t));
}

/* Huge messages make a history short: nobody should have to hold more for a client that does not read. */
static void recent_shrink(tc_timeline_t *timeline)
{
    while (timeline->recent_bytes > TC_HISTORY_BYTES && timeline->recent_count > 1) {
        recent_pop(timeline);
    }
}

static void recent_push(tc_timeline_t *timeline, tc_event_t *event)
{
    if (timeline->max_recent == 0) {
        return;
    }
    if (timeline->recent == NULL) {
        timeline->recent = tc_alloc(timeline->max_recent * sizeof(tc_recent_t));
    }
    if (timeline->recent_count == timeline->max_recent) {
        recent_pop(timeline);
    }
    hold(timeline, event);
    timeline->recent[timeline->recent_count++] = (tc_recent_t){event->seq, event};
    timeline->recent_bytes += tc_history_size_of(event);
    recent_shrink(timeline);
}

static void recent_replace(tc_timeline_t *timeline, tc_event_t *edit)
{
    unsigned i;

    for (i = timeline->recent_count; i-- > 0;) {
        tc_event_t *old = timeline->recent[i].event;

        if (tc_uuid_equal(&old->message_id, &edit->message_id)) {
            timeline->recent_bytes += tc_history_size_of(edit) - tc_history_size_of(old);
            hold(timeline, edit);
            release(timeline, old);
            timeline->recent[i].event = edit;
            recent_shrink(timeline);
            return;
        }
    }
}

static tc_object_t object_of(const tc_event_t *event)
{
    tc_object_t object = {(const char *)event->wire->data + event->object_at, event->object_len};

    return object;
}

/* The recent replies to a message that was edited quote it as it reads now. What the log has was sent like that. */
static void recent_requote(tc_timeline_t *timeline, const tc_event_t *edit)
{
    unsigned i;

    for (i = 0; i < timeline->recent_count; i++) {
        tc_event_t *old = timeline->recent[i].event, *event;
        tc_buf_t object = TC_BUF_INIT;

        if (!tc_requote(&object, object_of(old), &edit->message_id, object_of(edit))) {
            continue;
        }
        event = tc_event_wrap(TC_EVENT_MESSAGE, old->seq, &old->message_id, (const char *)object.data, object.len, NULL);
        tc_buf_free(&object);
        timeline->recent_bytes += tc_history_size_of(event) - tc_history_size_of(old);
        hold(timeline, event);
        tc_event_unref(event); /* the list has it now */
        release(timeline, old);
        timeline->recent[i].event = event;
    }
    recent_shrink(timeline);
}

/* Drops the log first: it only saves queries when clients resume, and the recent list serves every newcomer. */
static void trim(tc_timeline_t *timeline)
{
    while (timeline->bytes > timeline->max_bytes && timeline->log.count > 0) {
        log_pop(timeline);
    }
    if (timeline->bytes > timeline->max_bytes) {
        recent_clear(timeline);
        timeline->recent_valid = false;
    }
}

void tc_timeline_init(tc_timeline_t *timeline, unsigned max_recent, size_t max_bytes)
{
    memset(timeline, 0, sizeof(*timeline));
    timeline->epoch = -1;
    timeline->max_recent = max_recent;
    timeline->max_bytes = max_bytes;
}

void tc_timeline_free(tc_timeline_t *timeline)
{
    forget_frames(timeline);
    while (timeline->log.count > 0) {
        log_pop(timeline);
    }
    recent_clear(timeline);
    free(timeline->log.slots);
    timeline->log.slots = NULL;
}

/*
 * Adds an event of the store's answer. If there is a gap before the event, the log starts anew with it. That happens
 * among old events, because the store reads no edits from that far back.
 */
static void load_one(tc_timeline_t *timeline, tc_event_t *event)
{
    while (timeline->log.count > 0
           && ring_at(&timeline->log, timeline->log.count - 1)->seq != event->seq - 1) {
        log_pop(timeline);
    }
    log_push(timeline, event);
    if (event->kind == TC_EVENT_MESSAGE) {
        recent_push(timeline, event);
    }
}

void tc_timeline_load(tc_timeline_t *timeline, tc_event_t *events, int64_t last_seq)
{
    timeline->recent_valid = true;
    timeline->last_seq = last_seq;
    for (; events != NULL; events = events->next) {
        load_one(timeline, events);
    }
    while (timeline->log.count > 0
           && ring_at(&timeline->log, timeline->log.count - 1)->seq != last_seq) {
        log_pop(timeline);
    }
    trim(timeline);
}

bool tc_timeline_reload(tc_timeline_t *timeline, tc_event_t *events, int64_t last_seq)
{
    tc_event_t *later[TC_ROOM_LOG_EVENTS];
    int64_t count = timeline->last_seq - last_seq, i;
    tc_timeline_t fresh;

    if (count < 0 || count > (int64_t)timeline->log.count) {
        return false;
    }
    for (i = 0; i < count; i++) {
        later[i] = ring_at(&timeline->log, timeline->log.count - (unsigned)(count - i));
        tc_event_ref(later[i]);
    }
    tc_timeline_init(&fresh, timeline->max_recent, timeline->max_bytes);
    fresh.epoch = timeline->epoch;
    tc_timeline_free(timeline); /* before its events stand in the other one, which has their bytes then */
    tc_timeline_load(&fresh, events, last_seq);
    for (i = 0; i < count; i++) {
        tc_timeline_append(&fresh, later[i]);
        tc_event_unref(later[i]);
    }
    *timeline = fresh;
    return true;
}

void tc_timeline_set_epoch(tc_timeline_t *timeline, int32_t epoch)
{
    forget_frames(timeline);
    timeline->epoch = epoch;
}

void tc_timeline_skip(tc_timeline_t *timeline, int64_t last_seq)
{
    forget_frames(timeline);
    while (timeline->log.count > 0) {
        log_pop(timeline);
    }
    timeline->last_seq = last_seq;
}

size_t tc_timeline_weight(const tc_timeline_t *timeline)
{
    const tc_blob_t *const frames[] = {timeline->history[0], timeline->history[1], timeline->resume, timeline->page};
    size_t weight = timeline->bytes, i;

    for (i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        weight += frames[i] != NULL ? frames[i]->size : 0;
    }
    return weight;
}

void tc_timeline_shed(tc_timeline_t *timeline)
{
    tc_timeline_skip(timeline, timeline->last_seq);
    recent_clear(timeline);
    timeline->recent_valid = false;
}

void tc_timeline_append(tc_timeline_t *timeline, tc_event_t *event)
{
    forget_frames(timeline);
    timeline->last_seq = event->seq;
    log_push(timeline, event);
    if (timeline->recent_valid && event->kind == TC_EVENT_MESSAGE) {
        recent_push(timeline, event);
    }
    else if (timeline->recent_valid) {
        recent_replace(timeline, event);
        recent_requote(timeline, event);
    }
    trim(timeline);
}

tc_blob_t *tc_timeline_history(tc_timeline_t *timeline, tc_history_kind_e kind)
{
    tc_history_t history;
    unsigned i;

    if (!timeline->recent_valid) {
        return NULL;
    }
    if (timeline->history[kind] == NULL) {
        tc_history_begin(&history);
        for (i = 0; i < timeline->recent_count; i++) {
            tc_history_add(&history, timeline->recent[i].event, timeline->recent[i].seq);
        }
        timeline->history[kind] = tc_history_end(&history, kind, timeline->last_seq, timeline->epoch);
    }
    return timeline->history[kind];
}

tc_event_t *tc_timeline_get(const tc_timeline_t *timeline, int64_t seq)
{
    const tc_event_ring_t *ring = &timeline->log;
    int64_t back = timeline->last_seq - seq;

    if (back < 0 || back >= (int64_t)ring->count) {
        return NULL;
    }
    return ring_at(ring, ring->count - 1 - (unsigned)back);
}

bool tc_timeline_is_too_big(const tc_timeline_t *timeline, int64_t after)
{
    size_t bytes = 0;
    int64_t seq;

    for (seq = timeline->last_seq; seq > after && bytes <= TC_RESUME_BYTES; seq--) {
        const tc_event_t *event = tc_timeline_get(timeline, seq);

        if (event == NULL) {
            break;
        }
        bytes += tc_history_size_of(event);
    }
    return bytes > TC_RESUME_BYTES;
}

tc_blob_t *tc_timeline_resume(tc_timeline_t *timeline, int64_t after)
{
    tc_history_t history;
    int64_t seq;

    if (timeline->resume != NULL && timeline->resume_after == after) {
        return timeline->resume;
    }
    if (after > timeline->last_seq
        || (after < timeline->last_seq && tc_timeline_get(timeline, after + 1) == NULL)
        || tc_timeline_is_too_big(timeline, after)) {
        return NULL;
    }
    tc_history_begin(&history);
    for (seq = after + 1; seq <= timeline->last_seq; seq++) {
        tc_history_add(&history, tc_timeline_get(timeline, seq), seq);
    }
    tc_blob_unref(timeline->resume);
    timeline->resume = tc_history_end(&history, TC_HISTORY_RECOVERED, timeline->last_seq, timeline->epoch);
    timeline->resume_after = after;
    return timeline->resume;
}

tc_blob_t *tc_timeline_page(tc_timeline_t *timeline, int64_t after, unsigned limit, int64_t *last)
{
    tc_history_t history;
    int64_t seq;

    if (timeline->page == NULL || timeline->page_after != after || timeline->page_limit != limit) {
        if (tc_timeline_get(timeline, after + 1) == NULL) {
            return NULL;
        }
        tc_history_begin_array(&history);
        for (seq = after + 1; seq <= timeline->last_seq && seq <= after + limit; seq++) {
            const tc_event_t *event = tc_timeline_get(timeline, seq);

            if (history.any && history.buf.len + tc_history_size_of(event) > TC_RESUME_BYTES) {
                break;
            }
            tc_history_add(&history, event, seq);
        }
        tc_blob_unref(timeline->page);
        timeline->page = tc_history_end_array(&history);
        timeline->page_after = after;
        timeline->page_limit = limit;
        timeline->page_last = seq - 1;
    }
    *last = timeline->page_last;
    return timeline->page;
}
