/* Fetches the events that a room lacks from the store. See room_fetch.h. */
#include "domain/room_fetch.h"

#include "base/limits.h"
#include "base/metrics.h"

bool tc_room_submit_read(tc_room_t *room, tc_job_kind_e kind, int64_t after, int limit, tc_fetch_e fetch)
{
    tc_job_t *job = tc_job_create(kind, room->store, NULL, 0, NULL);

    job->room = room;
    job->room_id = room->room_id;
    job->after = after;
    job->limit = limit;
    job->max_bytes = TC_STORE_READ_BYTES;
    job->fetch = fetch;
    if (room->store->submit(room->store, job) != APR_SUCCESS) {
        tc_job_destroy(job);
        return false;
    }
    room->jobs++;
    return true;
}

bool tc_room_is_behind(const tc_room_t *room)
{
    return room->loaded && !room->fetching && room->heard_seq > room->timeline.last_seq;
}

void tc_room_fetch_gap(tc_room_t *room)
{
    if (tc_room_is_behind(room)) {
        room->asked_seq = room->heard_seq;
        room->fetching = tc_room_submit_read(room, TC_JOB_EVENTS, room->timeline.last_seq, TC_ROOM_LOG_EVENTS,
                                             TC_FETCH_ROOM);
        tc_metrics_add(room->site->metrics_slot, TC_M_GAPS_FOUND, room->fetching);
    }
}

/* Finds the POST in flight to which an event belongs. */
static tc_job_t *find_post(const tc_room_t *room, const tc_event_t *event)
{
    tc_job_t *job;

    for (job = room->writes; job != NULL; job = job->next_write) {
        if (job->kind == TC_JOB_POST && !job->claimed && tc_uuid_equal(&event->message_id, &job->message_id)) {
            return job;
        }
    }
    return NULL;
}

void tc_room_claim_own(tc_room_t *room, tc_event_t *events)
{
    for (; events != NULL && room->writes != NULL; events = events->next) {
        tc_job_t *job = events->kind == TC_EVENT_MESSAGE ? find_post(room, events) : NULL;

        if (job == NULL || job->member->room != room || job->member->sink->stored != NULL
            || events->seq <= job->member->cursor) {
            continue;
        }
        job->claimed = true;
        if (job->client_id != NULL) {
            tc_event_set_own(events, job->client_id);
        }
        tc_confirms_add(&room->confirms, job->member, events, job->client_id, !job->told);
    }
}

/* Moves the room over events that were deleted, with the members whose cursors stand before or among these events. */
static void skip_to(tc_room_t *room, int64_t seq)
{
    unsigned i;

    for (i = 0; i < room->count; i++) {
        tc_member_t *member = room->members[i];

        if (member->cursor >= room->timeline.last_seq && member->cursor < seq) {
            member->cursor = seq;
            tc_room_confirm_until(room, member, seq);
        }
    }
    tc_timeline_skip(&room->timeline, seq);
}

void tc_room_take_fetched(tc_room_t *room, tc_job_t *job)
{
    tc_event_t *event;

    if (job->after > room->timeline.last_seq) {
        return; /* the answer says nothing about the events between last_seq and job->after */
    }
    for (event = job->events; event != NULL; event = event->next) {
        if (event->seq > room->timeline.last_seq + 1) {
            skip_to(room, event->seq - 1);
        }
        if (event->seq == room->timeline.last_seq + 1) {
            tc_room_deliver(room, tc_room_copy_of(room, event));
        }
    }
    if (job->complete && job->last_seq > room->timeline.last_seq) {
        skip_to(room, job->last_seq);
    }
    tc_room_release_held(room);
}

/*
 * Other children announce an event after its commit. So if an event was announced before the store was asked, and the
 * store does not know it, there is no such event.
 */
static void disbelieve(tc_room_t *room)
{
    tc_event_t **at = &room->held;

    if (room->heard_seq > room->timeline.last_seq && room->heard_seq <= room->asked_seq) {
        room->heard_seq = room->timeline.last_seq;
        room->probe = true; /* a smaller seq that does exist may have been announced meanwhile */
    }
    while (*at != NULL && (*at)->seq <= room->asked_seq) {
        tc_event_unref(tc_room_unhold(room, at));
    }
}

void tc_room_end_fetch(tc_room_t *room, const tc_job_t *job)
{
    room->fetching = false;
    tc_metrics_add(room->site->metrics_slot, TC_M_GAPS_REPAIRED, job->status == TC_JOB_DONE && job->events != NULL);
    if (job->status == TC_JOB_DONE && job->complete) {
        disbelieve(room);
    }
}
