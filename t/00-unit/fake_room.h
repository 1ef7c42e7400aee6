/*
 * A chat without a network or a database, for the tests of the domain. The store keeps its rows in memory, records its
 * jobs, and works and answers only when the test says so. The members record what they are sent, and check that they
 * get each event once, in seq order, and that none is left out. The hub is the real one. A test includes fake_room.c,
 * which includes this file.
 *
 * A member's transcript, words with a space between them:
 *   fresh(1:a 2:b last 2)    message_history; lost(…) with recovered false, resumed(…) with true
 *   msg(3:c) edit(4:d)       chat_message and message_edited, "seq:content"
 *   msg(3:c own c1)          the sender's copy, with its client_id
 *   typing(bob on)           typing(bob off)
 *   error(overloaded c1 2s)  code, client_id, field, retry_after, if the error has them
 *   CLOSE1013                the room closes the connection; frames after that are not recorded
 */
#ifndef FAKE_ROOM_H
#define FAKE_ROOM_H

#include "fake_bus.h"
#include "unit.h"

#include "domain/hub.h"
#include "domain/typing.h"

#define FAKE_TRIP "550e8400-e29b-41d4-a716-446655440000"
#define FAKE_ROOM "018d0000-0000-7000-8000-000000000001"
#define FAKE_SECOND INT64_C(1000000)

enum { FAKE_TEXTS = 400 }; /* of one message at most; later ones are not told apart */

/* A message of the fake store. Its events are rows. */
typedef struct {
    tc_uuid_t id;
    int64_t seq;
    tc_user_t *sender;
    char *content;
    char *client_id; /* NULL: none */
    bool edited;
    bool deleted;
    bool repeated;   /* a POST with the same client_id came again */
    char *texts[FAKE_TEXTS]; /* what it has read, the oldest first */
    int text_count;
} fake_message_t;

/* An event: rows[seq - 1]. */
typedef struct {
    tc_event_kind_e kind;
    int message;
} fake_row_t;

typedef struct {
    tc_mail_t *first;
    tc_mail_t **end;
    unsigned count;
} fake_list_t;

typedef struct fake_store_t {
    tc_store_t store; /* must be the first member */
    tc_site_t site;
    struct fake_store_t *rows_of; /* the store whose rows this one uses: itself, or another child's store */
    tc_bus_t *bus;                /* the bus of the same site */
    fake_message_t *messages;
    int message_count;
    fake_row_t *rows;
    int64_t last_seq;
    int32_t epoch;
    const char *stranger;         /* the id of a user who may no longer enter; NULL: none */
    const char *unknown;          /* the claim of a user whom the site does not have any more; often the id; NULL: none */
    const tc_uuid_t *mute_room;   /* a question that asks for this room and others has no answer; NULL: none */
    bool room_is_gone;
    fake_list_t queued;        /* jobs as they were submitted */
    fake_list_t worked;        /* finished jobs that the hub does not have back yet */
    unsigned max_queued;       /* beyond this number, submit() returns APR_EAGAIN */
    tc_job_status_e fail_with; /* TC_JOB_PENDING: work as usual */
    tc_chat_error_e fail_error; /* with TC_JOB_REFUSED */
    bool fail_after_commit;    /* a write that fails is stored nevertheless */
} fake_store_t;

struct fake_world_t;

/* The numbers, from 1, of a message's newest text and of its last text that a member was shown; 0: none. */
typedef struct {
    int newest;
    int last;
} fake_shown_t;

typedef struct fake_member_t {
    tc_member_t member; /* must be the first member */
    struct fake_member_t *next;
    struct fake_world_t *world;
    fake_store_t *store;
    tc_buf_t transcript;
    int64_t seen;       /* seq of the newest event that was sent to the member; -1: it has no history yet */
    int64_t history_seq; /* last_seq of the member's history */
    fake_shown_t *texts; /* for each message */
    int texts_size;
    unsigned closed;    /* close code, or 0 */
    int64_t woken_us;   /* the time that the last wake() asked for */
    unsigned frames;
    unsigned urgent;    /* frames that were sent as urgent */
    unsigned settled;
    bool quiet;         /* the member keeps no transcript */
} fake_member_t;

/* A child. */
typedef struct fake_world_t {
    apr_pool_t *pool;
    tc_hub_t *hub;
    fake_store_t store;
    fake_bus_t bus;
    fake_member_t *members;
    uint64_t last_member_id;
    int64_t now_us;
} fake_world_t;

/* ---- the store ---- */

void fake_store_open(fake_store_t *store, tc_bus_t *bus);
void fake_store_close(fake_store_t *store);

/* Commits a message or an edit as another child does. Returns the event's seq. */
int64_t fake_write(fake_store_t *store, tc_user_t *sender, const char *content,
                   const char *client_id);
int64_t fake_edit(fake_store_t *store, int64_t message_seq, const char *content);

/* Deletes a message with all its events. */
void fake_delete(fake_store_t *store, int64_t message_seq);
bool fake_has(const fake_store_t *store, int64_t seq);

/* The store loses its newest events, which must be messages. / The room gets another epoch. */
void fake_fail_over(fake_store_t *store, int lost);
void fake_begin_epoch(fake_store_t *store);

/* Makes the event of a row, as a reader of the database does. NULL: the message was deleted. */
tc_event_t *fake_event(const fake_store_t *store, int64_t seq);

/* Does the work of the oldest queued job. False: there is none. */
bool fake_work(fake_store_t *store);

/* Makes a store use the rows of another one. Call this before the store is used. */
void fake_store_share(fake_store_t *store, fake_store_t *rows_of);

