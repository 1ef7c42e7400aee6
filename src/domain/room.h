/*
 * A live room: its members, its timeline, and the rule that makes every member see each event once and
 * in seq order (promise 3): an event goes to the members whose cursor stands right before it; whoever
 * is elsewhere is brought there from the timeline or the store. Here is who is in it and how an event is handed over;
 * room_serve.h decides what a member is brought, room_fetch.h takes in what the store says. The loop's; time is passed
 * in.
 */
#ifndef TC_DOMAIN_ROOM_H
#define TC_DOMAIN_ROOM_H

#include "domain/bus.h"
#include "domain/confirm.h"
#include "domain/member.h"
#include "domain/store.h"
#include "domain/timeline.h"

/* What a room is found by: two sites may have the same id. No padding: it is hashed. */
typedef struct {
    uint32_t site_index;
    tc_uuid_t id;
} tc_room_key_t;

typedef struct tc_room_t {
    tc_room_key_t key;       /* of the trip */
    tc_room_key_t id_key;    /* of the room */
    const tc_site_t *site;
    tc_store_t *store;
    tc_bus_t *bus;
    tc_uuid_t room_id;
    bool published;          /* the bus was given an event of this room */
    bool untold;             /* the bus may not have passed on all that this child committed */
    tc_member_t **members;   /* in no order */
    unsigned count, size;
    tc_timeline_t timeline;
    bool loaded;
    bool stale;              /* what the timeline keeps was read before the last check: newcomers wait for a LOAD */
    bool loading;            /* a LOAD is in flight */
    bool probe;              /* it may have missed news: ask the store how far it has come */
    int64_t heard_seq;       /* the greatest seq heard of: beyond last_seq something is missing */
    bool fetching;           /* the room's own EVENTS job is in flight */
    int64_t asked_seq;       /* heard_seq when it was sent: the store knows of it, or there is no such event */
    bool lagging;            /* members wait until the store can be asked again for what the log has no more */
    bool resuming;           /* the EVENTS job of all members that resume is in flight */
    tc_event_t *held;        /* early events, ascending */
    unsigned held_count;
    size_t held_bytes;
    tc_confirm_t *confirms;  /* owed for events that have not reached their senders */
    tc_job_t *writes;        /* POSTs and EDITs in flight, the oldest first */
    tc_job_t **writes_end;
    int64_t waiting_us;      /* when the hub's tick found members waiting for the store; 0: none wait */
    unsigned checks;         /* ACCESS jobs in flight */
    int64_t check_due_us;    /* monotonic; 0: not settled yet */
    unsigned jobs;           /* in flight; the room stays in memory until they are back */
    int64_t empty_since_us;  /* monotonic; meaningful while count is 0 */
    struct tc_room_t *next;  /* the hub's sweep */
} tc_room_t;

tc_room_t *tc_room_create(tc_store_t *store, tc_bus_t *bus, const tc_uuid_t *trip_id,
                          const tc_uuid_t *room_id);

/* Frees an empty room without jobs in flight. */
void tc_room_destroy(tc_room_t *room);

/* Adds a member; what it is brought is room_serve.h's. Takes one out, with what it is owed. */
void tc_room_add(tc_room_t *room, tc_member_t *member);
void tc_room_leave(tc_room_t *room, tc_member_t *member, int64_t now_us);

/* True while a member has something to come that only this child knows of: an answer to what it said. */
bool tc_room_owes(const tc_room_t *room, const tc_member_t *member);

/* Takes an event of this room from wherever it comes, once or often, early or late. Does not keep the
 * caller's reference. */
void tc_room_ingest(tc_room_t *room, tc_event_t *event);

/*
 * Notes a POST or EDIT that is on its way to the store, and that it has come back. Meanwhile a fetch may bring
 * its event first: the sender gets its own copy even so, and one only.
 */
void tc_room_add_write(tc_room_t *room, tc_job_t *job);
void tc_room_remove_write(tc_room_t *room, tc_job_t *job);

/*
 * A POST or EDIT was stored: its sender gets its own copy when the event reaches it, or now where it has
 * been shown the event before. Once: what a fetch has brought for it counts.
 */
void tc_room_confirm(tc_room_t *room, const tc_job_t *job);

/* The room is said to have come as far as `seq`. */
void tc_room_hear(tc_room_t *room, int64_t seq);

/* Sends a frame to every member whose user is another and who has its history. */
void tc_room_send_others(tc_room_t *room, const char *user_id, tc_blob_t *frame);

/* ---- for room_serve.c and room_fetch.c ---- */

/* Shows a member the event that follows its cursor; whom it answers gets its own copy in its place. */
void tc_room_hand_over(tc_room_t *room, tc_member_t *member, tc_event_t *event);

/* Gives a member what it is owed up to `seq`, events that it will not be shown any more. */
void tc_room_confirm_until(tc_room_t *room, tc_member_t *member, int64_t seq);

/* Adds the room's next event to its timeline and shows it to those who have seen all before it. */
void tc_room_deliver(tc_room_t *room, tc_event_t *event);

/* Delivers early events whose turn has come and drops those that have been seen. */
void tc_room_release_held(tc_room_t *room);

/* Takes an early event out of its list; the reference is the caller's. */
tc_event_t *tc_room_unhold(tc_room_t *room, tc_event_t **at);

/* The room's own copy of a fetched event, or else `event`: one is enough to keep. No reference. */
tc_event_t *tc_room_copy_of(const tc_room_t *room, tc_event_t *event);

#endif
