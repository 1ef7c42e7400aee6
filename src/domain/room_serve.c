/* Brings members of a room the events that they have not seen. See room_serve.h. */
#include "domain/room_serve.h"

#include "base/limits.h"
#include "base/metrics.h"
#include "base/weight.h"
#include "codec/close.h"
#include "domain/room_fetch.h"

/* Closes a member whose events cannot be had. */
static void dismiss(tc_member_t *member, tc_job_status_e status)
{
    member->waiting = member->resuming = member->lagging = false;
    if (status == TC_JOB_GONE) {
        tc_room_send_away(member);
    }
    else {
        member->sink->close(member, TC_CLOSE_TRY_LATER, "history unavailable, try again later");
    }
}

static void start_load(tc_room_t *room)
{
    if (!room->loading) {
        room->loading = tc_room_submit_read(room, TC_JOB_LOAD, 0, room->site->history_msgs, TC_FETCH_ROOM);
    }
}

/* A member that has its history is not closed if the store does not answer: the next tick asks again. */
static bool can_wait(const tc_member_t *member)
{
    return member->cursor >= 0;
}

static void wait_for_load(tc_room_t *room, tc_member_t *member)
{
    member->waiting = true;
    start_load(room);
    if (!room->loading && !can_wait(member)) {
        dismiss(member, TC_JOB_UNAVAILABLE);
    }
}

/*
 * Asks the store for the events of members that resume from further back than the log reaches. One job serves them all.
 * It begins a little before the member that lacks the most, so that it most likely serves members that join meanwhile,
 * too.
 */
static void start_resume(tc_room_t *room)
{
    int64_t after = INT64_MAX;
    unsigned i;

    for (i = 0; i < room->count && !room->resuming; i++) {
        if (room->members[i]->resuming && room->members[i]->after < after) {
            after = room->members[i]->after;
        }
    }
    if (after == INT64_MAX) {
        return;
    }
    if (!room->resumes_exactly) {
        after -= after % TC_ROOM_LOG_EVENTS;
    }
    room->resuming = tc_room_submit_read(room, TC_JOB_EVENTS, after,
                                         room->site->resume_events + TC_ROOM_LOG_EVENTS + 1, TC_FETCH_RESUMERS);
    for (i = 0; i < room->count && !room->resuming; i++) {
        if (room->members[i]->resuming) {
            dismiss(room->members[i], TC_JOB_UNAVAILABLE);
        }
    }
}

/*
 * Asks the store for the events of all members that have their history and fell behind the log. One job serves them all,
 * in pieces: it begins where the member stands that lacks the most. If the store does not answer, the next tick asks
 * again.
 */
static void start_catch_up(tc_room_t *room)
{
    int64_t after = INT64_MAX;
    unsigned i;

    if (!room->lagging || !room->loaded || room->catching_up) {
        return;
    }
    for (i = 0; i < room->count; i++) {
        if (room->members[i]->lagging && room->members[i]->cursor < after) {
            after = room->members[i]->cursor;
        }
    }
    room->lagging = after != INT64_MAX;
    if (room->lagging) {
        room->catching_up =
            tc_room_submit_read(room, TC_JOB_EVENTS, after, TC_ROOM_LOG_EVENTS, TC_FETCH_LAGGERS);
    }
}

/*
 * Hands a member that has its history all events up to the room's last seq, or up to one that waits for its own edit.
 * Returns how many. If the member fell behind the log, start_catch_up() must follow, once for all members.
 */
static unsigned advance(tc_room_t *room, tc_member_t *member)
{
    unsigned handed = 0;

    while (member->cursor < room->timeline.last_seq) {
        tc_event_t *event = tc_timeline_get(&room->timeline, member->cursor + 1);

        if (event == NULL) {
            member->lagging = room->lagging = true;
            break;
        }
        if (tc_room_is_undecided(room, member, event)) {
            break;
        }
        tc_room_hand_over(room, member, event);
        handed++;
    }
    tc_metrics_add(room->site->metrics_slot, TC_M_DELIVERIES, handed);
    return handed;
}

static bool may_advance(const tc_room_t *room, const tc_member_t *member)
{
    return room->loaded && member->cursor >= 0 && !member->waiting && !member->lagging;
}

void tc_room_advance(tc_room_t *room, tc_member_t *member)
{
    if (member->room == room && may_advance(room, member)) {
        (void)advance(room, member);
        start_catch_up(room);
    }
}

