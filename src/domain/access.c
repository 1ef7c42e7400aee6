/* Checks whether the members of a live room may still be there. See access.h. */
#include "domain/access.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "base/units.h"
#include "codec/close.h"

#include <stdlib.h>
#include <string.h>

#define TICK_US TC_US_PER_S          /* the time between two ticks of the hub */
#define PHASES 64                    /* spreads the checks of rooms that were opened at the same time */
#define RETRY_US (3 * TC_US_PER_S)   /* the time until the next check if the store did not answer */

/* The period is shorter than recheck_us, because the tick may come late and the store's answer takes time. */
static int64_t period_us(const tc_room_t *room)
{
    int64_t recheck_us = room->site->recheck_us;

    return recheck_us >= 4 * TICK_US ? recheck_us - 2 * TICK_US : recheck_us / 2;
}

static int compare_users(const void *a, const void *b)
{
    return strcmp((*(tc_user_t *const *)a)->id, (*(tc_user_t *const *)b)->id);
}

/* Lists the users of the room, each once, ordered by id. The caller frees the array; the users stay the members'. */
static tc_user_t **list_users(const tc_room_t *room, unsigned *count)
{
    tc_user_t **users = tc_alloc(room->count * sizeof(*users));
    unsigned i;

    for (i = 0; i < room->count; i++) {
        users[i] = room->members[i]->user;
    }
    qsort(users, room->count, sizeof(*users), compare_users);
    *count = 0;
    for (i = 0; i < room->count; i++) {
        if (*count == 0 || strcmp(users[*count - 1]->id, users[i]->id) != 0) {
            users[(*count)++] = users[i];
        }
    }
    return users;
}

static bool ask(tc_room_t *room, tc_user_t *const *users, unsigned count)
{
    tc_job_t *job = tc_job_create(TC_JOB_ACCESS, room->store, NULL, 0, NULL);
    unsigned i;

    job->room = room;
    job->room_id = room->room_id;
    job->trip = room->trip_key.trip;
    job->users = tc_alloc(count * sizeof(*job->users));
    job->user_count = (int)count;
    for (i = 0; i < count; i++) {
        job->users[i] = (tc_access_t){tc_user_ref(users[i]), true, true};
    }
    if (room->store->submit(room->store, job) != APR_SUCCESS) {
        tc_job_destroy(job);
        return false;
    }
    room->jobs++;
    room->checks++;
    return true;
}

void tc_access_tick(tc_room_t *room, int64_t now_us)
{
    tc_user_t **users;
    unsigned count, at;

    if (room->site->recheck_us == 0) {
        return;
    }
    if (room->check_due_us == 0) {
        unsigned phase = room->room_id.bytes[TC_UUID_BYTES - 1] % PHASES + 1;

        room->check_due_us = now_us + period_us(room) * phase / PHASES;
    }
    if (now_us < room->check_due_us || room->checks > 0 || room->count == 0) {
        return;
    }
    room->check_due_us = now_us + period_us(room);
    room->stale = room->loaded;
    users = list_users(room, &count);
    for (at = 0; at < count; at += TC_STORE_ACCESS_USERS) {
        unsigned left = count - at;

        if (!ask(room, users + at, left < TC_STORE_ACCESS_USERS ? left : TC_STORE_ACCESS_USERS)) {
            room->check_due_us = now_us + TICK_US; /* the store's queue is full */
            break;
        }
    }
    free(users);
}

static int compare_access(const void *key, const void *entry)
{
    return strcmp(key, ((const tc_access_t *)entry)->user->id);
}

/* Closing a member does not change the list: a member leaves the list later, when its connection is destroyed. */
static void show_out(tc_room_t *room, const tc_job_t *job)
{
    unsigned i;

    for (i = 0; i < room->count; i++) {
        tc_member_t *member = room->members[i];
        const tc_access_t *entry = bsearch(member->user->id, job->users, (size_t)job->user_count,
                                           sizeof(*entry), compare_access);

        if (entry != NULL && !entry->known) {
            member->sink->close(member, TC_CLOSE_UNAUTHORIZED, "Unauthorized");
        }
        else if (entry != NULL && !entry->allowed) {
            member->sink->close(member, TC_CLOSE_FORBIDDEN, "Forbidden");
        }
        else if (job->status == TC_JOB_GONE) {
            member->sink->close(member, TC_CLOSE_RESTART, "room was replaced, reconnect");
        }
    }
}

void tc_access_on_job(tc_room_t *room, const tc_job_t *job, int64_t now_us)
{
    room->checks--;
    if (job->status == TC_JOB_UNAVAILABLE) {
        if (room->check_due_us > now_us + RETRY_US) {
            room->check_due_us = now_us + RETRY_US;
        }
        return;
    }
    show_out(room, job);
    tc_room_hear(room, job->last_seq);
}

bool tc_access_ask_about(tc_member_t *member, const char *client_id)
{
    tc_room_t *room = member->room;
    tc_job_t *job;

    if (room == NULL) {
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
