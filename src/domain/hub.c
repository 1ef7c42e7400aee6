/* All live rooms of a child. See hub.h. */
#include "domain/hub.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "base/metrics.h"
#include "base/thread.h"
#include "base/units.h"
#include "codec/close.h"
#include "domain/access.h"
#include "domain/room_fetch.h"
#include "domain/room_serve.h"
#include "domain/speak.h"
#include "domain/typing.h"

#include <apr_hash.h>
#include <stdlib.h>
#include <string.h>

/* While the bus is up, every third tick asks the store for news, in case the bus lost an event. Ticks may be early. */
#define CHECK_UP_US (2800 * TC_US_PER_MS)

/* The store and the bus of a site. */
typedef struct hub_site_t {
    tc_store_t *store;
    tc_bus_t *bus;
    unsigned checks;      /* HEADS jobs in flight */
    int64_t checked_us;
    struct hub_site_t *next;
} hub_site_t;

struct tc_hub_t {
    apr_pool_t *pool;
    apr_hash_t *rooms; /* tc_room_trip_key_t to tc_room_t */
    apr_hash_t *by_id; /* tc_room_key_t to tc_room_t */
    tc_room_t *first;  /* all of them, for the sweep */
    hub_site_t *sites;
    tc_meter_t *meter; /* NULL: users are not counted */
    int64_t watch_until_us;
    void (*on_gap)(void *context);
    void *gap_context;
};

tc_hub_t *tc_hub_create(apr_pool_t *pool)
{
    tc_hub_t *hub = apr_pcalloc(pool, sizeof(*hub));

    hub->pool = pool;
    hub->rooms = apr_hash_make(pool);
    hub->by_id = apr_hash_make(pool);
    return hub;
}

void tc_hub_watch_until(tc_hub_t *hub, int64_t until_us)
{
    hub->watch_until_us = until_us;
}

void tc_hub_watch_gaps(tc_hub_t *hub, void (*on_gap)(void *context), void *context)
{
    hub->on_gap = on_gap;
    hub->gap_context = context;
}

/* Submits a HEADS job for a batch of rooms, and takes over `heads`. If the queue is full, the next check asks again. */
static void submit_heads(hub_site_t *site, tc_head_t *heads, int count)
{
    tc_job_t *job = tc_job_create(TC_JOB_HEADS, site->store, NULL, 0, NULL);

    qsort(heads, (size_t)count, sizeof(*heads), tc_head_compare);
    job->heads = heads;
    job->head_count = count;
    if (site->store->submit(site->store, job) == APR_SUCCESS) {
        site->checks++;
    }
    else {
        tc_job_destroy(job);
    }
}

/* Asks the store which rooms of a site have news: all rooms, or only those with `probe` set (`probes_alone`). */
static void check_site(tc_hub_t *hub, hub_site_t *site, bool probes_alone)
{
    tc_head_t *heads = NULL;
    tc_room_t *room;
    int count = 0;

    if (site->checks > 0) {
        return;
    }
    for (room = hub->first; room != NULL; room = room->next) {
        if (room->store != site->store || !room->loaded || (probes_alone && !room->probe)) {
            continue;
        }
        room->probe = false;
        if (count == 0) {
            heads = tc_alloc(TC_STORE_HEADS * sizeof(*heads));
        }
        heads[count].room_id = room->room_id;
        heads[count].last_seq = room->timeline.last_seq;
        if (++count == TC_STORE_HEADS) {
            submit_heads(site, heads, count);
            count = 0;
        }
    }
    if (count > 0) {
        submit_heads(site, heads, count);
    }
}

void tc_hub_fill_gaps(tc_hub_t *hub)
{
    hub_site_t *site;
    tc_room_t *room;

    TC_ASSERT_THREAD(TC_THREAD_LOOP);
    for (room = hub->first; room != NULL; room = room->next) {
        tc_room_retry(room);
    }
    for (site = hub->sites; site != NULL; site = site->next) {
        check_site(hub, site, true);
    }
}