static void give_history(tc_room_t *room, tc_member_t *member, tc_blob_t *frame, int64_t last_seq)
{
    member->cursor = last_seq;
    member->epoch = room->timeline.epoch;
    member->sink->send(member, frame, true);
    tc_room_confirm_until(room, member, last_seq);
    (void)advance(room, member);
}

/*
 * Sends a member the newest messages. They come from the timeline or, if the room is too big for the timeline, from the
 * answer `load`. If there is neither, the store is asked.
 */
static void serve_fresh(tc_room_t *room, tc_member_t *member, tc_job_t *load)
{
    tc_history_kind_e kind = member->after < 0 ? TC_HISTORY_FRESH : TC_HISTORY_NOT_RECOVERED;
    tc_blob_t *frame = room->stale ? NULL : tc_timeline_history(&room->timeline, kind);

    if (frame != NULL) {
        give_history(room, member, frame, room->timeline.last_seq);
        return;
    }
    if (load == NULL) {
        wait_for_load(room, member);
        return;
    }
    if (load->history[kind] == NULL) {
        load->history[kind] = tc_history_of_list(load->events, room->timeline.max_recent, kind,
                                                 load->last_seq, load->epoch);
    }
    give_history(room, member, load->history[kind], load->last_seq);
}

/* The member's numbers belong to another epoch. Either the member or the room may be the one that is out of date. */
static bool has_other_epoch(const tc_room_t *room, const tc_member_t *member)
{
    return member->epoch >= 0 && member->epoch != room->timeline.epoch;
}

/*
 * A member that has its history comes from another child and may be ahead of the room, which then catches up. If a
 * client resumes from a seq beyond the room's last seq, the store decides, because another child may be ahead. While the
 * child holds too much, nobody gets a frame of their own: all newcomers share a fresh history.
 */
static void serve(tc_room_t *room, tc_member_t *member, tc_job_t *load)
{
    int64_t last_seq = room->timeline.last_seq;
    tc_blob_t *frame;

    if (!room->loaded || (room->stale && load == NULL && member->cursor < 0)) {
        wait_for_load(room, member);
        return;
    }
    room->probe = room->probe || has_other_epoch(room, member);
    if (member->cursor >= 0 && has_other_epoch(room, member)) {
        member->sink->close(member, TC_CLOSE_RESTART, "events were lost, reconnect");
        return;
    }
    if (member->cursor >= 0) {
        (void)advance(room, member);
        return;
    }
    if (member->after < 0 || member->lost || has_other_epoch(room, member)
        || last_seq - member->after > room->site->resume_events || tc_weight_is_over()) {
        serve_fresh(room, member, load);
        return;
    }
    frame = room->stale ? NULL : tc_timeline_resume(&room->timeline, member->after);
    if (frame != NULL) {
        give_history(room, member, frame, last_seq);
        return;
    }
    if (!room->stale && tc_timeline_is_too_big(&room->timeline, member->after)) {
        member->lost = true;
        serve_fresh(room, member, load);
        return;
    }
    member->resuming = true;
    start_resume(room);
}

void tc_room_join(tc_room_t *room, tc_member_t *member, int64_t after)
{
    tc_room_add(room, member);
    member->cursor = -1;
    member->after = after;
    member->lost = after == TC_AFTER_NOTHING;
    serve(room, member, NULL);
    start_catch_up(room);
}

void tc_room_rejoin(tc_room_t *room, tc_member_t *member)
{
    tc_room_add(room, member);
    tc_room_hear(room, member->cursor);
    serve(room, member, NULL);
    start_catch_up(room);
}

/*
 * Serving a member may close it or start a fetch, but never removes it from the list. A member leaves the list later,
 * when its connection is destroyed.
 */
static void serve_waiting(tc_room_t *room, tc_job_t *load)
{
    unsigned i = room->count, served = 0;

    while (i > 0 && served < room->portion) {
        tc_member_t *member = room->members[--i];

        if (member->waiting) {
            member->waiting = false;
            serve(room, member, load);
            served++;
        }
    }
    if (room->unserved == 0) {
        room->unserved = i;
        room->turn_seq = room->timeline.last_seq;
    }
    else if (i > 0) {
        room->turn_seq = -1; /* another turn follows */
    }
}

