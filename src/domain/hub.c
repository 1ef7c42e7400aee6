/* All live rooms of a child. See hub.h. */
#include "domain/hub.h"

#include "base/limits.h"
#include "base/thread.h"
#include "codec/close.h"
#include "codec/wire.h"
#include "domain/typing.h"

#include <apr_hash.h>
#include <string.h>

struct tc_hub_t {
    tc_bus_t *bus;
    apr_hash_t *rooms; /* tc_room_key_t to tc_room_t */
    tc_room_t *first;  /* all of them, for the sweep */
    int64_t watch_until_us;
};

tc_hub_t *tc_hub_create(tc_bus_t *bus, int64_t watch_until_us, apr_pool_t *pool)
{
    tc_hub_t *hub = apr_pcalloc(pool, sizeof(*hub));

    hub->bus = bus;
    hub->watch_until_us = watch_until_us;
    hub->rooms = apr_hash_make(pool);
    return hub;
}

static void forget_room(tc_hub_t *hub, tc_room_t *room)
{
    apr_hash_set(hub->rooms, &room->key, sizeof(room->key), NULL);
    hub->bus->room_closed(hub->bus, room);
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

static tc_room_t *open_room(tc_hub_t *hub, tc_store_t *store, const tc_uuid_t *trip_id,
                            const tc_uuid_t *room_id)
{
    tc_room_t *room = tc_room_create(store, trip_id, room_id);

    apr_hash_set(hub->rooms, &room->key, sizeof(room->key), room);
    room->next = hub->first;
    hub->first = room;
    hub->bus->room_opened(hub->bus, room);
    return room;
}

void tc_hub_join(tc_hub_t *hub, tc_member_t *member, tc_store_t *store, const tc_uuid_t *trip_id,
                 const tc_uuid_t *room_id, int64_t after)
{
    tc_room_key_t key = {store->site->index, *trip_id};
    tc_room_t *room = apr_hash_get(hub->rooms, &key, sizeof(key));

    TC_ASSERT_THREAD(TC_THREAD_LOOP);
    if (room != NULL && !tc_uuid_equal(&room->room_id, room_id)) {
        /* The trip's room was deleted and made again: whoever is in the old one has nothing to say. */
        member->sink->close(member, TC_CLOSE_RESTART, "room was replaced, reconnect");
        return;
    }
    if (room == NULL) {
        room = open_room(hub, store, trip_id, room_id);
    }
    tc_room_join(room, member, after);
}

void tc_hub_leave(tc_hub_t *hub, tc_member_t *member, int64_t now_us)
{
    (void)hub;
    TC_ASSERT_THREAD(TC_THREAD_LOOP);
    if (member->room != NULL) {
        tc_room_leave(member->room, member, now_us);
    }
}

/* ---- what members say ---- */

static void tell_error(tc_member_t *member, tc_chat_error_e error, const char *client_id,
                       const char *field)
{
    bool retry = error == TC_CHAT_UNAVAILABLE || error == TC_CHAT_OVERLOADED;
    tc_buf_t buf = TC_BUF_INIT;
    tc_blob_t *frame;

    tc_chat_encode_error(&buf, error, client_id, field, retry ? TC_RETRY_AFTER_S : 0);
    frame = tc_wire_frame(TC_OPCODE_TEXT, buf.data, buf.len, 0);
    member->sink->send(member, frame, true);
    tc_blob_unref(frame);
    tc_buf_free(&buf);
}

static void submit_write(tc_member_t *member, const tc_chat_in_t *in)
{
    tc_room_t *room = member->room;
    tc_job_t *job = tc_job_create(in->kind == TC_CHAT_IN_MESSAGE ? TC_JOB_POST : TC_JOB_EDIT,
                                  room->store, in->content, in->content_len, in->client_id);

    job->room = room;
    job->member = member;
    job->room_id = room->room_id;
    job->user = tc_user_ref(member->user);
    job->origin = member->id;
    job->message_type = in->message_type;
    job->has_reply = in->has_reply;
    job->reply_to = in->reply_to;
    job->message_id = in->message_id;
    if (job->kind == TC_JOB_POST) {
        tc_uuid_make_v7(&job->message_id);
    }
    if (room->store->submit(room->store, job) != APR_SUCCESS) {
        tell_error(member, TC_CHAT_OVERLOADED, in->client_id, NULL);
        tc_job_destroy(job);
        return;
    }
    room->jobs++;
    member->jobs++;
    tc_room_add_write(room, job);
}

void tc_hub_on_text(tc_hub_t *hub, tc_member_t *member, const char *text, size_t len,
                    int64_t now_us)
{
    tc_chat_in_t in;
    tc_chat_error_e error = tc_chat_decode(text, len, &member->room->site->rules, &in);

    (void)hub;
    TC_ASSERT_THREAD(TC_THREAD_LOOP);
    if (error != TC_CHAT_OK) {
        tell_error(member, error, in.client_id, in.bad_field);
    }
    else if (in.kind == TC_CHAT_IN_TYPING) {
        tc_typing_on_message(member, in.is_typing, now_us);
    }
    else {
        submit_write(member, &in);
    }
    tc_chat_in_free(&in);
}

/* ---- what the store answers ---- */

/*
 * What was stored goes to the room, unless a fetch has brought it there already; what had been stored
 * before, and seen, to its sender alone.
 */
static void on_stored(tc_hub_t *hub, tc_room_t *room, tc_job_t *job)
{
    tc_event_t *event = job->events;
    tc_member_t *member = job->member;

    if (!job->repeated) {
        hub->bus->publish(hub->bus, room, event);
    }
    else if (room->loaded && event->seq <= room->timeline.last_seq) {
        if (member->room == room) {
            member->sink->send(member, event->own ? event->own : event->wire, true);
        }
        return;
    }
    tc_room_ingest(room, event);
}

static void on_written(tc_hub_t *hub, tc_room_t *room, tc_job_t *job)
{
    tc_member_t *member = job->member;
    tc_chat_error_e error = job->error;

    if (job->status == TC_JOB_DONE) {
        on_stored(hub, room, job);
        return;
    }
    if (member->room != room) {
        return;
    }
    if (job->status == TC_JOB_GONE) {
        member->sink->close(member, TC_CLOSE_FORBIDDEN, "Forbidden");
        return;
    }
    if (job->status == TC_JOB_UNAVAILABLE) {
        error = TC_CHAT_UNAVAILABLE;
    }
    tell_error(member, error, job->client_id, NULL);
}

void tc_hub_on_job(tc_hub_t *hub, tc_job_t *job, int64_t now_us)
{
    tc_room_t *room = job->room;
    tc_member_t *member = job->member;

    TC_ASSERT_THREAD(TC_THREAD_LOOP);
    switch (job->kind) {
    case TC_JOB_POST:
    case TC_JOB_EDIT:
        tc_room_remove_write(room, job);
        on_written(hub, room, job);
        break;
    case TC_JOB_LOAD:
        tc_room_on_load(room, job);
        break;
    case TC_JOB_EVENTS:
        tc_room_on_events(room, job);
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

void tc_hub_tick(tc_hub_t *hub, int64_t now_us)
{
    tc_room_t **at = &hub->first;

    TC_ASSERT_THREAD(TC_THREAD_LOOP);
    while (*at != NULL) {
        tc_room_t *room = *at;
        bool idle = room->count == 0 && room->jobs == 0;

        if (idle && now_us - room->empty_since_us >= room->site->room_linger_us) {
            *at = room->next;
            forget_room(hub, room);
            continue;
        }
        room->probe = room->probe || now_us < hub->watch_until_us;
        tc_room_retry(room);
        at = &room->next;
    }
}
