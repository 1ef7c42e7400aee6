/* Live rooms. See room.h. */
#include "domain/room.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "base/log.h"
#include "codec/close.h"

#include <stdlib.h>

tc_room_t *tc_room_create(tc_store_t *store, tc_bus_t *bus, const tc_uuid_t *trip_id,
                          const tc_uuid_t *room_id)
{
    tc_room_t *room = tc_alloc_zero(sizeof(*room));

    room->site = store->site;
    room->store = store;
    room->bus = bus;
    room->key = (tc_room_key_t){store->site->index, *trip_id};
    room->id_key = (tc_room_key_t){store->site->index, *room_id};
    room->room_id = *room_id;
    room->writes_end = &room->writes;
    tc_timeline_init(&room->timeline, (unsigned)store->site->history_msgs,
                     store->site->room_cache_bytes);
    return room;
}

void tc_room_destroy(tc_room_t *room)
{
    while (room->held != NULL) {
        tc_event_t *event = room->held;

        room->held = event->next_held;
        tc_event_unref(event);
    }
    tc_timeline_free(&room->timeline);
    free(room->members);
    free(room);
}

/* Submits a job that reads; false when the store's queue is full. */
static bool submit_read(tc_room_t *room, tc_member_t *member, tc_job_kind_e kind, int64_t after,
                        int limit, bool for_resumers)
{
    tc_job_t *job = tc_job_create(kind, room->store, NULL, 0, NULL);

    job->room = room;
    job->member = member;
    job->room_id = room->room_id;
    job->after = after;
    job->limit = limit;
    job->for_resumers = for_resumers;
    if (room->store->submit(room->store, job) != APR_SUCCESS) {
        tc_job_destroy(job);
        return false;
    }
    room->jobs++;
    if (member != NULL) {
        member->jobs++;
    }
    return true;
}

static void turn_away(tc_member_t *member)
{
    member->sink->close(member, TC_CLOSE_TRY_LATER, "history unavailable, try again later");
}

/* Nobody knows what the member asked for. */
static void dismiss(tc_member_t *member, tc_job_status_e status)
{
    member->waiting = member->resuming = false;
    if (status == TC_JOB_GONE) {
        member->sink->close(member, TC_CLOSE_FORBIDDEN, "Forbidden");
    }
    else {
        turn_away(member);
    }
}

static void start_load(tc_room_t *room, tc_member_t *member)
{
    member->waiting = true;
    if (room->loading) {
        return;
    }
    room->loading = submit_read(room, NULL, TC_JOB_LOAD, 0, room->site->history_msgs, false);
    if (!room->loading) {
        member->waiting = false;
        turn_away(member);
    }
}

/*
 * Asks the store for what members lack that resume from further back than the log reaches. One question
 * for all of them, from a little before the one that lacks the most: whoever comes while it is under way
 * most likely finds his answer in it, too.
 */
static void start_resume(tc_room_t *room)
{
    int64_t after = INT64_MAX;
    unsigned i;

    for (i = 0; i < room->count; i++) {
        if (room->members[i]->resuming && room->members[i]->after < after) {
            after = room->members[i]->after;
        }
    }
    if (after == INT64_MAX || room->resuming) {
        return;
    }
    after -= after % TC_ROOM_LOG_EVENTS;
    room->resuming = submit_read(room, NULL, TC_JOB_EVENTS, after,
                                 room->site->resume_events + TC_ROOM_LOG_EVENTS + 1, true);
    for (i = 0; i < room->count && !room->resuming; i++) {
        if (room->members[i]->resuming) {
            dismiss(room->members[i], TC_JOB_UNAVAILABLE);
        }
    }
}

/* Asks for what a member lacks that has its history and fell behind the log. */
static void start_fetch(tc_room_t *room, tc_member_t *member)
{
    if (!submit_read(room, member, TC_JOB_EVENTS, member->cursor, room->site->resume_events + 1,
                     false)) {
        turn_away(member);
    }
}

