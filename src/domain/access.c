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
#define PARTING 8                    /* a room without an answer is asked for with that many times fewer others */

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

/* ---- the answer ---- */

static void check_no_later_than(tc_room_t *room, int64_t due_us)
{
    if (room->check_due_us > due_us) {
        room->check_due_us = due_us;
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
static void take_users(tc_access_room_t *asked, const tc_access_t *users, tc_seat_t *const *seats)
{
    tc_roster_t *roster = &asked->room->roster;
    int i;

    for (i = asked->user_count - 1; i >= 0; i--) {
        if (asked->answered) {
            show_out(seats[i], &users[i]);
        }
        else {
            tc_roster_move_first(roster, seats[i]);
        }
        tc_roster_end_job(roster, seats[i]);
    }
}

static void take_room(tc_access_room_t *asked)
{
    tc_room_t *room = asked->room;
    unsigned i;

    room->check_company = 0;
    for (i = 0; i < room->count && asked->last_seq < 0; i++) {
        tc_room_send_away(room->members[i]);
    }
    room->probe = room->probe || (asked->last_seq >= 0 && asked->last_seq < asked->known_seq);
    tc_room_hear(room, asked->last_seq);
}

/* Rooms without an answer are asked for again `delay_us` later. */
static void take_answer(tc_job_t *job, int64_t delay_us, int64_t now_us)
{
    int i, at = 0;

    for (i = 0; i < job->room_count; i++) {
        tc_access_room_t *asked = &job->rooms[i];

        asked->answered = asked->answered && job->status == TC_JOB_DONE;
        take_users(asked, job->users + at, job->seats + at);
        at += asked->user_count;
        asked->room->checks--;
        if (asked->answered) {
            take_room(asked);
        }
        else {
            check_no_later_than(asked->room, now_us + delay_us);
        }
        tc_room_end_job(asked->room, now_us);
    }
}

/*
 * If the store answers, but not for a room, the site's query may fail for this room or for another one of the job. In
 * smaller and smaller company, the others get their answers.
 */
void tc_access_on_job(tc_job_t *job, int64_t now_us)
{
    int i;

    take_answer(job, RETRY_US, now_us);
    for (i = 0; i < job->room_count && job->status == TC_JOB_DONE; i++) {
        if (!job->rooms[i].answered) {
            job->rooms[i].room->check_company = job->room_count > PARTING ? job->room_count / PARTING : 1;
        }
    }
}

/* ---- the question ---- */

static void submit(tc_access_round_t *round, int64_t now_us)
{
    tc_job_t *job = round->job;

    round->job = NULL;
    if (job != NULL && round->store->submit(round->store, job) != APR_SUCCESS) { /* the store's queue is full */
        job->status = TC_JOB_UNAVAILABLE;
        take_answer(job, TICK_US, now_us);
        tc_job_destroy(job);
    }
}

static int company_of(const tc_room_t *room)
{
    return room->check_company > 0 ? room->check_company : TC_STORE_ACCESS_ROOMS;
}

/* True if the job can take the room with so many users. */
static bool has_place(const tc_access_round_t *round, const tc_room_t *room, unsigned users)
{
    return round->job->room_count < round->company && round->job->room_count < company_of(room)
           && (unsigned)round->job->user_count + users <= TC_STORE_ACCESS_USERS;
}

/* Places for `need` things, and for as many more as there are already. */
static int grown(int size, int need)
{
    return need <= size ? size : need > 2 * size ? need : 2 * size;
}

static void make_place(tc_access_round_t *round, const tc_room_t *room, unsigned users)
{
    tc_job_t *job = round->job;

    if (job == NULL) {
        job = round->job = tc_job_create(TC_JOB_ACCESS, round->store, NULL, 0, NULL);
        job->room_id = room->room_id; /* a lane of the store's queue for this job: it blocks no other check */
        round->rooms_size = round->users_size = 0;
        round->company = TC_STORE_ACCESS_ROOMS;
    }
    round->company = company_of(room) < round->company ? company_of(room) : round->company;
    round->rooms_size = grown(round->rooms_size, job->room_count + 1);
    round->users_size = grown(round->users_size, job->user_count + (int)users);
    job->rooms = tc_realloc(job->rooms, (size_t)round->rooms_size * sizeof(*job->rooms));
    job->users = tc_realloc(job->users, (size_t)round->users_size * sizeof(*job->users));
    job->seats = tc_realloc(job->seats, (size_t)round->users_size * sizeof(*job->seats));
}

static tc_access_room_t room_entry(tc_room_t *room, int users)
{
    return (tc_access_room_t){room, room->room_id, room->trip_key.trip, users, false, -1, room->timeline.last_seq};
}

/* Asks for the first seats of the room's roster, and moves them to its end. */
static void ask(tc_access_round_t *round, tc_room_t *room, unsigned count, int64_t now_us)
{
    tc_job_t *job;
    unsigned i;

    if (round->job != NULL && !has_place(round, room, count)) {
        submit(round, now_us);
    }
    make_place(round, room, count);
    job = round->job;
    job->rooms[job->room_count++] = room_entry(room, (int)count);
    for (i = 0; i < count; i++) {
        tc_seat_t *seat = room->roster.first;

        job->users[job->user_count] = (tc_access_t){tc_user_ref(seat->user), true, true};
        job->seats[job->user_count++] = seat;
        seat->jobs++;
        tc_roster_move_last(&room->roster, seat, now_us);
    }
    room->jobs++;
    room->checks++;
}

void tc_access_end_round(tc_access_round_t *round, int64_t now_us)
{
    submit(round, now_us);
}

void tc_access_tick(tc_access_round_t *round, tc_room_t *room, int64_t now_us)
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

        ask(round, room, count, now_us);
        due -= count;
    }
}

/* ---- one member ---- */

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
    job->rooms = tc_alloc(sizeof(*job->rooms));
    job->rooms[0] = room_entry(room, 1);
    job->room_count = 1;
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
static tc_chat_error_e verdict_of(const tc_job_t *job)
{
    if (job->status != TC_JOB_DONE) {
        return TC_CHAT_OK;
    }
    if (!job->users[0].known) {
        return TC_CHAT_UNAUTHORIZED;
    }
    return job->users[0].allowed ? TC_CHAT_OK : TC_CHAT_FORBIDDEN;
}

void tc_access_on_member_job(const tc_room_t *room, const tc_job_t *job)
{
    if (job->member->room == room) {
        job->member->sink->checked(job->member, job->client_id, verdict_of(job));
    }
}
