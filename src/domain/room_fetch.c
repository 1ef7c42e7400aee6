/* What a room lacks and the store knows. See room.h. */
#include "domain/room_parts.h"

#include "base/limits.h"
#include "base/metrics.h"

/* Submits a job that reads; false when the store's queue is full. */
bool tc_room_submit_read(tc_room_t *room, tc_member_t *member, tc_job_kind_e kind, int64_t after,
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

/* One that has its history does not go for want of an answer: the next tick asks again. */
static void fetch_later(tc_room_t *room, tc_member_t *member)
{
    member->waiting = room->lagging = true;
}

/* Asks for what a member lacks that has its history and fell behind the log. */
void tc_room_fetch_for(tc_room_t *room, tc_member_t *member)
{
    if (!tc_room_submit_read(room, member, TC_JOB_EVENTS, member->cursor, room->site->resume_events + 1,
                     false)) {
        fetch_later(room, member);
    }
}

static void fetch_for_lagging(tc_room_t *room)
{
    unsigned i;

    if (!room->lagging || !room->loaded) {
        return;
    }
    room->lagging = false;
    for (i = 0; i < room->count; i++) {
        tc_member_t *member = room->members[i];

        if (member->waiting && member->cursor >= 0) {
            member->waiting = false;
            tc_room_advance(room, member);
        }
    }
}

bool tc_room_is_behind(const tc_room_t *room)
{
    return room->loaded && !room->fetching && room->heard_seq > room->timeline.last_seq;
}

/* A room in which only members from another child wait: nobody else would have it loaded. */
static bool is_waited_for(const tc_room_t *room)
{
    unsigned i;

    for (i = 0; i < room->count && !room->loaded; i++) {
        if (room->members[i]->waiting) {
            return true;
        }
    }
    return false;
}

void tc_room_retry(tc_room_t *room)
{
    if (is_waited_for(room)) {
        tc_room_start_load(room);
    }
    fetch_for_lagging(room);
    if (tc_room_is_behind(room)) {
        room->asked_seq = room->heard_seq;
        room->fetching = tc_room_submit_read(room, NULL, TC_JOB_EVENTS, room->timeline.last_seq,
                                     TC_ROOM_LOG_EVENTS, false);
        tc_metrics_add(room->site->metrics_slot, TC_M_GAPS_FOUND, room->fetching);
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

/* Their senders get what the store's answer would have brought. */
void tc_room_claim_own(tc_room_t *room, tc_event_t *events)
{
    for (; events != NULL && room->writes != NULL; events = events->next) {
        tc_job_t *job = find_write(room, events);

        if (job == NULL || job->member->room != room || job->member->sink->stored != NULL
            || events->seq <= job->member->cursor) {
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
            tc_room_confirm_until(room, member, seq);
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
    tc_event_t *event;

    if (job->after > room->timeline.last_seq) {
        return; /* it says nothing of what lies between */
    }
    for (event = job->events; event != NULL; event = event->next) {
        if (event->seq > room->timeline.last_seq + 1) {
            skip_to(room, event->seq - 1);
        }
        if (event->seq == room->timeline.last_seq + 1) {
            tc_room_deliver(room, known_copy(room, event));
        }
    }
    if (job->complete && job->last_seq > room->timeline.last_seq) {
        skip_to(room, job->last_seq);
    }
    tc_room_release_held(room);
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
        tc_event_unref(tc_room_unhold(room, at));
    }
}

/* The room's own question is answered. */
static void on_fetched(tc_room_t *room, const tc_job_t *job)
{
    room->fetching = false;
    tc_metrics_add(room->site->metrics_slot, TC_M_GAPS_REPAIRED, job->status == TC_JOB_DONE && job->events != NULL);
    if (job->status == TC_JOB_DONE && job->complete) {
        disbelieve(room);
    }
}

/* Brings a member that fell behind the log what it asked for. */
static void catch_up(tc_room_t *room, tc_member_t *member, const tc_job_t *job)
{
    tc_event_t *event;

    for (event = job->events; event != NULL; event = event->next) {
        if (event->seq > member->cursor) {
            tc_room_hand_over(room, member, known_copy(room, event));
            tc_metrics_add(room->site->metrics_slot, TC_M_DELIVERIES, 1);
        }
    }
    if (job->complete && job->last_seq > member->cursor) {
        member->cursor = job->last_seq;
        tc_room_confirm_until(room, member, member->cursor);
    }
    tc_room_advance(room, member);
}

void tc_room_on_events(tc_room_t *room, tc_job_t *job)
{
    tc_member_t *member = job->member;

    tc_room_claim_own(room, job->events);
    if (job->for_resumers) {
        tc_room_on_resume(room, job);
    }
    else if (member != NULL && member->room == room && job->status == TC_JOB_DONE) {
        catch_up(room, member, job);
    }
    else if (member != NULL && member->room == room && job->status == TC_JOB_GONE) {
        tc_room_dismiss(member, job->status);
    }
    else if (member != NULL && member->room == room) {
        fetch_later(room, member);
    }
    if (job->status == TC_JOB_DONE && room->loaded) {
        ingest_fetched(room, job);
    }
    if (member == NULL && !job->for_resumers) {
        on_fetched(room, job);
    }
    tc_room_start_resume(room);
    if (job->status == TC_JOB_DONE && !job->complete) {
        tc_room_retry(room);
    }
}