/* Returns how many events the member was handed. */
static unsigned serve_again(tc_room_t *room, tc_member_t *member)
{
    if (may_advance(room, member)) {
        return advance(room, member);
    }
    if (member->waiting && room->loaded && (!room->loading || can_wait(member))) { /* else a LOAD will serve it */
        member->waiting = false;
        serve(room, member, NULL);
    }
    return 0;
}

void tc_room_serve_on(tc_room_t *room)
{
    unsigned work = 0;

    while (room->unserved > 0 && work < room->portion) {
        work += 1 + serve_again(room, room->members[--room->unserved]);
    }
    start_catch_up(room);
    if (room->unserved == 0 && room->timeline.last_seq > room->turn_seq) {
        room->unserved = room->count;
        room->turn_seq = room->timeline.last_seq;
    }
}

static void dismiss_waiting(tc_room_t *room, tc_job_status_e status)
{
    unsigned i;

    for (i = 0; i < room->count; i++) {
        tc_member_t *member = room->members[i];

        if (member->waiting && (!can_wait(member) || status == TC_JOB_GONE)) {
            dismiss(member, status);
        }
    }
}

void tc_room_give_up_waiting(tc_room_t *room)
{
    unsigned i;

    for (i = 0; i < room->count; i++) {
        tc_member_t *member = room->members[i];

        if ((member->waiting && !can_wait(member)) || member->resuming) {
            dismiss(member, TC_JOB_UNAVAILABLE);
        }
    }
}

/* True if members wait for the room's LOAD. Members from another child stay if a LOAD fails, so it is repeated. */
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

void tc_room_load_again(tc_room_t *room)
{
    unsigned i;

    for (i = 0; i < room->count; i++) {
        if (room->members[i]->waiting) {
            start_load(room);
            return;
        }
    }
}

void tc_room_retry(tc_room_t *room)
{
    if (is_waited_for(room)) {
        start_load(room);
    }
    start_catch_up(room);
    tc_room_fetch_gap(room);
}

void tc_room_on_load(tc_room_t *room, tc_job_t *job)
{
    room->loading = false;
    room->waiting_us = 0;
    if (job->status != TC_JOB_DONE) {
        dismiss_waiting(room, job->status);
        return;
    }
    if (!room->loaded) {
        room->loaded = true;
        tc_room_claim_own(room, job->events);
        tc_timeline_load(&room->timeline, job->events, job->last_seq);
    }
    else if (room->stale) {
        /* If the store is ahead of this room, the timeline stays stale, and the answer itself serves those who wait. */
        room->stale = !tc_timeline_reload(&room->timeline, job->events, job->last_seq);
        tc_room_hear(room, job->last_seq);
    }
    serve_waiting(room, job);
    tc_room_release_held(room);
    tc_room_retry(room);
}

/* The events that a member which resumes after `after` gets from the store's answer. */
static const tc_event_t *events_after(const tc_job_t *job, int64_t after)
{
    const tc_event_t *event = job->events;

    while (event != NULL && event->seq <= after) {
        event = event->next;
    }
    return event;
}

/* True if a resume after `after` would take too many bytes. An answer that begins there and was cut short shows it too. */
static bool is_too_big(const tc_job_t *job, int64_t after)
{
    const tc_event_t *event = events_after(job, after);
    size_t bytes = 0;

    for (; event != NULL && bytes <= TC_RESUME_BYTES; event = event->next) {
        bytes += tc_history_size_of(event);
    }
    return bytes > TC_RESUME_BYTES || (!job->complete && after == job->after);
}

/* A frame for one seq. Most members resume from the same seq, so the last one is kept for the next member. */
typedef struct {
    tc_blob_t *frame;
    int64_t after;
    bool too_big;
    size_t bytes; /* of all frames that were made for this answer */
} resume_t;

/*
 * Makes *resume fit `after`. False: this answer does not serve the member. It was cut short and began before the member,
 * or enough frames were made of it.
 */
static bool look_at(resume_t *resume, const tc_job_t *job, int64_t after)
{
    if (resume->after == after) {
        return resume->too_big || resume->frame != NULL;
    }
    if (resume->bytes > TC_STORE_READ_BYTES) {
        return false;
    }
    tc_blob_unref(resume->frame);
    resume->frame = NULL;
    resume->after = after;
    resume->too_big = is_too_big(job, after) || tc_weight_is_over();
    if (job->complete && !resume->too_big) {
        resume->frame = tc_history_of_list(events_after(job, after), 0, TC_HISTORY_RECOVERED, job->last_seq,
                                           job->epoch);
        resume->bytes += resume->frame->len;
    }
    return resume->too_big || resume->frame != NULL;
}