/* Whom the event answers gets its copy in the event's place, and at once. */
static void hand_over(tc_room_t *room, tc_member_t *member, tc_event_t *event)
{
    tc_confirm_t *confirm =
        room->confirms != NULL ? tc_confirms_take(&room->confirms, event->seq, member) : NULL;

    member->cursor = event->seq;
    if (confirm == NULL) {
        member->sink->send(member, event->wire, false);
        return;
    }
    member->sink->send(member, confirm->frame ? confirm->frame : event->wire, true);
    tc_confirm_destroy(confirm);
}

void tc_room_confirm(tc_room_t *room, const tc_job_t *job)
{
    const tc_event_t *event = job->events;
    tc_member_t *member = job->member;

    if (member->room != room || job->claimed) {
        return;
    }
    if (event->seq > member->cursor) {
        tc_confirms_add(&room->confirms, event->seq, member, event->own);
    }
    else {
        member->sink->send(member, event->own ? event->own : event->wire, true);
    }
}

/* Events that a member will not be shown any more, deleted ones, are no answers; but what was stored is
 * confirmed. */
static void confirm_until(tc_room_t *room, tc_member_t *member, int64_t seq)
{
    tc_confirm_t *confirm;

    while ((confirm = tc_confirms_take_until(&room->confirms, seq, member)) != NULL) {
        if (confirm->frame != NULL) {
            member->sink->send(member, confirm->frame, true);
        }
        tc_confirm_destroy(confirm);
    }
}

/* Brings a member that has its history up to the room's present. */
static void advance(tc_room_t *room, tc_member_t *member)
{
    while (member->cursor < room->timeline.last_seq) {
        tc_event_t *event = tc_timeline_get(&room->timeline, member->cursor + 1);

        if (event == NULL) {
            start_fetch(room, member);
            return;
        }
        hand_over(room, member, event);
    }
}

static void give_history(tc_room_t *room, tc_member_t *member, tc_blob_t *frame, int64_t last_seq)
{
    member->cursor = last_seq;
    member->sink->send(member, frame, true);
    advance(room, member);
}

/*
 * The newest messages, out of the timeline or, in a room too big to be kept, out of the answer of the
 * LOAD at hand; without either the store is asked.
 */
static void serve_fresh(tc_room_t *room, tc_member_t *member, tc_job_t *load)
{
    tc_history_kind_e kind = member->after < 0 ? TC_HISTORY_FRESH : TC_HISTORY_NOT_RECOVERED;
    tc_blob_t *frame = tc_timeline_history(&room->timeline, kind);

    if (frame != NULL) {
        give_history(room, member, frame, room->timeline.last_seq);
        return;
    }
    if (load == NULL) {
        start_load(room, member);
        return;
    }
    if (load->history[kind] == NULL) {
        load->history[kind] = tc_history_of_list(load->events, room->timeline.max_recent, kind,
                                                 load->last_seq);
    }
    give_history(room, member, load->history[kind], load->last_seq);
}

/* A resume from beyond the room's present is settled by the store: another child may be ahead. */
static void serve(tc_room_t *room, tc_member_t *member, tc_job_t *load)
{
    int64_t last_seq = room->timeline.last_seq;
    tc_blob_t *frame;

    if (!room->loaded) {
        start_load(room, member);
        return;
    }
    if (member->after < 0 || member->lost
        || last_seq - member->after > room->site->resume_events) {
        serve_fresh(room, member, load);
        return;
    }
    frame = tc_timeline_resume(&room->timeline, member->after);
    if (frame != NULL) {
        give_history(room, member, frame, last_seq);
        return;
    }
    member->resuming = true;
    start_resume(room);
}

void tc_room_join(tc_room_t *room, tc_member_t *member, int64_t after)
{
    if (room->count == room->size) {
        room->size = room->size ? room->size * 2 : 4;
        room->members = tc_realloc(room->members, room->size * sizeof(*room->members));
    }
    member->room = room;
    member->index = room->count;
    member->cursor = -1;
    member->after = after;
    member->lost = false;
    room->members[room->count++] = member;
    serve(room, member, NULL);
}

