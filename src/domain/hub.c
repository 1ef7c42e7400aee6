/* All live rooms of a child. See hub.h. */
#include "domain/hub.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/thread.h"
#include "base/units.h"
#include "codec/close.h"
#include "domain/access.h"
#include "domain/mend.h"
#include "domain/news.h"
#include "domain/room_serve.h"
#include "domain/speak.h"
#include "domain/typing.h"

/* A replaced room is remembered at least this long: a handshake that found it may still be under way. */
#define REPLACED_US (10 * TC_US_PER_S)

struct tc_hub_t {
    tc_rooms_t rooms;
    tc_meter_t *meter; /* NULL: users are not counted */
    int64_t watch_until_us;
    tc_losses_t losses; /* that were not logged yet */
    void (*on_gap)(void *context);
    void *gap_context;
    void (*on_unserved)(void *context);
    void *unserved_context;
};

tc_hub_t *tc_hub_create(apr_pool_t *pool)
{
    tc_hub_t *hub = apr_pcalloc(pool, sizeof(*hub));

    tc_rooms_init(&hub->rooms, pool);
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

void tc_hub_fill_gaps(tc_hub_t *hub)
{
    TC_ASSERT_THREAD(TC_THREAD_LOOP);
    tc_news_fill_gaps(&hub->rooms);
}

void tc_hub_serve_in_portions(tc_hub_t *hub, unsigned portion, void (*on_unserved)(void *context), void *context)
{
    hub->rooms.portion = portion;
    hub->on_unserved = on_unserved;
    hub->unserved_context = context;
}

static void mind_the_unserved(tc_hub_t *hub, tc_room_t *room)
{
    if (room->unserved > 0) {
        tc_rooms_queue_unserved(&hub->rooms, room);
        hub->on_unserved(hub->unserved_context);
    }
}

/* The missing events are most likely on their way. */
static void mind_the_gap(tc_hub_t *hub, tc_room_t *room)
{
    if (!tc_rooms_note_lack(&hub->rooms, room)) {
        return;
    }
    if (hub->on_gap == NULL) {
        tc_hub_fill_gaps(hub);
    }
    else {
        hub->on_gap(hub->gap_context);
    }
}

/* Call this after anything that may leave a gap in the room, or members that wait for their turn. */
static void look_after(tc_hub_t *hub, tc_room_t *room)
{
    mind_the_unserved(hub, room);
    mind_the_gap(hub, room);
}

bool tc_hub_serve_on(tc_hub_t *hub)
{
    tc_room_t *room = tc_rooms_next_unserved(&hub->rooms);

    TC_ASSERT_THREAD(TC_THREAD_LOOP);
    if (room != NULL) {
        tc_room_serve_on(room);
        look_after(hub, room);
    }
    return hub->rooms.unserved != NULL;
}

unsigned tc_hub_shed(tc_hub_t *hub, size_t bytes)
{
    TC_ASSERT_THREAD(TC_THREAD_LOOP);
    return tc_rooms_shed(&hub->rooms, bytes);
}

void tc_hub_destroy(tc_hub_t *hub)
{
    tc_rooms_free(&hub->rooms);
}

unsigned tc_hub_room_count(const tc_hub_t *hub)
{
    return apr_hash_count(hub->rooms.by_id);
}

/*
 * Finds or opens the trip's room. The room's id counts: its trip may have had another spelling in the child that a member
 * comes from. The hub may have an older room of this trip, which was deleted and made again: a `is_newcomer`, whose room
 * was just found in the store, replaces it. NULL: the room that was asked for is the older one.
 */
static tc_room_t *enter_room(tc_hub_t *hub, tc_store_t *store, tc_bus_t *bus, const tc_trip_t *trip,
                             const tc_uuid_t *room_id, bool is_newcomer)
{
    tc_room_t *room = tc_rooms_find(&hub->rooms, store->site, room_id), *older;

    TC_ASSERT_THREAD(TC_THREAD_LOOP);
    if (room != NULL) {
        return room->replaced ? NULL : room;
    }
    older = tc_rooms_find_trip(&hub->rooms, store->site, trip);
    if (older != NULL && !is_newcomer) {
        return NULL;
    }
    if (older != NULL) {
        tc_rooms_replace(&hub->rooms, older);
    }
    return tc_rooms_open(&hub->rooms, store, bus, trip, room_id);
}

/* The same for a member that joins. NULL: the member was closed and told to reconnect. */
static tc_room_t *admit(tc_hub_t *hub, tc_member_t *member, tc_store_t *store, tc_bus_t *bus, const tc_trip_t *trip,
                        const tc_uuid_t *room_id, bool is_newcomer)
{
    tc_room_t *room = enter_room(hub, store, bus, trip, room_id, is_newcomer);

    if (room == NULL) {
        tc_room_send_away(member);
    }
    return room;
}

void tc_hub_join(tc_hub_t *hub, tc_member_t *member, tc_store_t *store, tc_bus_t *bus,
                 const tc_trip_t *trip, const tc_uuid_t *room_id, int64_t after)
{
    tc_room_t *room = admit(hub, member, store, bus, trip, room_id, true);

    if (room != NULL) {
        tc_room_join(room, member, after);
        look_after(hub, room);
    }
}

void tc_hub_rejoin(tc_hub_t *hub, tc_member_t *member, tc_store_t *store, tc_bus_t *bus,
                   const tc_trip_t *trip, const tc_uuid_t *room_id)
{
    tc_room_t *room = admit(hub, member, store, bus, trip, room_id, false);

    if (room != NULL) {
        tc_room_rejoin(room, member);
        look_after(hub, room);
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
    member->room = enter_room(hub, store, bus, trip, room_id, true);
    if (member->room == NULL) {
        tc_speak_error(member, TC_CHAT_UNAVAILABLE, NULL, NULL, 0);
        return;
    }
    tc_speak_write(member, hub->meter, in, now_us);
}

/* ---- answers of the store ---- */

/* Other sites of this child that have this room of the same database hear of the event at once, whatever the bus does. */
static void tell_twins(tc_hub_t *hub, const tc_room_t *room, const tc_event_t *event)
{
    tc_room_t *twin = tc_room_next_twin(room, room);

    for (; twin != NULL; twin = tc_room_next_twin(room, twin)) {
        tc_event_t *copy = tc_event_copy(event);

        tc_hub_on_bus_event(hub, twin->site, &twin->room_id, copy);
        tc_event_unref(copy);
    }
}

/* If the bus is down, it is told the room's last seq when it is up again. */
static void publish(tc_hub_t *hub, tc_room_t *room, const tc_event_t *event)
{
    tell_twins(hub, room, event);
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
        publish(hub, room, job->events);
    }
    job->events->attributed = true;
    if (job->member->sink->stored == NULL) {
        if (!tc_room_confirm(room, job)) {
            tc_speak_error(job->member, TC_CHAT_MESSAGE_NOT_FOUND, job->client_id, NULL, 0);
        }
    }
    else if (!job->told) {
        job->member->sink->stored(job->member, job);
    }
    if (job->epoch == room->timeline.epoch || room->timeline.epoch < 0) {
        tc_room_ingest(room, job->events);
    }
    else {
        tc_mend_doubt(room); /* the event, which has another epoch, comes when the room is in order again */
    }
    look_after(hub, room);
}

/* Closes a sender who is gone, or whose room is. */
static bool must_go(tc_member_t *member, const tc_job_t *job)
{
    if (job->status == TC_JOB_GONE) {
        tc_room_send_away(member);
        return true;
    }
    if (job->status == TC_JOB_REFUSED && job->error == TC_CHAT_FORBIDDEN) {
        member->sink->close(member, TC_CLOSE_FORBIDDEN, "Forbidden");
        return true;
    }
    return false;
}

static void on_written(tc_hub_t *hub, tc_room_t *room, tc_job_t *job)
{
    tc_member_t *member = job->member;

    if (job->status == TC_JOB_DONE) {
        on_stored(hub, room, job);
        return;
    }
    if (member->room == room && member->sink->close != NULL && must_go(member, job)) {
        return;
    }
    if (member->room != room || job->told || job->claimed) {
        return; /* the sender left, was told, or has its copy from a fetch: the commit was made, its answer was lost */
    }
    tc_speak_error(member, job->status == TC_JOB_REFUSED ? job->error : TC_CHAT_UNAVAILABLE, job->client_id, NULL, 0);
}

/* ---- news ---- */

/* Takes the result of a HEADS job: rooms that have events which this child has not seen. */
static void on_heads(tc_hub_t *hub, const tc_job_t *job)
{
    int i;

    tc_news_end_check(&hub->rooms, job);
    for (i = 0; i < job->head_count && job->status == TC_JOB_DONE; i++) {
        tc_room_t *room = tc_rooms_find(&hub->rooms, job->store->site, &job->heads[i].room_id);

        if (room != NULL) {
            if (job->heads[i].is_odd) {
                tc_mend_doubt(room);
            }
            else {
                tc_room_hear(room, job->heads[i].last_seq);
            }
            look_after(hub, room);
        }
    }
    if (hub->rooms.lacking != NULL) { /* among them rooms that could not be asked for meanwhile */
        look_after(hub, hub->rooms.lacking);
    }
}

void tc_hub_on_bus_event(tc_hub_t *hub, const tc_site_t *site, const tc_uuid_t *room_id,
                         tc_event_t *event)
{
    tc_room_t *room = tc_rooms_find(&hub->rooms, site, room_id);

    tc_metrics_add(site->metrics_slot, TC_M_EVENTS_HEARD + (unsigned)event->kind, 1);
    if (room != NULL) {
        event->attributed = true;
        tc_room_ingest(room, event);
        look_after(hub, room);
    }
}

void tc_hub_on_bus_head(tc_hub_t *hub, const tc_site_t *site, const tc_uuid_t *room_id,
                        int64_t seq)
{
    tc_room_t *room = tc_rooms_find(&hub->rooms, site, room_id);

    if (room != NULL) {
        tc_room_hear(room, seq);
        look_after(hub, room);
    }
}

void tc_hub_on_bus_typing(tc_hub_t *hub, const tc_site_t *site, const tc_uuid_t *room_id,
                          const char *user_id, tc_blob_t *frame)
{
    tc_room_t *room = tc_rooms_find(&hub->rooms, site, room_id);

    if (room != NULL) {
        tc_typing_on_bus(room, user_id, frame);
    }
}

void tc_hub_on_bus_joined(tc_hub_t *hub, const tc_site_t *site, const tc_uuid_t *room_id)
{
    tc_room_t *room = tc_rooms_find(&hub->rooms, site, room_id);

    if (room != NULL) {
        room->probe = true; /* events between the load and the subscription may have been missed */
        look_after(hub, room);
    }
}

void tc_hub_on_bus_state(tc_hub_t *hub, tc_bus_t *bus, tc_bus_state_e state, int64_t now_us)
{
    TC_ASSERT_THREAD(TC_THREAD_LOOP);
    tc_news_on_bus_state(&hub->rooms, bus, state, now_us);
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
        if (member->sink->stored == NULL) { /* a member of the room's list */
            tc_room_advance(room, member);
        }
        break;
    case TC_JOB_LOAD:
        if (tc_mend_takes(room, job)) {
            tc_room_on_load(room, job);
        }
        look_after(hub, room);
        break;
    case TC_JOB_EVENTS:
        (void)tc_mend_takes(room, job);
        tc_room_on_events(room, job);
        if (job->status == TC_JOB_DONE) { /* otherwise the next tick asks again; asking here might never end */
            look_after(hub, room);
        }
        break;
    case TC_JOB_ACCESS:
        tc_access_on_member_job(room, job);
        break;
    case TC_JOB_MEND:
        tc_mend_on_job(room, job, &hub->losses);
        look_after(hub, room);
        break;
    case TC_JOB_PROBE:
    case TC_JOB_HEADS:
        break;
    }
    tc_room_end_job(room, now_us);
    if (member != NULL) {
        member->jobs--;
        member->told -= job->told;
    }
    tc_job_destroy(job);
    if (member != NULL) {
        member->sink->settled(member);
    }
}