/* Call this after anything that may leave a gap in the room. The missing events are most likely on their way. */
static void mind_the_gap(tc_hub_t *hub, tc_room_t *room)
{
    if (!tc_room_is_behind(room) && !(room->probe && room->loaded)) {
        return;
    }
    if (hub->on_gap == NULL) {
        tc_hub_fill_gaps(hub);
    }
    else {
        hub->on_gap(hub->gap_context);
    }
}

static void forget_room(tc_hub_t *hub, tc_room_t *room)
{
    apr_hash_set(hub->rooms, &room->trip_key, tc_room_trip_key_len(&room->trip_key), NULL);
    apr_hash_set(hub->by_id, &room->id_key, sizeof(room->id_key), NULL);
    room->bus->room_closed(room->bus, room);
    tc_metrics_sub(room->site->metrics_slot, TC_M_ROOMS, 1);
    tc_room_destroy(room);
}

void tc_hub_destroy(tc_hub_t *hub)
{
    while (hub->first != NULL) {
        tc_room_t *room = hub->first;

        hub->first = room->next;
        forget_room(hub, room);
    }
}

unsigned tc_hub_room_count(const tc_hub_t *hub)
{
    return apr_hash_count(hub->rooms);
}

static tc_room_t *find_room(const tc_hub_t *hub, const tc_site_t *site, const tc_uuid_t *room_id)
{
    tc_room_key_t key = {site->index, *room_id};

    return apr_hash_get(hub->by_id, &key, sizeof(key));
}

/* Adds a site at its first use. Sites are few and stay as long as the child. */
static void know_site(tc_hub_t *hub, tc_store_t *store, tc_bus_t *bus)
{
    hub_site_t *site;

    for (site = hub->sites; site != NULL; site = site->next) {
        if (site->store == store) {
            return;
        }
    }
    site = apr_pcalloc(hub->pool, sizeof(*site));
    site->store = store;
    site->bus = bus;
    site->next = hub->sites;
    hub->sites = site;
}

static tc_room_t *open_room(tc_hub_t *hub, tc_store_t *store, tc_bus_t *bus,
                            const tc_trip_t *trip, const tc_uuid_t *room_id)
{
    tc_room_t *room = tc_room_create(store, bus, trip, room_id);

    know_site(hub, store, bus);
    apr_hash_set(hub->rooms, &room->trip_key, tc_room_trip_key_len(&room->trip_key), room);
    apr_hash_set(hub->by_id, &room->id_key, sizeof(room->id_key), room);
    room->next = hub->first;
    hub->first = room;
    tc_metrics_add(room->site->metrics_slot, TC_M_ROOMS, 1);
    bus->room_opened(bus, room);
    return room;
}

/*
 * Finds or opens the trip's room. NULL: the hub has an older room of this trip, which was deleted and made again. The
 * room's id counts: its trip may have had another spelling in the child that a member comes from.
 */
static tc_room_t *enter_room(tc_hub_t *hub, tc_store_t *store, tc_bus_t *bus,
                             const tc_trip_t *trip, const tc_uuid_t *room_id)
{
    tc_room_trip_key_t key = {store->site->index, *trip};
    tc_room_t *room = find_room(hub, store->site, room_id);

    if (room == NULL && apr_hash_get(hub->rooms, &key, tc_room_trip_key_len(&key)) == NULL) {
        room = open_room(hub, store, bus, trip, room_id);
    }
    return room;
}

/* The same for a member that joins. NULL: the member was closed and told to reconnect. */
static tc_room_t *admit(tc_hub_t *hub, tc_member_t *member, tc_store_t *store, tc_bus_t *bus,
                        const tc_trip_t *trip, const tc_uuid_t *room_id)
{
    tc_room_t *room = enter_room(hub, store, bus, trip, room_id);

    TC_ASSERT_THREAD(TC_THREAD_LOOP);
    if (room == NULL) {
        member->sink->close(member, TC_CLOSE_RESTART, "room was replaced, reconnect");
    }
    return room;
}