void tc_room_leave(tc_room_t *room, tc_member_t *member, int64_t now_us)
{
    tc_member_t *last = room->members[--room->count];
    tc_confirm_t *confirm;

    room->members[member->index] = last;
    last->index = member->index;
    member->room = NULL;
    member->waiting = false;
    member->resuming = false;
    while ((confirm = tc_confirms_take_until(&room->confirms, INT64_MAX, member)) != NULL) {
        tc_confirm_destroy(confirm);
    }
    if (room->count == 0) {
        room->empty_since_us = now_us;
    }
}

/* Early events wait in order; past the bound the store will bring them. */
static void hold_event(tc_room_t *room, tc_event_t *event)
{
    tc_event_t **at = &room->held;

    while (*at != NULL && (*at)->seq < event->seq) {
        at = &(*at)->next_held;
    }
    if ((*at != NULL && (*at)->seq == event->seq) || room->held_count == TC_ROOM_HELD_EVENTS
        || room->held_bytes > room->site->room_cache_bytes) {
        return;
    }
    tc_event_ref(event)->next_held = *at;
    *at = event;
    room->held_count++;
    room->held_bytes += tc_event_size(event);
}

/* Takes an event out of those that wait; the reference is the caller's. */
static tc_event_t *unhold(tc_room_t *room, tc_event_t **at)
{
    tc_event_t *event = *at;

    *at = event->next_held;
    room->held_count--;
    room->held_bytes -= tc_event_size(event);
    return event;
}

static void deliver(tc_room_t *room, tc_event_t *event)
{
    unsigned i;

    tc_timeline_append(&room->timeline, event);
    for (i = 0; i < room->count; i++) {
        if (room->members[i]->cursor == event->seq - 1) {
            hand_over(room, room->members[i], event);
        }
    }
}

/* Delivers what waited for the event just delivered and drops what has been seen. */
static void release_held(tc_room_t *room)
{
    while (room->held != NULL && room->held->seq <= room->timeline.last_seq + 1) {
        tc_event_t *event = unhold(room, &room->held);

        if (event->seq == room->timeline.last_seq + 1) {
            deliver(room, event);
        }
        tc_event_unref(event);
    }
}

bool tc_room_is_behind(const tc_room_t *room)
{
    return room->loaded && !room->fetching && room->heard_seq > room->timeline.last_seq;
}

void tc_room_retry(tc_room_t *room)
{
    if (tc_room_is_behind(room)) {
        room->asked_seq = room->heard_seq;
        room->fetching = submit_read(room, NULL, TC_JOB_EVENTS, room->timeline.last_seq,
                                     TC_ROOM_LOG_EVENTS, false);
    }
}

void tc_room_hear(tc_room_t *room, int64_t seq)
{
    if (seq > room->heard_seq) {
        room->heard_seq = seq;
    }
}

void tc_room_ingest(tc_room_t *room, tc_event_t *event)
{
    if (event->seq > room->heard_seq) {
        room->heard_seq = event->seq;
    }
    if (!room->loaded) {
        hold_event(room, event);
        return;
    }
    if (event->seq <= room->timeline.last_seq) {
        return;
    }
    if (event->seq == room->timeline.last_seq + 1) {
        deliver(room, event);
        release_held(room);
    }
    else {
        hold_event(room, event);
    }
}

/*
 * Serving a member may close it or start a fetch, but takes none out of the list: members leave from
 * the session's reaper alone.
 */
static void serve_waiting(tc_room_t *room, tc_job_t *load)
{
    unsigned i;

    for (i = 0; i < room->count; i++) {
        if (room->members[i]->waiting) {
            room->members[i]->waiting = false;
            serve(room, room->members[i], load);
        }
    }
}

static void dismiss_waiting(tc_room_t *room, tc_job_status_e status)
{
    unsigned i;

    for (i = 0; i < room->count; i++) {
        if (room->members[i]->waiting) {
            dismiss(room->members[i], status);
        }
    }
}

void tc_room_give_up_waiting(tc_room_t *room)
{
    unsigned i;

    for (i = 0; i < room->count; i++) {
        if (room->members[i]->waiting || room->members[i]->resuming) {
            dismiss(room->members[i], TC_JOB_UNAVAILABLE);
        }
    }
}