/*
 * Sends the members that resume their events from the store's answer. If the answer does not reach a member, the store
 * is asked once more. Who lacks too much gets a fresh history. After room->portion members, or if the frames together
 * have more than TC_STORE_READ_BYTES, the members that are left wait for another answer, so that the loop sees to other
 * rooms meanwhile.
 */
static void serve_resuming(tc_room_t *room, tc_job_t *job)
{
    resume_t resume = {NULL, -1, false, 0};
    unsigned i, served = 0;
    bool answered;

    room->resumes_exactly = false;
    for (i = 0; i < room->count; i++) {
        tc_member_t *member = room->members[i];

        if (!member->resuming || member->after < job->after) {
            continue;
        }
        if (served == room->portion) {
            room->resumes_exactly = true;
            break;
        }
        answered = look_at(&resume, job, member->after);
        if (member->after > job->last_seq || job->last_seq - member->after > room->site->resume_events
            || (answered && resume.too_big)) {
            member->resuming = false;
            member->lost = true;
            served++;
            serve_fresh(room, member, NULL);
        }
        else if (answered) {
            member->resuming = false;
            served++;
            give_history(room, member, resume.frame, job->last_seq);
        }
        else {
            room->resumes_exactly = true;
        }
    }
    tc_blob_unref(resume.frame);
}

static void on_resume(tc_room_t *room, tc_job_t *job)
{
    unsigned i;

    room->resuming = false;
    room->waiting_us = 0;
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

/* Hands a member that fell behind the log the events that the store has brought. Returns how many. */
static unsigned catch_up(tc_room_t *room, tc_member_t *member, const tc_job_t *job)
{
    unsigned handed = 0;
    tc_event_t *event;

    for (event = job->events; event != NULL; event = event->next) {
        tc_event_t *known = tc_room_copy_of(room, event);

        if (event->seq <= member->cursor) {
            continue;
        }
        if (tc_room_is_undecided(room, member, known)) {
            return handed; /* tc_room_advance() goes on when its job is back */
        }
        tc_room_hand_over(room, member, known);
        tc_metrics_add(room->site->metrics_slot, TC_M_DELIVERIES, 1);
        handed++;
    }
    if (job->complete && job->last_seq > member->cursor) {
        member->cursor = job->last_seq;
        tc_room_confirm_until(room, member, member->cursor);
    }
    return handed + advance(room, member);
}

/*
 * room->catching_up stays true meanwhile, so that those who need another piece ask for it together. Those who are left
 * when so many events were handed over wait for another answer. It begins where the member stands that lacks the most, and
 * members that stand further cost nothing, so each answer serves some.
 */
static void on_catch_up(tc_room_t *room, const tc_job_t *job)
{
    uint64_t most = (uint64_t)room->portion * TC_ROOM_LAG, handed = 0;
    unsigned i;

    for (i = 0; i < room->count; i++) {
        tc_member_t *member = room->members[i];

        if (!member->lagging) {
            continue;
        }
        if (job->status == TC_JOB_GONE) {
            dismiss(member, job->status);
        }
        else if (job->status == TC_JOB_DONE && member->cursor >= job->after && handed < most) {
            member->lagging = false;
            handed += catch_up(room, member, job);
        }
    }
    room->catching_up = false;
}

void tc_room_on_events(tc_room_t *room, tc_job_t *job)
{
    tc_room_claim_own(room, job->events);
    if (job->fetch == TC_FETCH_RESUMERS) {
        on_resume(room, job);
    }
    else if (job->fetch == TC_FETCH_LAGGERS) {
        on_catch_up(room, job);
    }
    if (job->status == TC_JOB_DONE && room->loaded) {
        tc_room_take_fetched(room, job);
    }
    if (job->fetch == TC_FETCH_ROOM) {
        tc_room_end_fetch(room, job);
    }
    start_resume(room);
    if (job->status == TC_JOB_DONE) {
        start_catch_up(room);
    }
    if (job->status == TC_JOB_DONE && !job->complete) {
        tc_room_retry(room);
    }
}
