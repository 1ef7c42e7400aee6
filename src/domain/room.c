/* A live room: keeps the members and hands events over. See room.h. */
#include "domain/room.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "base/metrics.h"
#include "codec/close.h"

#include <stdlib.h>

tc_room_t *tc_room_create(tc_store_t *store, tc_bus_t *bus, const tc_trip_t *trip,
                          const tc_uuid_t *room_id)
{
    tc_room_t *room = tc_alloc_zero(sizeof(*room));

    room->site = store->site;
    room->store = store;
    room->bus = bus;
    room->trip_key = (tc_room_trip_key_t){store->site->index, *trip};
    room->id_key = (tc_room_key_t){store->site->index, *room_id};
    room->room_id = *room_id;
    room->writes_end = &room->writes;
    room->twin = room;
    tc_timeline_init(&room->timeline, (unsigned)store->site->history_msgs,
                     store->site->room_cache_bytes);
    return room;
}

/* Ids are unique in a database only: a copy of it has the same ones. */
tc_room_t *tc_room_next_twin(const tc_room_t *room, const tc_room_t *at)
{
    uint64_t database = atomic_load(&room->store->database);

    do {
        at = at->twin;
    } while (at != room && (database == 0 || atomic_load(&at->store->database) != database));
    return at != room ? (tc_room_t *)at : NULL;
}

void tc_room_forget(tc_room_t *room)
{
    while (room->held != NULL) {
        tc_event_unref(tc_room_unhold(room, &room->held));
    }
    while (room->confirms != NULL) {
        tc_confirm_t *confirm = room->confirms;

        room->confirms = confirm->next;
        tc_confirm_destroy(confirm);
    }
    tc_timeline_free(&room->timeline);
    tc_timeline_init(&room->timeline, (unsigned)room->site->history_msgs, room->site->room_cache_bytes);
    room->loaded = room->stale = room->probe = room->lagging = false;
    room->heard_seq = room->asked_seq = 0;
}

void tc_room_destroy(tc_room_t *room)
{
    tc_room_forget(room);
    tc_roster_free(&room->roster);
    free(room->members);
    free(room);
}

void tc_room_add(tc_room_t *room, tc_member_t *member)
{
    if (room->count == room->size) {
        room->size = room->size ? room->size * 2 : 4;
        room->members = tc_realloc(room->members, room->size * sizeof(*room->members));
    }
    member->room = room;
    member->index = room->count;
    room->members[room->count++] = member;
    if (room->site->recheck_us > 0) {
        tc_roster_add(&room->roster, member);
    }
}

bool tc_room_owes(const tc_room_t *room, const tc_member_t *member)
{
    return member->jobs > member->told || tc_confirms_have(room->confirms, member);
}

