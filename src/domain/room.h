/*
 * A live room: its members, its timeline, and the rule by which every member sees each event once and in seq order. The
 * rule: an event goes to the members whose cursor is seq - 1. The other members catch up from the timeline or from the
 * store. This file keeps the members and hands events over. room_serve.h decides what a member gets, and room_fetch.h
 * takes in the store's answers. Loop thread only; time is passed in.
 */
#ifndef TC_DOMAIN_ROOM_H
#define TC_DOMAIN_ROOM_H

#include "domain/bus.h"
#include "domain/confirm.h"
#include "domain/member.h"
#include "domain/roster.h"
#include "domain/store.h"
#include "domain/timeline.h"

#include <stddef.h>
#include <string.h>

/*
 * The keys by which a room is found: with the trip's id, and with its own. Two sites may use the same id. The bytes are
 * hashed, those of a trip's key up to the end of its text (tc_room_trip_key_len()), so there is no padding.
 */
typedef struct {
    uint32_t site_index;
    tc_trip_t trip;
} tc_room_trip_key_t;

typedef struct {
    uint32_t site_index;
    tc_uuid_t id;
} tc_room_key_t;

typedef struct tc_room_t {
    tc_room_trip_key_t trip_key;
    tc_room_key_t id_key;    /* with the room's id */
    const tc_site_t *site;
    tc_store_t *store;
    tc_bus_t *bus;
    tc_uuid_t room_id;
    bool published;          /* an event of this room went to the bus */
    bool untold;             /* the other children may have missed events of this child: announce the last seq */
    tc_member_t **members;   /* in no order */
    unsigned count, size;
    unsigned portion;        /* const; members that are served, or events that members are handed, at once */
    unsigned unserved;       /* members[0..unserved) may lack events of the timeline, and have their turn one after another */
    int64_t turn_seq;        /* the last seq when their turn began: those after them have seen it; valid while there are some */
    bool is_queued;          /* in the queue of rooms with unserved members; see rooms.h */
    struct tc_room_t *next_unserved;
    tc_roster_t roster;      /* the members' users; empty where access is not checked */
    tc_timeline_t timeline;
    bool loaded;
    bool stale;              /* the timeline was read before the last access check: newcomers wait for a LOAD */
    bool loading;            /* a LOAD is in flight */
    bool probe;              /* events may have been missed: ask the store for the last seq */
    int64_t heard_seq;       /* the greatest seq heard of; if it is beyond last_seq, events are missing */
    bool fetching;           /* the room's own EVENTS job is in flight */
    int64_t asked_seq;       /* heard_seq when that job was sent: the store knows that seq, or it does not exist */
    bool lagging;            /* some members fell behind the log */
    bool catching_up;        /* the EVENTS job of all members that fell behind the log is in flight */
    bool resuming;           /* the EVENTS job of all members that resume is in flight */
    bool resumes_exactly;    /* the next such job must not begin before the member that lacks the most */
    tc_event_t *held;        /* early events, ascending by seq */
    unsigned held_count;
    size_t held_bytes;
    tc_confirm_t *confirms;  /* for events that have not reached their senders yet */
    tc_job_t *writes;        /* POSTs and EDITs in flight, the oldest first */
    tc_job_t **writes_end;
    int64_t waiting_us;      /* when the hub's tick first saw members wait for the store; 0: none wait */
    unsigned checks;         /* ACCESS jobs in flight */
    int check_company;       /* the next access check asks for at most so many rooms together; 0: no matter how many */
    int64_t check_due_us;    /* the next access check; monotonic; 0: not set yet */
    unsigned jobs;           /* jobs in flight; the room stays in memory until they are back */
    int64_t empty_since_us;  /* monotonic; valid while count is 0 */
    bool doubted;            /* the log may have lost events: the store has to compare; see mend.h */
    bool mending;            /* the MEND job is in flight */
    bool replaced;           /* deleted, and its trip has another room: the room only waits for its members to go */
    int64_t replaced_us;     /* when the hub's tick first saw that; monotonic; 0: not yet */
    struct tc_room_t *twin;  /* the next room with this id, of another site: a circle, of this room alone at first */
    struct tc_room_t *next;  /* in the list of its site; see rooms.h */
    struct tc_room_t **link; /* the pointer that points to this room */
    struct tc_room_t *next_lacking; /* in the list of rooms that lack something */
    struct tc_room_t **lacking_link; /* NULL: the room is not in that list */
} tc_room_t;