/* Takes the result of an ACCESS job of many rooms. */
static void on_checked(tc_hub_t *hub, tc_job_t *job, int64_t now_us)
{
    int i;

    tc_access_on_job(job, now_us);
    for (i = 0; i < job->room_count; i++) {
        look_after(hub, job->rooms[i].room);
    }
    tc_job_destroy(job);
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
    else if (job->room == NULL) {
        on_checked(hub, job, now_us);
    }
    else {
        on_room_job(hub, job, now_us);
    }
}

/* Tells a sender that the store takes too long. Its connection need not wait for this job any more. */
static void tell_sender(tc_room_t *room, tc_job_t *job)
{
    tc_member_t *member = job->member;

    job->told = true;
    member->told++;
    if (member->room != room) {
        return;
    }
    if (!job->claimed) {
        tc_speak_error(member, TC_CHAT_UNAVAILABLE, job->client_id, NULL, 0);
    }
    if (member->sink->stored == NULL) {
        tc_room_advance(room, member);
        member->sink->settled(member);
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
            tell_sender(room, job);
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

static bool is_forgettable(tc_room_t *room, int64_t now_us)
{
    if (room->replaced && room->replaced_us == 0) {
        room->replaced_us = now_us;
    }
    return room->count == 0 && room->jobs == 0 && now_us - room->empty_since_us >= linger_us(room->site)
           && (!room->replaced || now_us - room->replaced_us >= REPLACED_US);
}

static void tick_home(tc_hub_t *hub, const tc_home_t *home, int64_t now_us)
{
    tc_access_round_t round = {.store = home->store};
    tc_room_t *room, *next;

    for (room = home->first; room != NULL; room = next) {
        next = room->next;
        if (is_forgettable(room, now_us)) {
            tc_rooms_forget(&hub->rooms, room);
            continue;
        }
        tc_room_retry(room);
        tc_mend_tick(room);
        tell_overdue(room, now_us);
        tc_access_tick(&round, room, now_us);
    }
    tc_access_end_round(&round, now_us);
}

static void log_losses(tc_losses_t *losses)
{
    if (losses->rooms > 0) {
        tc_log(TC_LOG_WARNING, 0, "TC0019: the database has lost events of %u live rooms, after a fail-over or a restore: "
               "members had seen at least %u events that it lacks; %u of these were put back", losses->rooms, losses->lost,
               losses->put_back);
        *losses = (tc_losses_t){0, 0, 0};
    }
}

void tc_hub_tick(tc_hub_t *hub, int64_t now_us)
{
    const tc_home_t *home;

    TC_ASSERT_THREAD(TC_THREAD_LOOP);
    for (home = hub->rooms.homes; home != NULL; home = home->next) {
        tick_home(hub, home, now_us);
    }
    tc_news_tick(&hub->rooms, now_us < hub->watch_until_us, now_us);
    log_losses(&hub->losses);
}