/* Does the work of all queued jobs, the writes before the reads. The jobs are answered in their own order. */
void fake_work_batch(fake_store_t *store);

/* Takes the oldest finished job. NULL: there is none. */
tc_job_t *fake_take(fake_store_t *store);

/* The queued jobs in order: "LOAD EVENTS>3 POST HEADS:2 ACCESS:2". Numbers: `after`, rooms, users. */
const char *fake_jobs(const fake_store_t *store);

/* ---- the world ---- */

/* Makes a child that is alone, a child whose bus has this state, or a second child on the rows of `elder`. */
fake_world_t *fake_open(void);
fake_world_t *fake_open_bus(tc_bus_state_e state);
fake_world_t *fake_open_sibling(fake_world_t *elder);

/* Lets all members leave, all jobs come back and all rooms be forgotten, then frees the child. Close siblings first. */
void fake_close(fake_world_t *world);

fake_member_t *fake_join(fake_world_t *world, const char *user, int64_t after);
fake_member_t *fake_join_room(fake_world_t *world, fake_store_t *store, const char *user,
                              int64_t after, const char *trip_id, const char *room_id);

/* Adds a newcomer whose token names the user by `claim`, not by their id. The transcript is empty afterwards. */
fake_member_t *fake_settle_in_as(fake_world_t *world, const char *user, const char *claim);

/* Adds a client that says to which epoch `after` belongs. */
fake_member_t *fake_resume(fake_world_t *world, const char *user, int64_t after, int32_t epoch);

/* Adds a member that moves here from another child, where it has seen the events up to `cursor`. */
fake_member_t *fake_rejoin(fake_world_t *world, const char *user, int64_t cursor);

/* Adds a newcomer to one of 10,000 rooms, each of a trip of its own. */
fake_member_t *fake_join_number(fake_world_t *world, const char *user, int number);
void fake_leave(fake_world_t *world, fake_member_t *member);

/* A member sends a chat_message (client_id may be NULL), an edit, a typing message, or any JSON. */
void fake_say(fake_member_t *member, const char *content, const char *client_id);
void fake_say_edit(fake_member_t *member, int64_t message_seq, const char *content);

/* The same with a client_id. */
void fake_say_edit_as(fake_member_t *member, int64_t message_seq, const char *content, const char *client_id);
void fake_type(fake_member_t *member, bool is_typing);
void fake_send(fake_member_t *member, const char *json);

/* The room that was opened last and is still open. */
tc_room_t *fake_room(const fake_world_t *world);

/* The bus brings an event that another child committed. */
void fake_bring(fake_world_t *world, int64_t seq);

/* The bus brings the last seq of a room, as another child announces it. */
void fake_hear_head(fake_world_t *world, int64_t seq);

/* The bus comes up, goes down, or reports the same state again. */
void fake_bus_becomes(fake_world_t *world, tc_bus_state_e state);

/* The bus has subscribed to a room: no later event of the room is missed. */
void fake_bus_joins(fake_world_t *world);

/* Another child commits a message of the user zoe, and the bus brings it. */
int64_t fake_elsewhere(fake_world_t *world, const char *content);

/* Another child commits a message of the user zoe, and the bus loses it. */
int64_t fake_lose(fake_world_t *world, const char *content);

/* Adds a newcomer, who gets a history. The transcript is empty afterwards. */
fake_member_t *fake_settle_in(fake_world_t *world, const char *user);

/* Makes a room with ann in it, who has seen messages 1 to `count`: "m1", "m2" … */
fake_member_t *fake_ann_after(fake_world_t *world, int count);

/* Gives the oldest finished job back to the hub. False: there is none. */
bool fake_answer(fake_world_t *world, fake_store_t *store);

/* Gives the oldest finished read back, before writes that were finished earlier. False: there is none. */
bool fake_answer_read(fake_world_t *world, fake_store_t *store);

/* Rooms that are opened from now on are served in portions: a portion at a time with tc_hub_serve_on(), or fake_settle(). */
void fake_serve_in_portions(fake_world_t *world, unsigned portion);

/* Works, answers and serves until no job is left, and nobody waits for their turn. */
void fake_settle(fake_world_t *world);

/* A second passes, and the hub's tick runs. */
void fake_tick(fake_world_t *world);

/* Compares a member's transcript since the last comparison, and empties it. */
#define fake_expect(who, expected)                                                                 \
    do {                                                                                           \
        fake_member_t *whose = (who);                                                              \
        ck_assert_str_eq(fake_transcript(whose), (expected));                                      \
        fake_forget(whose);                                                                        \
    } while (0)

/* Compare the queued jobs, and the record of the bus since the last comparison. */
#define fake_expect_jobs(world, expected)                                                          \
    ck_assert_str_eq(fake_jobs(&(world)->store), (expected))
#define fake_expect_told(world, expected)                                                          \
    ck_assert_str_eq(fake_told(&(world)->bus), (expected))

/* Checks that the last text of each message that the member was shown is the newest that it was shown. */
void fake_check_texts(const fake_member_t *member);

const char *fake_transcript(fake_member_t *member);
void fake_forget(fake_member_t *member);

/* One child with two sites, each with a store and a bus of its own. Ann is on the first one, bob on the other. */
typedef struct {
    fake_world_t *world, *other; /* only the store and the bus of `other` are used */
    fake_member_t *ann, *bob;
} fake_sites_t;

/* Lets both sites work until nothing is left to do. */
void fake_settle_sites(fake_sites_t *sites);

/* Has ann and bob join, and forgets what they got. */
void fake_seat_two(fake_sites_t *sites);

/* Ends both. */
void fake_close_sites(fake_sites_t *sites);

#endif