void tc_hub_join(tc_hub_t *hub, tc_member_t *member, tc_store_t *store, tc_bus_t *bus,
                 const tc_trip_t *trip, const tc_uuid_t *room_id, int64_t after)
{
    tc_room_t *room = admit(hub, member, store, bus, trip, room_id);

    if (room != NULL) {
        tc_room_join(room, member, after);
    }
}

void tc_hub_rejoin(tc_hub_t *hub, tc_member_t *member, tc_store_t *store, tc_bus_t *bus,
                   const tc_trip_t *trip, const tc_uuid_t *room_id)
{
    tc_room_t *room = admit(hub, member, store, bus, trip, room_id);

    if (room != NULL) {
        tc_room_rejoin(room, member);
        mind_the_gap(hub, room);
    }
}

void tc_hub_leave(tc_hub_t *hub, tc_member_t *member, int64_t now_us)
{
    (void)hub;
    TC_ASSERT_THREAD(TC_THREAD_LOOP);
    if (member->room != NULL) {
        tc_room_leave(member->room, member, now_us);
    }
}

/* ---- messages of members ---- */

void tc_hub_set_meter(tc_hub_t *hub, tc_meter_t *meter)
{
    hub->meter = meter;
}

void tc_hub_on_text(tc_hub_t *hub, tc_member_t *member, const char *text, size_t len,
                    int64_t now_us)
{
    TC_ASSERT_THREAD(TC_THREAD_LOOP);
    tc_speak_on_text(member, hub->meter, text, len, now_us);
}

void tc_hub_write(tc_hub_t *hub, tc_member_t *member, tc_store_t *store, tc_bus_t *bus,
                  const tc_trip_t *trip, const tc_uuid_t *room_id, const tc_chat_in_t *in,
                  int64_t now_us)
{
    TC_ASSERT_THREAD(TC_THREAD_LOOP);
    member->room = enter_room(hub, store, bus, trip, room_id);
    if (member->room == NULL) {
        tc_speak_error(member, TC_CHAT_UNAVAILABLE, NULL, NULL, 0);
        return;
    }
    tc_speak_write(member, hub->meter, in, now_us);
}

/* ---- answers of the store ---- */

/* If the bus is down, it is told the room's last seq when it is up again. */
static void publish(tc_room_t *room, const tc_event_t *event)
{
    if (room->bus->state == TC_BUS_DOWN) {
        room->untold = true;
    }
    else {
        room->bus->publish(room->bus, room, event);
        room->published = true;
    }
}

/* A repeated POST was stored before. Its event is published again only if this child has not seen the event yet. */
static void on_stored(tc_hub_t *hub, tc_room_t *room, tc_job_t *job)
{
    if (!job->repeated) {
        tc_metrics_add(room->site->metrics_slot, TC_M_EVENTS_STORED + (unsigned)job->events->kind, 1);
    }
    if (!job->repeated || job->events->seq > room->timeline.last_seq) {
        publish(room, job->events);
    }
    if (job->member->sink->stored == NULL) {
        tc_room_confirm(room, job);
    }
    else if (!job->told) {
        job->member->sink->stored(job->member, job);
    }
    tc_room_ingest(room, job->events);
    mind_the_gap(hub, room);
}

static void on_written(tc_hub_t *hub, tc_room_t *room, tc_job_t *job)
{
    tc_member_t *member = job->member;
    tc_chat_error_e error = job->error;

    if (job->status == TC_JOB_DONE) {
        on_stored(hub, room, job);
        return;
    }
    if (member->room == room && job->status == TC_JOB_GONE && member->sink->close != NULL) {
        member->sink->close(member, TC_CLOSE_FORBIDDEN, "Forbidden");
        return;
    }
    if (member->room != room || job->told || job->claimed) {
        return; /* the sender left, was told, or has its copy from a fetch: the commit was made, its answer was lost */
    }
    if (job->status == TC_JOB_UNAVAILABLE) {
        error = TC_CHAT_UNAVAILABLE;
    }
    else if (job->status == TC_JOB_GONE) {
        error = TC_CHAT_FORBIDDEN;
    }
    tc_speak_error(member, error, job->client_id, NULL, 0);
}