void tc_room_leave(tc_room_t *room, tc_member_t *member, int64_t now_us)
{
    tc_member_t *last = room->members[--room->count];
    tc_confirm_t *confirm;

    room->members[member->index] = last;
    last->index = member->index;
    if (room->unserved > room->count) {
        room->unserved = room->count;
    }
    if (member->seat != NULL) {
        tc_roster_remove(&room->roster, member);
    }
    member->room = NULL;
    member->waiting = false;
    member->resuming = false;
    member->lagging = false;
    while ((confirm = tc_confirms_take_until(&room->confirms, INT64_MAX, member)) != NULL) {
        tc_confirm_destroy(confirm);
    }
    if (room->count == 0) {
        room->empty_since_us = now_us;
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

/* True if a write in flight is an edit that this event may be: `member` alone, or NULL for any member. */
static bool is_edit_in_flight(const tc_room_t *room, const tc_member_t *member, const tc_event_t *event)
{
    const tc_job_t *job;

    if (event->kind != TC_EVENT_EDIT || event->attributed) {
        return false;
    }
    for (job = room->writes; job != NULL; job = job->next_write) {
        if (job->kind == TC_JOB_EDIT && !job->told && event->seq > job->after
            && (member == NULL || job->member == member) && tc_uuid_equal(&job->message_id, &event->message_id)) {
            return true;
        }
    }
    return false;
}

bool tc_room_is_undecided(const tc_room_t *room, const tc_member_t *member, const tc_event_t *event)
{
    return is_edit_in_flight(room, member, event) && !tc_confirms_have_event(room->confirms, event->seq, member);
}

/* The event's sender gets its own copy in the event's place, and urgently, because it waits for the answer. */
void tc_room_hand_over(tc_room_t *room, tc_member_t *member, tc_event_t *event)
{
    tc_confirm_t *confirm = NULL;

    if (room->confirms != NULL) {
        tc_room_confirm_until(room, member, event->seq - 1);
        confirm = tc_confirms_take(&room->confirms, event->seq, member);
    }
    member->cursor = event->seq;
    if (confirm == NULL) {
        member->sink->send(member, event->wire, false);
        return;
    }
    tc_confirm_send(confirm, event);
    tc_confirm_destroy(confirm);
}

/* Keeps an early event, in seq order. Beyond the bounds, early events are dropped: the store will bring them. */
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

tc_event_t *tc_room_unhold(tc_room_t *room, tc_event_t **at)
{
    tc_event_t *event = *at;

    *at = event->next_held;
    room->held_count--;
    room->held_bytes -= tc_event_size(event);
    return event;
}

void tc_room_deliver(tc_room_t *room, tc_event_t *event)
{
    bool may_wait = is_edit_in_flight(room, NULL, event);
    unsigned i = room->count, end = i > room->portion ? i - room->portion : 0, handed = 0;

    tc_timeline_append(&room->timeline, event);
    if (room->unserved > 0) {
        return; /* all have another turn when this one has ended */
    }
    while (i > end) {
        tc_member_t *member = room->members[--i];

        if (member->cursor == event->seq - 1 && !(may_wait && tc_room_is_undecided(room, member, event))) {
            tc_room_hand_over(room, member, event);
            handed++;
        }
    }
    tc_metrics_add(room->site->metrics_slot, TC_M_DELIVERIES, handed);
    room->unserved = end;
    room->turn_seq = event->seq;
}

void tc_room_release_held(tc_room_t *room)
{
    while (room->held != NULL && room->held->seq <= room->timeline.last_seq + 1) {
        tc_event_t *event = tc_room_unhold(room, &room->held);

        if (event->seq == room->timeline.last_seq + 1) {
            tc_room_deliver(room, event);
        }
        tc_event_unref(event);
    }
}

void tc_room_end_job(tc_room_t *room, int64_t now_us)
{
    if (--room->jobs == 0 && room->count == 0) {
        room->empty_since_us = now_us;
    }
}

void tc_room_send_away(tc_member_t *member)
{
    member->sink->close(member, TC_CLOSE_RESTART, "room was replaced, reconnect");
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
        if (room->loading) { /* otherwise a later LOAD will bring the event */
            hold_event(room, event);
        }
        return;
    }
    if (event->seq <= room->timeline.last_seq) {
        tc_event_t *known = tc_timeline_get(&room->timeline, event->seq);

        room->doubted = room->doubted || (known != NULL && !tc_uuid_equal(&known->message_id, &event->message_id));
        return;
    }
    if (event->seq == room->timeline.last_seq + 1) {
        tc_room_deliver(room, event);
        tc_room_release_held(room);
    }
    else {
        hold_event(room, event);
    }
}

void tc_room_add_write(tc_room_t *room, tc_job_t *job)
{
    job->next_write = NULL;
    *room->writes_end = job;
    room->writes_end = &job->next_write;
}

/* Writes mostly come back in their order, so the first one in the list is usually the right one. */
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

bool tc_room_confirm(tc_room_t *room, const tc_job_t *job)
{
    tc_event_t *event = job->events;
    tc_member_t *member = job->member;

    if (member->room != room || job->claimed) {
        return true;
    }
    if (event->seq > member->cursor) {
        tc_confirms_add(&room->confirms, member, event, job->client_id, !job->told);
    }
    else if (!job->told && job->kind == TC_JOB_EDIT) {
        return false;
    }
    else if (!job->told && event->own != NULL) {
        member->sink->send(member, event->own, true);
    }
    return true;
}

/*
 * These events were deleted, or the member's history contains them already. If the sender waits for an answer with its
 * client_id, it still gets its copy, because the event was stored.
 */
void tc_room_confirm_until(tc_room_t *room, tc_member_t *member, int64_t seq)
{
    tc_confirm_t *confirm;

    while ((confirm = tc_confirms_take_until(&room->confirms, seq, member)) != NULL) {
        if (confirm->client_id[0] != '\0' && confirm->sends > 0) {
            tc_confirm_send(confirm, confirm->event);
        }
        tc_confirm_destroy(confirm);
    }
}

tc_event_t *tc_room_copy_of(const tc_room_t *room, tc_event_t *event)
{
    tc_event_t *known = tc_timeline_get(&room->timeline, event->seq);
    tc_event_t *held;

    for (held = room->held; known == NULL && held != NULL; held = held->next_held) {
        known = held->seq == event->seq ? held : NULL;
    }
    return known ? known : event;
}