void tc_room_on_load(tc_room_t *room, tc_job_t *job)
{
    room->loading = false;
    if (job->status != TC_JOB_DONE) {
        dismiss_waiting(room, job->status);
        return;
    }
    if (!room->loaded) {
        room->loaded = true;
        tc_timeline_load(&room->timeline, job->events, job->last_seq);
    }
    serve_waiting(room, job);
    release_held(room);
    tc_room_retry(room);
}

void tc_room_add_write(tc_room_t *room, tc_job_t *job)
{
    job->next_write = NULL;
    *room->writes_end = job;
    room->writes_end = &job->next_write;
}

/* They come back in their order, mostly: the first is the one. */
void tc_room_remove_write(tc_room_t *room, tc_job_t *job)
{
    tc_job_t **at = &room->writes;

    while (*at != job) {
        at = &(*at)->next_write;
    }
    *at = job->next_write;
    if (*at == NULL) {
        room->writes_end = at;
    }
}

/* The write in flight that an event answers. Edits of one message may come from elsewhere, too: the text
 * tells them apart. */
static tc_job_t *find_write(const tc_room_t *room, const tc_event_t *event)
{
    tc_job_kind_e kind = event->kind == TC_EVENT_MESSAGE ? TC_JOB_POST : TC_JOB_EDIT;
    tc_job_t *job;

    for (job = room->writes; job != NULL; job = job->next_write) {
        if (job->kind == kind && !job->claimed
            && tc_uuid_equal(&event->message_id, &job->message_id)
            && (kind == TC_JOB_POST || tc_event_has_content(event, job->content))) {
            return job;
        }
    }
    return NULL;
}

/* Fetched events that answer writes in flight: their senders get what the store's answer would have brought. */
static void claim_own(tc_room_t *room, tc_event_t *events)
{
    for (; events != NULL && room->writes != NULL; events = events->next) {
        tc_job_t *job = find_write(room, events);

        if (job == NULL || job->member->room != room || events->seq <= job->member->cursor) {
            continue;
        }
        job->claimed = true;
        if (job->client_id != NULL) {
            tc_event_set_own(events, job->client_id);
        }
        tc_confirms_add(&room->confirms, events->seq, job->member, events->own);
    }
}

/* The room's copy of a fetched event, where it has one: one is enough to keep. */
static tc_event_t *known_copy(const tc_room_t *room, tc_event_t *event)
{
    tc_event_t *known = tc_timeline_get(&room->timeline, event->seq);
    tc_event_t *held;

    for (held = room->held; known == NULL && held != NULL; held = held->next_held) {
        known = held->seq == event->seq ? held : NULL;
    }
    return known ? known : event;
}

/* Moves the room, and the members that stand in the hole, over events that were deleted. */
static void skip_to(tc_room_t *room, int64_t seq)
{
    unsigned i;

    for (i = 0; i < room->count; i++) {
        tc_member_t *member = room->members[i];

        if (member->cursor >= room->timeline.last_seq && member->cursor < seq) {
            member->cursor = seq;
            confirm_until(room, member, seq);
        }
    }
    tc_timeline_skip(&room->timeline, seq);
}

/*
 * The store's word on what follows `after` is final: what it leaves out was deleted with its user, and
 * nobody may wait for it.
 */
static void ingest_fetched(tc_room_t *room, tc_job_t *job)
{
    const tc_event_t *event;

    if (job->after > room->timeline.last_seq) {
        return; /* it says nothing of what lies between */
    }
    for (event = job->events; event != NULL; event = event->next) {
        if (event->seq > room->timeline.last_seq + 1) {
            skip_to(room, event->seq - 1);
        }
        if (event->seq == room->timeline.last_seq + 1) {
            deliver(room, known_copy(room, (tc_event_t *)event));
        }
    }
    if (job->complete && job->last_seq > room->timeline.last_seq) {
        skip_to(room, job->last_seq);
    }
    release_held(room);
}

/*
 * An event is heard of after its commit: what was heard of before the store was asked, and the store does
 * not know, never happened.
 */