/* ---- news ---- */

/* Takes the result of a HEADS job: rooms that have events which this child has not seen. */
static void on_heads(tc_hub_t *hub, const tc_job_t *job)
{
    hub_site_t *site;
    int i;

    for (site = hub->sites; site->store != job->store; site = site->next) {
    }
    site->checks--;
    for (i = 0; i < job->head_count && job->status == TC_JOB_DONE; i++) {
        tc_room_t *room = find_room(hub, job->store->site, &job->heads[i].room_id);

        if (room != NULL) {
            tc_room_hear(room, job->heads[i].last_seq);
            mind_the_gap(hub, room);
        }
    }
}

static bool is_check_due(const tc_hub_t *hub, const hub_site_t *site, int64_t now_us)
{
    switch (site->bus->state) {
    case TC_BUS_DOWN:
        return true;
    case TC_BUS_UP:
        return now_us - site->checked_us >= CHECK_UP_US;
    case TC_BUS_ALONE:
        break;
    }
    return now_us < hub->watch_until_us;
}

void tc_hub_on_bus_event(tc_hub_t *hub, const tc_site_t *site, const tc_uuid_t *room_id,
                         tc_event_t *event)
{
    tc_room_t *room = find_room(hub, site, room_id);

    tc_metrics_add(site->metrics_slot, TC_M_EVENTS_HEARD + (unsigned)event->kind, 1);
    if (room != NULL) {
        tc_room_ingest(room, event);
        mind_the_gap(hub, room);
    }
}

void tc_hub_on_bus_head(tc_hub_t *hub, const tc_site_t *site, const tc_uuid_t *room_id,
                        int64_t seq)
{
    tc_room_t *room = find_room(hub, site, room_id);

    if (room != NULL) {
        tc_room_hear(room, seq);
        mind_the_gap(hub, room);
    }
}

void tc_hub_on_bus_typing(tc_hub_t *hub, const tc_site_t *site, const tc_uuid_t *room_id,
                          const char *user_id, tc_blob_t *frame)
{
    tc_room_t *room = find_room(hub, site, room_id);

    if (room != NULL) {
        tc_typing_on_bus(room, user_id, frame);
    }
}

void tc_hub_on_bus_joined(tc_hub_t *hub, const tc_site_t *site, const tc_uuid_t *room_id)
{
    tc_room_t *room = find_room(hub, site, room_id);

    if (room != NULL) {
        room->probe = true; /* events between the load and the subscription may have been missed */
        mind_the_gap(hub, room);
    }
}

/* Announces the last seq of each room whose events may not have reached the other children. */
static void tell_heads(tc_hub_t *hub, tc_bus_t *bus)
{
    tc_room_t *room;

    for (room = hub->first; room != NULL; room = room->next) {
        if (room->bus == bus && room->untold) {
            room->untold = false;
            bus->publish_head(bus, room);
        }
    }
}

/* For rooms that are being loaded: events between the load and the subscription may have been missed. */
static void probe_loading(tc_hub_t *hub, const tc_bus_t *bus)
{
    tc_room_t *room;

    for (room = hub->first; room != NULL; room = room->next) {
        room->probe = room->probe || (room->bus == bus && !room->loaded);
    }
}

/* The bus may have lost the events that were published last. */
static void note_untold(tc_hub_t *hub, const tc_bus_t *bus)
{
    tc_room_t *room;

    for (room = hub->first; room != NULL; room = room->next) {
        if (room->bus == bus) {
            room->untold = room->untold || room->published;
            room->published = false;
        }
    }
}

void tc_hub_on_bus_state(tc_hub_t *hub, tc_bus_t *bus, tc_bus_state_e state, int64_t now_us)
{
    hub_site_t *site;

    TC_ASSERT_THREAD(TC_THREAD_LOOP);
    bus->state = state;
    if (state == TC_BUS_UP) {
        tell_heads(hub, bus);
        probe_loading(hub, bus);
    }
    else {
        note_untold(hub, bus);
    }
    for (site = hub->sites; site != NULL; site = site->next) {
        if (site->bus == bus) {
            site->checked_us = now_us;
            check_site(hub, site, false);
        }
    }
}