static inline apr_ssize_t tc_room_trip_key_len(const tc_room_trip_key_t *key)
{
    return (apr_ssize_t)(offsetof(tc_room_trip_key_t, trip) + strlen(key->trip.text));
}

/*
 * The next room after `at` in the circle of `room` that is the same room of the same database, as another site of this
 * child has it. Begin with `room` itself. NULL: there is none any more.
 */
tc_room_t *tc_room_next_twin(const tc_room_t *room, const tc_room_t *at);

/* Makes an empty room, not loaded yet. The hub frees it with tc_room_destroy(). */
tc_room_t *tc_room_create(tc_store_t *store, tc_bus_t *bus, const tc_trip_t *trip,
                          const tc_uuid_t *room_id);

/* Frees a room that has no members and no jobs in flight. */
void tc_room_destroy(tc_room_t *room);

/* Forgets all events and what is owed to members, so that the room is loaded anew. The members and jobs stay. */
void tc_room_forget(tc_room_t *room);

/* Adds a member to the list; room_serve.h then serves it. _leave() removes it and frees its confirmations. */
void tc_room_add(tc_room_t *room, tc_member_t *member);
void tc_room_leave(tc_room_t *room, tc_member_t *member, int64_t now_us);

/* True while the member waits for an answer that only this child can give: a job it was not told of, a confirmation. */
bool tc_room_owes(const tc_room_t *room, const tc_member_t *member);

/*
 * Takes an event of this room: from the store or over the bus, once or several times, early or late. The caller keeps
 * its reference.
 */
void tc_room_ingest(tc_room_t *room, tc_event_t *event);

/*
 * _add_write() notes a POST or EDIT that was submitted to the store, _remove_write() that it has come back. Meanwhile a
 * fetch may bring the job's event. The sender then still gets its own copy, exactly once: of a POST in the place of the
 * event that the fetch brought, which the message's id tells. An edit has no id of its own, and others may edit the same
 * message. So an event that may be the member's own edit waits, for this member alone, until the job is back.
 */
void tc_room_add_write(tc_room_t *room, tc_job_t *job);
void tc_room_remove_write(tc_room_t *room, tc_job_t *job);

/*
 * Confirms a POST or EDIT that was stored. Its sender gets its own copy when its cursor reaches the event. If the cursor
 * has passed a POST already, because it is in the history or was deleted, the sender gets a copy with a client_id at
 * once, unless it was told something before. Does nothing if a fetch has brought the event before (job->claimed).
 * Returns false if the cursor has passed an EDIT: the message was deleted, and the copy would come behind later events.
 * The sender then has no answer yet.
 */
bool tc_room_confirm(tc_room_t *room, const tc_job_t *job);

/* Notes that a job of this room has come back. */
void tc_room_end_job(tc_room_t *room, int64_t now_us);

/* The member's room was deleted: tells it to reconnect. Its trip may have another room, so the handshake decides. */
void tc_room_send_away(tc_member_t *member);

/* Notes that, as the bus or the store says, the room has an event with this seq. */
void tc_room_hear(tc_room_t *room, int64_t seq);

/* Sends a frame to every member that has its history and belongs to another user. */
void tc_room_send_others(tc_room_t *room, const char *user_id, tc_blob_t *frame);

/* ---- for room_serve.c and room_fetch.c ---- */

/* True if the event may be an edit of this member that is still in flight. Then its place waits for the job. */
bool tc_room_is_undecided(const tc_room_t *room, const tc_member_t *member, const tc_event_t *event);

/*
 * Sends a member the event that follows its cursor. The event's sender gets its own copy instead. Events between the two
 * were deleted.
 */
void tc_room_hand_over(tc_room_t *room, tc_member_t *member, tc_event_t *event);

/* Sends a member its confirmations up to `seq`. The events themselves will not be handed to the member any more. */
void tc_room_confirm_until(tc_room_t *room, tc_member_t *member, int64_t seq);

/*
 * Adds the room's next event to the timeline, and sends it to the members that have seen all events before it. In a room
 * with more members than room->portion, the others have their turn later: tc_room_serve_on().
 */
void tc_room_deliver(tc_room_t *room, tc_event_t *event);

/* Delivers the early events whose turn has come, and drops those that were delivered before. */
void tc_room_release_held(tc_room_t *room);

/* Removes the early event at *at from the list. The caller owns its reference. */
tc_event_t *tc_room_unhold(tc_room_t *room, tc_event_t **at);

/* Returns the room's own copy of a fetched event, so that memory holds only one; otherwise `event`. No reference. */
tc_event_t *tc_room_copy_of(const tc_room_t *room, tc_event_t *event);

#endif
