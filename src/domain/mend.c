/* Mends a room after the database has lost events. See mend.h. */
#include "domain/mend.h"

#include "base/metrics.h"
#include "codec/close.h"
#include "domain/room_serve.h"

/* ---- the question ---- */

/* The newest event of the same message, whose object shows the message's present text. */
static const tc_event_t *newest_of(const tc_timeline_t *timeline, const tc_event_t *event)
{
    int64_t seq;

    for (seq = timeline->last_seq; seq > event->seq; seq--) {
        const tc_event_t *later = tc_timeline_get(timeline, seq);

        if (tc_uuid_equal(&later->message_id, &event->message_id)) {
            return later;
        }
    }
    return event;
}

static void append_event(tc_buf_t *json, const tc_event_t *event, const tc_event_t *newest)
{
    TC_BUF_LIT(json, "{\"seq\":");
    tc_buf_append_int(json, event->seq);
    TC_BUF_LIT(json, ",\"kind\":");
    tc_buf_append_int(json, (int64_t)event->kind);
    TC_BUF_LIT(json, ",\"message\":");
    tc_buf_append(json, newest->wire->data + newest->object_at, newest->object_len);
    TC_BUF_LIT(json, "}}\n"); /* the object in the event lacks its brace: tc_chat_encode_object_end() */
}

/* All events of the log in memory, as a JSON array with an event on each line. */
static void append_log(tc_buf_t *json, const tc_timeline_t *timeline)
{
    int64_t seq = timeline->last_seq - (int64_t)timeline->log.count + 1;

    if (timeline->log.count == 0) {
        TC_BUF_LIT(json, "[");
    }
    for (; seq <= timeline->last_seq; seq++) {
        const tc_event_t *event = tc_timeline_get(timeline, seq);

        tc_buf_append_str(json, json->len == 0 ? "[" : ",");
        append_event(json, event, newest_of(timeline, event));
    }
    TC_BUF_LIT(json, "]");
}

static void ask(tc_room_t *room)
{
    tc_buf_t json = TC_BUF_INIT;
    tc_job_t *job;

    append_log(&json, &room->timeline);
    job = tc_job_create(TC_JOB_MEND, room->store, (const char *)json.data, json.len, NULL);
    tc_buf_free(&json);
    job->room = room;
    job->room_id = room->room_id;
    job->epoch = room->timeline.epoch;
    job->after = room->timeline.last_seq;
    room->mending = room->store->submit(room->store, job) == APR_SUCCESS;
    if (!room->mending) {
        tc_job_destroy(job);
        return;
    }
    room->jobs++;
}

void tc_mend_doubt(tc_room_t *room)
{
    room->doubted = true;
    if (!room->mending) {
        ask(room);
    }
}

void tc_mend_tick(tc_room_t *room)
{
    if (room->doubted) {
        tc_mend_doubt(room);
    }
}

bool tc_mend_takes(tc_room_t *room, tc_job_t *job)
{
    if (job->status != TC_JOB_DONE || job->epoch == room->timeline.epoch) {
        return true;
    }
    if (room->timeline.epoch < 0) {
        room->timeline.epoch = job->epoch;
        return true;
    }
    tc_mend_doubt(room);
    if (job->kind == TC_JOB_LOAD) {
        room->loading = false; /* those who wait for it go on waiting: tc_room_load_again() */
        return false;
    }
    job->status = TC_JOB_UNAVAILABLE;
    return true;
}

/* ---- the answer ---- */

/*
 * Closes the members that have seen events, because some of these events may be lost. Members that still wait for their
 * history go on waiting.
 */
static void close_members(tc_room_t *room, const char *why)
{
    unsigned i;

    for (i = 0; i < room->count; i++) {
        tc_member_t *member = room->members[i];

        member->resuming = member->lagging = false;
        member->waiting = member->cursor < 0;
        if (!member->waiting) {
            member->sink->close(member, TC_CLOSE_RESTART, why);
            member->cursor = INT64_MAX; /* nothing is handed to it any more */
        }
    }
}

static void start_over(tc_room_t *room, int32_t epoch)
{
    close_members(room, "events were lost, reconnect");
    tc_room_forget(room);
    room->timeline.epoch = epoch;
}

/* The log has all events of the room, so the members' knowledge is right in the new epoch, too. */
static void go_on(tc_room_t *room, int32_t epoch)
{
    unsigned i;

    for (i = 0; i < room->count; i++) {
        if (room->members[i]->cursor >= 0) {
            room->members[i]->epoch = epoch;
        }
    }
    tc_timeline_set_epoch(&room->timeline, epoch);
}

static void note(tc_room_t *room, const tc_job_t *job, tc_losses_t *losses)
{
    unsigned slot = room->site->metrics_slot;

    losses->rooms++;
    losses->lost += (unsigned)job->lost;
    losses->put_back += (unsigned)job->put_back;
    tc_metrics_add(slot, TC_M_EVENTS_LOST, (uint64_t)job->lost);
    tc_metrics_add(slot, TC_M_EVENTS_PUT_BACK, (uint64_t)job->put_back);
}

void tc_mend_on_job(tc_room_t *room, const tc_job_t *job, tc_losses_t *losses)
{
    room->mending = false;
    if (job->status == TC_JOB_GONE) {
        close_members(room, "room was replaced, reconnect");
        return; /* if it is there again with the next tick, because a restore goes on, its events are put back */
    }
    if (job->status != TC_JOB_DONE) {
        return; /* the next tick asks again */
    }
    if (job->lost > 0) {
        note(room, job, losses);
        start_over(room, job->epoch);
    }
    else if (room->timeline.last_seq != job->after) {
        return; /* events have come meanwhile that the store has not seen */
    }
    else if (job->epoch != room->timeline.epoch && (room->timeline.log.count > 0 || job->after == 0)) {
        go_on(room, job->epoch);
    }
    else if (job->epoch != room->timeline.epoch) {
        start_over(room, job->epoch); /* there was nothing in memory to compare */
    }
    room->doubted = false;
    tc_room_hear(room, job->last_seq);
    tc_room_load_again(room);
}