/* ---- jobs and time ---- */

static void on_room_job(tc_hub_t *hub, tc_job_t *job, int64_t now_us)
{
    tc_room_t *room = job->room;
    tc_member_t *member = job->member;

    switch (job->kind) {
    case TC_JOB_POST:
    case TC_JOB_EDIT:
        tc_room_remove_write(room, job);
        on_written(hub, room, job);
        break;
    case TC_JOB_LOAD:
        tc_room_on_load(room, job);
        mind_the_gap(hub, room);
        break;
    case TC_JOB_EVENTS:
        tc_room_on_events(room, job);
        if (job->status == TC_JOB_DONE) { /* otherwise the next tick asks again; asking here might never end */
            mind_the_gap(hub, room);
        }
        break;
    case TC_JOB_ACCESS:
        tc_access_on_job(room, job, now_us);
        mind_the_gap(hub, room);
        break;
    case TC_JOB_PROBE:
    case TC_JOB_HEADS:
        break;
    }
    if (--room->jobs == 0 && room->count == 0) {
        room->empty_since_us = now_us;
    }
    tc_job_destroy(job);
    if (member != NULL) {
        member->jobs--;
        member->sink->settled(member);
    }
}

void tc_hub_on_job(tc_hub_t *hub, tc_job_t *job, int64_t now_us)
{
    TC_ASSERT_THREAD(TC_THREAD_LOOP);
    if (job->kind == TC_JOB_HEADS) {
        on_heads(hub, job);
        tc_job_destroy(job);
    }
    else if (job->kind == TC_JOB_PROBE) {
        tc_job_destroy(job);
    }
    else {
        on_room_job(hub, job, now_us);
    }
}

/* A store that does not answer: senders get `unavailable`, clients that wait for a history are closed with 1013. */
static void tell_overdue(tc_room_t *room, int64_t now_us)
{
    const int64_t patience_us = TC_STORE_OVERDUE_S * TC_US_PER_S;
    tc_job_t *job;

    for (job = room->writes; job != NULL; job = job->next_write) {
        if (job->seen_us == 0) {
            job->seen_us = now_us;
        }
        if (!job->told && now_us - job->seen_us >= patience_us) {
            job->told = true;
            if (job->member->room == room && !job->claimed) {
                tc_speak_error(job->member, TC_CHAT_UNAVAILABLE, job->client_id, NULL, 0);
            }
        }
    }
    if (!room->loading && !room->resuming) {
        room->waiting_us = 0;
    }
    else if (room->waiting_us == 0) {
        room->waiting_us = now_us;
    }
    else if (now_us - room->waiting_us >= patience_us) {
        tc_room_give_up_waiting(room);
    }
}

/* The members' access is not checked in an empty room. So the room is forgotten within one recheck_us. */
static int64_t linger_us(const tc_site_t *site)
{
    return site->recheck_us > 0 && site->recheck_us < site->room_linger_us ? site->recheck_us
                                                                         : site->room_linger_us;
}

void tc_hub_tick(tc_hub_t *hub, int64_t now_us)
{
    tc_room_t **at = &hub->first;
    hub_site_t *site;

    TC_ASSERT_THREAD(TC_THREAD_LOOP);
    while (*at != NULL) {
        tc_room_t *room = *at;
        bool idle = room->count == 0 && room->jobs == 0;

        if (idle && now_us - room->empty_since_us >= linger_us(room->site)) {
            *at = room->next;
            forget_room(hub, room);
            continue;
        }
        tc_room_retry(room);
        tell_overdue(room, now_us);
        tc_access_tick(room, now_us);
        at = &room->next;
    }
    for (site = hub->sites; site != NULL; site = site->next) {
        if (is_check_due(hub, site, now_us)) {
            site->checked_us = now_us;
            check_site(hub, site, false);
        }
    }
}
