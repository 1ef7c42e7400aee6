/* Checks whether the members of a live room may still be there. See access.h. */
#include "domain/access.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "base/units.h"
#include "codec/close.h"

#include <stdlib.h>

#define TICK_US TC_US_PER_S          /* the time between two ticks of the hub */
#define PHASES 64                    /* spreads the checks of rooms that were opened at the same time */
#define RETRY_US (3 * TC_US_PER_S)   /* the time until the next check if the store did not answer */

/* The period is shorter than recheck_us, because the tick may come late and the store's answer takes time. */
static int64_t period_us(const tc_room_t *room)
{
    int64_t recheck_us = room->site->recheck_us;

    return recheck_us >= 4 * TICK_US ? recheck_us - 2 * TICK_US : recheck_us / 2;
}

/* A big room is asked for in parts, spread over the period: at most one part a tick. */
static unsigned parts_of(const tc_room_t *room)
{
    unsigned parts = (room->roster.count + TC_STORE_ACCESS_USERS - 1) / TC_STORE_ACCESS_USERS;
    int64_t ticks = period_us(room) / TICK_US;

    return parts <= 1 || ticks <= 1 ? 1 : parts < ticks ? parts : (unsigned)ticks;
}

/* Asks for the first seats of the roster, and moves them to its end. False: the store's queue is full. */
static bool ask(tc_room_t *room, unsigned count, int64_t now_us)
{
    tc_job_t *job = tc_job_create(TC_JOB_ACCESS, room->store, NULL, 0, NULL);
    tc_seat_t *seat = room->roster.first;
    unsigned i;

    job->room = room;
    job->room_id = room->room_id;
    job->trip = room->trip_key.trip;
    job->after = room->timeline.last_seq;
    job->users = tc_alloc(count * sizeof(*job->users));
    job->seats = tc_alloc(count * sizeof(*job->seats));
    job->user_count = (int)count;
    for (i = 0; i < count; i++, seat = seat->next) {
        job->users[i] = (tc_access_t){tc_user_ref(seat->user), true, true};
        job->seats[i] = seat;
    }
    if (room->store->submit(room->store, job) != APR_SUCCESS) {
        tc_job_destroy(job);
        return false;
    }
    for (i = 0; i < count; i++) {
        seat = room->roster.first;
        seat->jobs++;
        tc_roster_move_last(&room->roster, seat, now_us);
    }
    room->jobs++;
    room->checks++;
    return true;
}

/* The seats whose turn it is: a part of the roster, and those that would be late with the next part. */
static unsigned count_due(const tc_room_t *room, unsigned parts, int64_t now_us)
{
    unsigned count = (room->roster.count + parts - 1) / parts, due = 0;
    int64_t late_us = now_us + period_us(room) / parts - period_us(room) - TICK_US;
    const tc_seat_t *seat;

    for (seat = room->roster.first; seat != NULL && (due < count || seat->asked_us < late_us); seat = seat->next) {
        due++;
    }
    return due;
}

/* Ticks come late, and the delays must not add up. */
static void set_next_check(tc_room_t *room, int64_t spacing_us, int64_t now_us)
{
    room->check_due_us += spacing_us;
    if (room->check_due_us <= now_us) {
        room->check_due_us = now_us + spacing_us;
    }
}

void tc_access_tick(tc_room_t *room, int64_t now_us)
{
    unsigned parts, due;

    if (room->site->recheck_us == 0) {
        return;
    }
    if (room->check_due_us == 0) {
        unsigned phase = room->room_id.bytes[TC_UUID_BYTES - 1] % PHASES + 1;

        room->check_due_us = now_us + period_us(room) * phase / PHASES;
    }
    tc_roster_stamp(&room->roster, now_us);
    if (now_us < room->check_due_us || room->checks > 0 || room->count == 0) {
        return;
    }
    parts = parts_of(room);
    set_next_check(room, period_us(room) / parts, now_us);
    room->stale = room->loaded;
    if (room->site->by_token) {
        return;
    }
    for (due = count_due(room, parts, now_us); due > 0;) {
        unsigned count = due < TC_STORE_ACCESS_USERS ? due : TC_STORE_ACCESS_USERS;

        if (!ask(room, count, now_us)) {
            room->check_due_us = now_us + TICK_US; /* the store's queue is full */
            return;
        }
        due -= count;
    }
}

/* Closing a member does not change a list: a member leaves the lists later, when its connection is destroyed. */
static void show_out(const tc_seat_t *seat, const tc_access_t *access)
{
    tc_member_t *member;

    for (member = seat->members; member != NULL; member = member->next_seated) {
        if (!access->known) {
            member->sink->close(member, TC_CLOSE_UNAUTHORIZED, "Unauthorized");
        }
        else if (!access->allowed) {
            member->sink->close(member, TC_CLOSE_FORBIDDEN, "Forbidden");
        }
    }
}

/* Without an answer, the users are the first ones of the next check. */
static void take_answer(tc_room_t *room, const tc_job_t *job)
{
    int i;

    for (i = job->user_count - 1; i >= 0; i--) {
        if (job->status == TC_JOB_UNAVAILABLE) {
            tc_roster_move_first(&room->roster, job->seats[i]);
        }
        else {
            show_out(job->seats[i], &job->users[i]);
        }
        tc_roster_end_job(&room->roster, job->seats[i]);
    }
}

void tc_access_on_job(tc_room_t *room, const tc_job_t *job, int64_t now_us)
{
    unsigned i;

    room->checks--;
    take_answer(room, job);
    if (job->status == TC_JOB_UNAVAILABLE) {
        if (room->check_due_us > now_us + RETRY_US) {
            room->check_due_us = now_us + RETRY_US;
        }
        return;
    }
    for (i = 0; i < room->count && job->status == TC_JOB_GONE; i++) {
        room->members[i]->sink->close(room->members[i], TC_CLOSE_RESTART, "room was replaced, reconnect");
    }
    room->probe = room->probe || (job->status == TC_JOB_DONE && job->last_seq < job->after);
    tc_room_hear(room, job->last_seq);
}

bool tc_access_ask_about(tc_member_t *member, const char *client_id)
{
    tc_room_t *room = member->room;
    tc_job_t *job;

    if (room == NULL || room->site->by_token) {
        return false;
    }
    job = tc_job_create(TC_JOB_ACCESS, room->store, NULL, 0, client_id);
    job->room = room;
    job->member = member;
    job->room_id = room->room_id;
    job->trip = room->trip_key.trip;
    job->users = tc_alloc(sizeof(*job->users));
    job->user_count = 1;
    job->users[0] = (tc_access_t){tc_user_ref(member->user), true, true};
    if (room->store->submit(room->store, job) != APR_SUCCESS) {
        tc_job_destroy(job);
        return false;
    }
    room->jobs++;
    member->jobs++;
    return true;
}

/* While the database is away, the token alone counts, as it does for those who send none. */
void tc_access_on_member_job(const tc_room_t *room, const tc_job_t *job)
{
    if (job->member->room == room) {
        job->member->sink->checked(job->member, job->client_id, job->status != TC_JOB_DONE || job->users[0].known);
    }
}