static void disbelieve(tc_room_t *room)
{
    tc_event_t **at = &room->held;

    if (room->heard_seq > room->timeline.last_seq && room->heard_seq <= room->asked_seq) {
        room->heard_seq = room->timeline.last_seq;
        room->probe = true; /* something true may have been heard of meanwhile */
    }
    while (*at != NULL && (*at)->seq <= room->asked_seq) {
        tc_event_unref(unhold(room, at));
    }
}

/* The room's own question is answered. */
static void on_fetched(tc_room_t *room, const tc_job_t *job)
{
    room->fetching = false;
    if (job->status == TC_JOB_DONE && job->complete) {
        disbelieve(room);
    }
}

/* Brings a member that fell behind the log what it asked for. */
static void catch_up(tc_room_t *room, tc_member_t *member, const tc_job_t *job)
{
    const tc_event_t *event;

    for (event = job->events; event != NULL; event = event->next) {
        if (event->seq > member->cursor) {
            hand_over(room, member, known_copy(room, (tc_event_t *)event));
        }
    }
    if (job->complete && job->last_seq > member->cursor) {
        member->cursor = job->last_seq;
        confirm_until(room, member, member->cursor);
    }
    advance(room, member);
}

/* The answer as a resuming member's history. */
static tc_blob_t *compose_resume(const tc_job_t *job, int64_t after)
{
    const tc_event_t *event = job->events;

    while (event != NULL && event->seq <= after) {
        event = event->next;
    }
    return tc_history_of_list(event, 0, TC_HISTORY_RECOVERED, job->last_seq);
}

/* Gives those who resume what the store has of it; whom the answer does not reach asks once more. Most of
 * them come from the same place: the frame of the last is kept for the next. */
static void serve_resuming(tc_room_t *room, tc_job_t *job)
{
    tc_blob_t *frame = NULL;
    int64_t frame_after = -1;
    unsigned i;

    for (i = 0; i < room->count; i++) {
        tc_member_t *member = room->members[i];

        if (!member->resuming || member->after < job->after) {
            continue;
        }
        if (member->after > job->last_seq
            || job->last_seq - member->after > room->site->resume_events) {
            member->resuming = false;
            member->lost = true;
            serve_fresh(room, member, NULL);
        }
        else if (job->complete) {
            member->resuming = false;
            if (frame_after != member->after) {
                tc_blob_unref(frame);
                frame = compose_resume(job, member->after);
                frame_after = member->after;
            }
            give_history(room, member, frame, job->last_seq);
        }
    }
    tc_blob_unref(frame);
}

static void on_resume(tc_room_t *room, tc_job_t *job)
{
    unsigned i;

    room->resuming = false;
    if (job->status == TC_JOB_DONE) {
        serve_resuming(room, job);
        return;
    }
    for (i = 0; i < room->count; i++) {
        if (room->members[i]->resuming) {
            dismiss(room->members[i], job->status);
        }
    }
}

void tc_room_on_events(tc_room_t *room, tc_job_t *job)
{
    tc_member_t *member = job->member;

    claim_own(room, job->events);
    if (job->for_resumers) {
        on_resume(room, job);
    }
    else if (member != NULL && member->room == room && job->status == TC_JOB_DONE) {
        catch_up(room, member, job);
    }
    else if (member != NULL && member->room == room) {
        dismiss(member, job->status);
    }
    if (job->status == TC_JOB_DONE && room->loaded) {
        ingest_fetched(room, job);
    }
    if (member == NULL && !job->for_resumers) {
        on_fetched(room, job);
    }
    start_resume(room);
    if (job->status == TC_JOB_DONE && !job->complete) {
        tc_room_retry(room);
    }
}

void tc_room_send_others(tc_room_t *room, const char *user_id, tc_blob_t *frame)
{
    unsigned i;

    for (i = 0; i < room->count; i++) {
        tc_member_t *member = room->members[i];

        if (member->cursor >= 0 && strcmp(member->user->id, user_id) != 0) {
            member->sink->send(member, frame, false);
        }
    }
}
