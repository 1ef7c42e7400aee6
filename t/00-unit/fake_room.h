/*
 * A chat without a network or a database, for the tests of the domain: a store that keeps its rows in
 * memory, records its jobs and works and answers when told; members that write down what they are sent
 * and check promise 3 on the way (each event once, in seq order, none left out); and the hub between.
 * A test includes fake_room.c, which brings this.
 *
 * A member's transcript, words with a space between:
 *   fresh(1:a 2:b last 2)    message_history; lost(…) with recovered false, resumed(…) with true
 *   msg(3:c) edit(4:d)       chat_message and message_edited, "seq:content"
 *   msg(3:c own c1)          the sender's copy, with its client_id
 *   typing(bob on)           typing(bob off)
 *   error(overloaded c1 2s)  code, client_id, field, retry_after, as far as there are any
 *   CLOSE1013                the room ends the connection; what is sent after is not written down
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

/* A message of the fake store; its events are rows. */
typedef struct {
    tc_uuid_t id;
    int64_t seq;
    tc_user_t *sender;
    char *content;
    char *client_id; /* NULL when it has none */
    bool edited;
    bool deleted;
    bool repeated;   /* a POST of the same client_id came again */
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
    tc_store_t store; /* stands first */
    tc_site_t site;
    struct fake_store_t *rows_of; /* whose rows it reads and writes: its own, or another child's */
    tc_bus_t *bus;                /* that it comes with */
    fake_message_t *messages;
    int message_count;
    fake_row_t *rows;
    int64_t last_seq;
    const char *stranger;         /* id of a user who may no longer enter; NULL: none */
    bool room_is_gone;
    fake_list_t queued;        /* jobs as they were submitted */
    fake_list_t worked;        /* jobs with their result, not answered yet */
    unsigned max_queued;       /* submit() says APR_EAGAIN beyond */
    tc_job_status_e fail_with; /* TC_JOB_PENDING: work as usual */
    bool fail_after_commit;    /* a write that fails has been stored all the same */
} fake_store_t;

struct fake_world_t;

typedef struct fake_member_t {
    tc_member_t member; /* stands first */
    struct fake_member_t *next;
    struct fake_world_t *world;
    fake_store_t *store;
    tc_buf_t transcript;
    int64_t seen;       /* seq of the newest event it was shown, -1 before its history */
    int64_t history_seq; /* what its history reached to */
    unsigned closed;    /* close code, or 0 */
    int64_t woken_us;   /* the last wake() asked for */
    unsigned frames;
    unsigned urgent;    /* frames that it waits for */
    unsigned settled;
    bool quiet;         /* keeps no transcript */
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

/* What another child commits; returns the event's seq. */
int64_t fake_write(fake_store_t *store, tc_user_t *sender, const char *content,
                   const char *client_id);
int64_t fake_edit(fake_store_t *store, int64_t message_seq, const char *content);

/* Deletes a message with all its events. */
void fake_delete(fake_store_t *store, int64_t message_seq);
bool fake_has(const fake_store_t *store, int64_t seq);

/* The event of a row, as a reader of the database makes it; NULL when it was deleted. */
tc_event_t *fake_event(const fake_store_t *store, int64_t seq);

/* Does the work of the oldest queued job; false when there is none. */
bool fake_work(fake_store_t *store);

/* Another store of the same rows, before anything is done with it. */
void fake_store_share(fake_store_t *store, fake_store_t *rows_of);

/* Does the work of all queued jobs, the writes before the reads; they are answered in their order. */
void fake_work_batch(fake_store_t *store);

/* Takes the oldest job that was worked on; NULL when there is none. */
tc_job_t *fake_take(fake_store_t *store);

/* The kinds of the queued jobs, in order: "LOAD EVENTS>3 POST HEADS:2", the latter with its rooms;
 * ACCESS:2 with its users. */
const char *fake_jobs(const fake_store_t *store);

/* ---- the world ---- */

/* A child that is alone; one whose bus is as it is told; and another child on the rows of that one. */
fake_world_t *fake_open(void);
fake_world_t *fake_open_bus(tc_bus_state_e state);
fake_world_t *fake_open_sibling(fake_world_t *elder);

/* Lets everybody leave, every job come back and every room go; frees all of it. Siblings go first. */
void fake_close(fake_world_t *world);

fake_member_t *fake_join(fake_world_t *world, const char *user, int64_t after);
fake_member_t *fake_join_room(fake_world_t *world, fake_store_t *store, const char *user,
                              int64_t after, const char *trip_id, const char *room_id);
/* One that has seen the events up to `cursor` in another child, and comes from there. */
fake_member_t *fake_rejoin(fake_world_t *world, const char *user, int64_t cursor);
/* A newcomer in one of 10,000 rooms, each of a trip of its own. */
fake_member_t *fake_join_number(fake_world_t *world, const char *user, int number);
void fake_leave(fake_world_t *world, fake_member_t *member);

/* A member sends a chat_message (client_id may be NULL), an edit, a typing, or anything. */
void fake_say(fake_member_t *member, const char *content, const char *client_id);
void fake_say_edit(fake_member_t *member, int64_t message_seq, const char *content);
void fake_type(fake_member_t *member, bool is_typing);
void fake_send(fake_member_t *member, const char *json);

/* The room that was opened last and is open still. */
tc_room_t *fake_room(const fake_world_t *world);

/* An event that was committed elsewhere comes over the bus. */
void fake_bring(fake_world_t *world, int64_t seq);

/* The bus says how far a room has come elsewhere. */
void fake_hear_head(fake_world_t *world, int64_t seq);

/* The bus comes up, goes down or says its state once more. */
void fake_bus_becomes(fake_world_t *world, tc_bus_state_e state);

/* The bus has taken up a room: from now on nothing of it passes by. */
void fake_bus_joins(fake_world_t *world);

/* Another child commits a message of zoe's, and the bus brings it. */
int64_t fake_elsewhere(fake_world_t *world, const char *content);

/* The same, and the bus does not bring it. */
int64_t fake_lose(fake_world_t *world, const char *content);

/* A newcomer that has its history, and nothing in its transcript. */
fake_member_t *fake_settle_in(fake_world_t *world, const char *user);

/* A room with ann in it, who has seen messages 1 to `count`: "m1", "m2" … */
fake_member_t *fake_ann_after(fake_world_t *world, int count);

/* Answers the oldest worked job; false when there is none. */
bool fake_answer(fake_world_t *world, fake_store_t *store);

/* Works and answers until nothing is left to do. */
void fake_settle(fake_world_t *world);

/* A second goes by. */
void fake_tick(fake_world_t *world);

/* Compares a member's transcript since the last time and starts it anew. */
#define fake_expect(who, expected)                                                                 \
    do {                                                                                           \
        fake_member_t *whose = (who);                                                              \
        ck_assert_str_eq(fake_transcript(whose), (expected));                                      \
        fake_forget(whose);                                                                        \
    } while (0)

/* Compares the jobs that are queued, and what the bus was told since the last time. */
#define fake_expect_jobs(world, expected)                                                          \
    ck_assert_str_eq(fake_jobs(&(world)->store), (expected))
#define fake_expect_told(world, expected)                                                          \
    ck_assert_str_eq(fake_told(&(world)->bus), (expected))

const char *fake_transcript(fake_member_t *member);
void fake_forget(fake_member_t *member);

#endif
