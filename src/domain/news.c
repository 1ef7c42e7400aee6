/* What the rooms of a child lack. See news.h. */
#include "domain/news.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "base/units.h"
#include "domain/room_serve.h"

#include <stdlib.h>

/* While the bus is up, every third tick asks the store for news, in case the bus lost an event. Ticks may be early. */
#define CHECK_UP_US (2800 * TC_US_PER_MS)

/* Rooms that a HEADS job will ask for. */
typedef struct {
    tc_home_t *home;
    tc_head_t *heads; /* malloc'ed; NULL: none */
    int count;
} question_t;

/* Submits a HEADS job for the rooms so far. If the queue is full, the next check asks again. */
static void submit(question_t *question)
{
    tc_store_t *store = question->home->store;
    tc_job_t *job;

    if (question->count == 0) {
        return;
    }
    job = tc_job_create(TC_JOB_HEADS, store, NULL, 0, NULL);
    qsort(question->heads, (size_t)question->count, sizeof(*question->heads), tc_head_compare);
    job->heads = question->heads;
    job->head_count = question->count;
    question->heads = NULL;
    question->count = 0;
    if (store->submit(store, job) == APR_SUCCESS) {
        question->home->checks++;
    }
    else {
        tc_job_destroy(job);
    }
}

static void add(question_t *question, tc_room_t *room)
{
    room->probe = false;
    if (question->heads == NULL) {
        question->heads = tc_alloc(TC_STORE_HEADS * sizeof(*question->heads));
    }
    question->heads[question->count].room_id = room->room_id;
    question->heads[question->count].last_seq = room->timeline.last_seq;
    if (++question->count == TC_STORE_HEADS) {
        submit(question);
    }
}

/* Asks the store which rooms of a site have news. One check is in flight, not more. */
static void check_all(tc_home_t *home)
{
    question_t question = {home, NULL, 0};
    tc_room_t *room;

    if (home->checks > 0) {
        return;
    }
    for (room = home->first; room != NULL; room = room->next) {
        if (room->loaded) {
            add(&question, room);
        }
    }
    submit(&question);
}

/* The same for the rooms that may lack something. They are few, and mostly of few sites. */
static void check_lacking(const tc_rooms_t *rooms, tc_home_t *home)
{
    question_t question = {home, NULL, 0};
    tc_room_t *room;

    if (home->checks > 0) {
        return;
    }
    for (room = rooms->lacking; room != NULL; room = room->next_lacking) {
        if (room->store == home->store && room->loaded && room->probe) {
            add(&question, room);
        }
    }
    submit(&question);
}

/* A room that still has to be asked for stays in the list; tc_news_end_check() tells when that is possible. */
void tc_news_fill_gaps(tc_rooms_t *rooms)
{
    tc_room_t *room, *next;
    tc_home_t *home;

    for (room = rooms->lacking; room != NULL; room = room->next_lacking) {
        tc_room_retry(room);
    }
    for (home = rooms->lacking ? rooms->homes : NULL; home != NULL; home = home->next) {
        check_lacking(rooms, home);
    }
    for (room = rooms->lacking; room != NULL; room = next) {
        next = room->next_lacking;
        if (!room->probe || !room->loaded) {
            tc_rooms_clear_lack(room);
        }
    }
}

/* Checks of access find the events of other programs. Where access is not checked, the store is asked for news instead. */
static bool is_recheck_due(const tc_home_t *home, int64_t now_us)
{
    const tc_site_t *site = home->store->site;

    return site->by_token && site->recheck_us > 0 && now_us - home->checked_us >= site->recheck_us;
}

static bool is_check_due(const tc_home_t *home, bool is_watching, int64_t now_us)
{
    switch (home->bus->state) {
    case TC_BUS_DOWN:
        return true;
    case TC_BUS_UP:
        return now_us - home->checked_us >= CHECK_UP_US;
    case TC_BUS_ALONE:
        break;
    }
    return is_watching || is_recheck_due(home, now_us);
}

void tc_news_tick(tc_rooms_t *rooms, bool is_watching, int64_t now_us)
{
    tc_home_t *home;

    for (home = rooms->homes; home != NULL; home = home->next) {
        if (is_check_due(home, is_watching, now_us)) {
            home->checked_us = now_us;
            check_all(home);
        }
    }
}

void tc_news_end_check(tc_rooms_t *rooms, const tc_job_t *job)
{
    tc_rooms_home(rooms, job->store)->checks--;
}

/* ---- the state of a bus ---- */

/* Announces the last seq of each room whose events may not have reached the other children. */
static void tell_heads(const tc_home_t *home)
{
    tc_room_t *room;

    for (room = home->first; room != NULL; room = room->next) {
        if (room->untold) {
            room->untold = false;
            home->bus->publish_head(home->bus, room);
        }
    }
}

/* For rooms that are being loaded: events between the load and the subscription may have been missed. */
static void probe_loading(const tc_home_t *home)
{
    tc_room_t *room;

    for (room = home->first; room != NULL; room = room->next) {
        room->probe = room->probe || !room->loaded;
    }
}

/* The bus may have lost the events that were published last. */
static void note_untold(const tc_home_t *home)
{
    tc_room_t *room;

    for (room = home->first; room != NULL; room = room->next) {
        room->untold = room->untold || room->published;
        room->published = false;
    }
}

void tc_news_on_bus_state(tc_rooms_t *rooms, tc_bus_t *bus, tc_bus_state_e state, int64_t now_us)
{
    tc_home_t *home;

    bus->state = state;
    for (home = rooms->homes; home != NULL; home = home->next) {
        if (home->bus != bus) {
            continue;
        }
        if (state == TC_BUS_UP) {
            tell_heads(home);
            probe_loading(home);
        }
        else {
            note_untold(home);
        }
        home->checked_us = now_us;
        check_all(home);
    }
}
