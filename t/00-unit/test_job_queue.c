/* The queue of the db threads: rooms take turns, each room keeps its order, and what is locked waits apart. */
#include "unit.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "store/job_queue.h"

#include <string.h>

enum { ALL = TC_TAKE_WRITES | TC_TAKE_READS };

#define BUSY_US (TC_STORE_BUSY_MS * TC_US_PER_MS)

/* A queue, a thread's batch, and the jobs that were given back so far, as letters. */
typedef struct {
    tc_job_queue_t *queue;
    tc_job_batch_t batch;
    int64_t now_us;
    char back[4096];
    unsigned unavailable;
} world_t;

static world_t *open_world(void)
{
    world_t *world = tc_alloc_zero(sizeof(*world));

    world->queue = tc_job_queue_create();
    world->now_us = 1000 * TC_US_PER_S;
    return world;
}

static void close_world(world_t *world)
{
    tc_job_queue_destroy(world->queue);
    free(world);
}

/* A job of a room. Its content is one letter. */
static tc_job_t *make(tc_job_kind_e kind, unsigned room, const char *letter)
{
    static tc_store_t store;
    tc_job_t *job = tc_job_create(kind, &store, letter, strlen(letter), NULL);

    job->room_id.bytes[0] = (unsigned char)room;
    job->room_id.bytes[1] = (unsigned char)(room >> 8);
    job->room_id.bytes[2] = (unsigned char)(room >> 16);
    return job;
}

static void push(world_t *world, tc_job_t *job)
{
    ck_assert(tc_job_queue_push(world->queue, job, world->now_us));
}

static void push_as(world_t *world, unsigned room, const char *user, const char *letter)
{
    tc_job_t *job = make(TC_JOB_POST, room, letter);

    job->user = tc_user_create(user, "", "", "");
    push(world, job);
}

/* Takes a batch, and returns the letters of its jobs. */
static const char *take(world_t *world, unsigned duties)
{
    static char taken[4096];
    int i;

    taken[0] = '\0';
    if (tc_job_queue_take(world->queue, duties, world->now_us, false, &world->batch)) {
        for (i = 0; i < world->batch.count; i++) {
            ck_assert_int_eq(world->batch.jobs[i]->status, TC_JOB_PENDING);
            strcat(taken, world->batch.jobs[i]->content);
        }
    }
    return taken;
}

/* Reads and destroys the jobs that the queue gives back. */
static void collect(world_t *world, tc_job_list_t *jobs)
{
    tc_mail_t *mail = jobs->first, *next;
    unsigned count = 0;

    for (; mail != NULL; mail = next, count++) {
        tc_job_t *job = (tc_job_t *)mail;

        next = mail->next;
        strcat(world->back, job->content);
        ck_assert_int_ne(job->status, TC_JOB_BUSY);
        world->unavailable += job->status == TC_JOB_UNAVAILABLE;
        tc_job_destroy(job);
    }
    ck_assert_uint_eq(jobs->count, count);
}

/* Ends the batch. The jobs whose letters are in `busy` meet a lock of this kind. */
static void settle(world_t *world, const char *busy, tc_busy_key_e key)
{
    int i;

    collect(world, &world->batch.finished);
    for (i = 0; i < world->batch.count; i++) {
        tc_job_t *job = world->batch.jobs[i];

        job->status = strchr(busy, job->content[0]) != NULL ? TC_JOB_BUSY : TC_JOB_DONE;
        job->busy_key = key;
    }
    tc_job_queue_settle(world->queue, &world->batch, world->now_us, false);
    collect(world, &world->batch.finished);
    tc_job_queue_release(world->queue, &world->batch);
}

static void finish(world_t *world) { settle(world, "", TC_BUSY_ROOM); }

START_TEST(rooms_take_turns_in_a_batch)
{
    world_t *world = open_world();

    push(world, make(TC_JOB_POST, 1, "a"));
    push(world, make(TC_JOB_POST, 1, "b"));
    push(world, make(TC_JOB_EDIT, 1, "c"));
    push(world, make(TC_JOB_POST, 2, "x"));
    push(world, make(TC_JOB_POST, 3, "p"));
    push(world, make(TC_JOB_POST, 3, "q"));
    ck_assert_str_eq(take(world, ALL), "axpbqc");
    finish(world);
    ck_assert_str_eq(world->back, "axpbqc");
    close_world(world);
}
END_TEST

START_TEST(a_flood_in_a_room_delays_another_room_by_one_batch)
{
    world_t *world = open_world();
    int i;

    for (i = 0; i < 10 * TC_STORE_BATCH_JOBS; i++) {
        push(world, make(TC_JOB_POST, 1, "a"));
    }
    ck_assert_uint_eq(strlen(take(world, ALL)), TC_STORE_BATCH_JOBS);
    push(world, make(TC_JOB_POST, 2, "x"));
    finish(world);
    ck_assert_ptr_nonnull(strchr(take(world, ALL), 'x'));
    finish(world);
    close_world(world);
}
END_TEST

START_TEST(many_rooms_share_the_batches)
{
    world_t *world = open_world();
    unsigned room, round;

    for (room = 0; room < 2 * TC_STORE_BATCH_JOBS; room++) {
        push(world, make(TC_JOB_POST, room, "a"));
        push(world, make(TC_JOB_POST, room, "b"));
    }
    for (round = 0; round < 2; round++) { /* the first message of every room comes before the second of any */
        ck_assert_ptr_null(strchr(take(world, ALL), 'b'));
        finish(world);
    }
    ck_assert_ptr_null(strchr(take(world, ALL), 'a'));
    finish(world);
    close_world(world);
}
END_TEST

START_TEST(a_room_is_with_one_thread_at_a_time)
{
    world_t *world = open_world();
    tc_job_batch_t other;

    push(world, make(TC_JOB_POST, 1, "a"));
    ck_assert_str_eq(take(world, TC_TAKE_WRITES), "a");
    push(world, make(TC_JOB_POST, 1, "b"));
    ck_assert(!tc_job_queue_take(world->queue, TC_TAKE_WRITES, world->now_us, false, &other));
    ck_assert(!tc_job_queue_has(world->queue, TC_TAKE_WRITES));
    world->batch.jobs[0]->status = TC_JOB_DONE;
    tc_job_queue_settle(world->queue, &world->batch, world->now_us, false);
    collect(world, &world->batch.finished);
    ck_assert(!tc_job_queue_has(world->queue, TC_TAKE_WRITES)); /* until the first results are on their way */
    tc_job_queue_release(world->queue, &world->batch);
    ck_assert(tc_job_queue_has(world->queue, TC_TAKE_WRITES));
    ck_assert_str_eq(take(world, TC_TAKE_WRITES), "b");
    finish(world);
    close_world(world);
}
END_TEST

START_TEST(a_batch_is_bounded_in_bytes)
{
    world_t *world = open_world();
    size_t len = TC_STORE_BATCH_BYTES * 2 / 5;
    char *text = tc_alloc_zero(2 * TC_STORE_BATCH_BYTES);
    int i;

    memset(text, 'x', 2 * TC_STORE_BATCH_BYTES);
    for (i = 0; i < 3; i++) {
        tc_job_t *job = tc_job_create(TC_JOB_POST, NULL, text, len, NULL);

        job->room_id.bytes[0] = (unsigned char)i;
        push(world, job);
    }
    push(world, tc_job_create(TC_JOB_POST, NULL, text, 2 * TC_STORE_BATCH_BYTES - 1, NULL)); /* room 0 again */
    for (i = 0; i < 3; i++) {
        static const int counts[] = {2, 1, 1};

        ck_assert(tc_job_queue_take(world->queue, ALL, world->now_us, false, &world->batch));
        ck_assert_int_eq(world->batch.count, counts[i]);
        tc_job_queue_settle(world->queue, &world->batch, world->now_us, false);
        while (world->batch.finished.first != NULL) {
            tc_job_destroy(tc_job_list_pop(&world->batch.finished));
        }
        tc_job_queue_release(world->queue, &world->batch);
    }
    ck_assert(!tc_job_queue_has(world->queue, ALL));
    free(text);
    close_world(world);
}
END_TEST

START_TEST(the_queue_and_each_room_are_bounded)
{
    world_t *world = open_world();
    tc_job_t *job = make(TC_JOB_POST, 1, "a");
    int i;

    for (i = 0; i < TC_STORE_QUEUE_JOBS / 4; i++) {
        push(world, make(TC_JOB_POST, 1, "a"));
    }
    ck_assert(!tc_job_queue_push(world->queue, job, world->now_us));
    push(world, make(TC_JOB_LOAD, 1, ""));
    for (i = 0; i < TC_STORE_QUEUE_JOBS * 3 / 4 - 1; i++) {
        push(world, make(TC_JOB_POST, 2 + (unsigned)i, "b"));
    }
    job->room_id.bytes[0] = 2;
    ck_assert(!tc_job_queue_push(world->queue, job, world->now_us));
    tc_job_destroy(job);
    close_world(world);
}
END_TEST

START_TEST(a_queue_is_bounded_in_bytes)
{
    world_t *world = open_world();
    size_t len = 1 << 20;
    char *text = tc_alloc_zero(len);
    unsigned room, jobs;
    tc_job_t *job;

    for (room = 0; room < 4; room++) {
        for (jobs = 0; jobs < TC_STORE_QUEUE_BYTES / 4 / len; jobs++) {
            job = tc_job_create(TC_JOB_POST, NULL, text, len, NULL);
            job->room_id.bytes[0] = (unsigned char)room;
            push(world, job);
        }
        job = tc_job_create(TC_JOB_POST, NULL, "x", 1, NULL);
        job->room_id.bytes[0] = (unsigned char)room;
        ck_assert(!tc_job_queue_push(world->queue, job, world->now_us));
        tc_job_destroy(job);
    }
    job = make(TC_JOB_POST, 9, "x");
    ck_assert(!tc_job_queue_push(world->queue, job, world->now_us));
    tc_job_destroy(job);
    push(world, make(TC_JOB_LOAD, 9, ""));
    free(text);
    close_world(world);
}
END_TEST

START_TEST(a_single_thread_writes_and_reads_in_turn)
{
    world_t *world = open_world();

    push(world, make(TC_JOB_LOAD, 1, "r"));
    push(world, make(TC_JOB_LOAD, 2, "s"));
    push(world, make(TC_JOB_POST, 1, "a"));
    ck_assert_str_eq(take(world, ALL), "a");
    finish(world);
    push(world, make(TC_JOB_POST, 1, "b"));
    ck_assert_str_eq(take(world, ALL), "r"); /* a flood of writes does not hold up the reads for ever */
    finish(world);
    ck_assert_str_eq(take(world, ALL), "b"); /* between two reads the thread writes */
    finish(world);
    ck_assert_str_eq(take(world, ALL), "s");
    finish(world);
    close_world(world);
}
END_TEST

START_TEST(threads_take_what_is_theirs)
{
    world_t *world = open_world();

    push(world, make(TC_JOB_HEADS, 0, "h"));
    push(world, make(TC_JOB_ACCESS, 1, "c"));
    push(world, make(TC_JOB_POST, 1, "a"));
    push(world, make(TC_JOB_LOAD, 1, "r"));
    push(world, make(TC_JOB_PROBE, 0, "p"));
    ck_assert_str_eq(take(world, TC_TAKE_URGENT), "r");
    finish(world);
    ck_assert_str_eq(take(world, TC_TAKE_URGENT), "p");
    finish(world);
    ck_assert_str_eq(take(world, TC_TAKE_URGENT), "");
    ck_assert_str_eq(take(world, TC_TAKE_READS), "h");
    finish(world);
    ck_assert_str_eq(take(world, TC_TAKE_READS), "c");
    finish(world);
    ck_assert_str_eq(take(world, TC_TAKE_READS), "");
    ck_assert_str_eq(take(world, TC_TAKE_WRITES), "a");
    finish(world);
    close_world(world);
}
END_TEST

START_TEST(histories_go_before_checks_but_do_not_starve_them)
{
    world_t *world = open_world();
    unsigned room, turn;

    for (room = 0; room < 3; room++) {
        push(world, make(TC_JOB_HEADS, 0, "h"));
    }
    for (room = 0; room < 1000; room++) {
        push(world, make(TC_JOB_LOAD, room, "r"));
    }
    for (turn = 0; turn < 3 * (TC_STORE_TURNS + 1); turn++) {
        ck_assert_str_eq(take(world, TC_TAKE_READS), turn % (TC_STORE_TURNS + 1) == TC_STORE_TURNS ? "h" : "r");
        finish(world);
    }
    close_world(world);
}
END_TEST

START_TEST(reads_of_one_room_do_not_hold_up_others)
{
    world_t *world = open_world();
    int i;

    for (i = 0; i < 1000; i++) {
        push(world, make(TC_JOB_EVENTS, 1, "r"));
    }
    push(world, make(TC_JOB_LOAD, 2, "x"));
    ck_assert_str_eq(take(world, TC_TAKE_READS), "r");
    finish(world);
    ck_assert_str_eq(take(world, TC_TAKE_READS), "x");
    finish(world);
    close_world(world);
}
END_TEST

START_TEST(a_locked_room_waits_apart_and_keeps_its_order)
{
    world_t *world = open_world();

    push_as(world, 1, "ann", "a");
    push_as(world, 1, "bob", "b");
    push_as(world, 2, "ann", "x");
    ck_assert_str_eq(take(world, ALL), "axb");
    settle(world, "ab", TC_BUSY_ROOM);
    ck_assert_str_eq(world->back, "x");
    push_as(world, 1, "bob", "c");
    push_as(world, 2, "ann", "y");
    ck_assert_str_eq(take(world, ALL), "y"); /* other rooms go on */
    finish(world);
    ck_assert(!tc_job_queue_has(world->queue, ALL));
    ck_assert_int_eq(tc_job_queue_due_us(world->queue), world->now_us + BUSY_US);
    world->now_us += BUSY_US - 1;
    ck_assert_str_eq(take(world, ALL), "");
    world->now_us += 1;
    ck_assert_str_eq(take(world, ALL), "a"); /* one job tries whether the lock is free */
    settle(world, "a", TC_BUSY_ROOM);
    world->now_us += BUSY_US;
    ck_assert_str_eq(take(world, ALL), "a");
    finish(world);
    ck_assert_str_eq(take(world, ALL), "bc");
    finish(world);
    ck_assert_str_eq(world->back, "xyabc");
    ck_assert_int_eq(tc_job_queue_due_us(world->queue), INT64_MAX);
    close_world(world);
}
END_TEST

START_TEST(a_locked_sender_does_not_hold_up_the_room)
{
    world_t *world = open_world();

    push_as(world, 1, "ann", "a");
    push_as(world, 1, "ann", "b");
    push_as(world, 1, "bob", "x");
    ck_assert_str_eq(take(world, ALL), "abx");
    settle(world, "ab", TC_BUSY_SENDER);
    push_as(world, 1, "ann", "c");
    push_as(world, 1, "bob", "y");
    ck_assert_str_eq(take(world, ALL), "y");
    finish(world);
    world->now_us += BUSY_US;
    ck_assert_str_eq(take(world, ALL), "a");
    push_as(world, 1, "ann", "d");
    finish(world);
    ck_assert_str_eq(take(world, ALL), "bcd");
    finish(world);
    ck_assert_str_eq(world->back, "xyabcd");
    close_world(world);
}
END_TEST

/* A job about the message `target`: an edit of it, or a reply to it. */
static tc_job_t *about(tc_job_kind_e kind, unsigned char target, const char *user, const char *letter)
{
    tc_job_t *job = make(kind, 1, letter);

    job->user = tc_user_create(user, "", "", "");
    job->has_reply = kind == TC_JOB_POST;
    (kind == TC_JOB_EDIT ? &job->message_id : &job->reply_to)->bytes[0] = target;
    return job;
}

START_TEST(a_locked_message_holds_up_edits_of_it_but_no_reply_to_it)
{
    world_t *world = open_world();

    push(world, about(TC_JOB_EDIT, 1, "ann", "a"));
    ck_assert_str_eq(take(world, ALL), "a");
    settle(world, "a", TC_BUSY_TARGET);
    push(world, about(TC_JOB_EDIT, 1, "ann", "b"));
    push(world, about(TC_JOB_POST, 1, "bob", "c"));
    push(world, about(TC_JOB_EDIT, 2, "ann", "x"));
    push(world, about(TC_JOB_POST, 2, "bob", "y"));
    push_as(world, 1, "ann", "z");
    ck_assert_str_eq(take(world, ALL), "cxyz");
    finish(world);
    world->now_us += BUSY_US;
    ck_assert_str_eq(take(world, ALL), "a");
    finish(world);
    ck_assert_str_eq(take(world, ALL), "b");
    finish(world);
    ck_assert_str_eq(world->back, "cxyzab");
    close_world(world);
}
END_TEST

START_TEST(what_was_locked_may_be_locked_in_another_way)
{
    world_t *world = open_world();

    push_as(world, 1, "ann", "a");
    push_as(world, 1, "bob", "b");
    ck_assert_str_eq(take(world, ALL), "ab");
    settle(world, "ab", TC_BUSY_ROOM);
    world->now_us += BUSY_US;
    ck_assert_str_eq(take(world, ALL), "a");
    settle(world, "a", TC_BUSY_SENDER);
    ck_assert_str_eq(take(world, ALL), "b"); /* the room is free */
    finish(world);
    world->now_us += BUSY_US;
    ck_assert_str_eq(take(world, ALL), "a");
    finish(world);
    ck_assert_str_eq(world->back, "ba");
    close_world(world);
}
END_TEST

START_TEST(nobody_waits_for_a_lock_for_ever)
{
    world_t *world = open_world();
    int64_t since_us = world->now_us;

    push_as(world, 1, "ann", "a");
    push_as(world, 1, "ann", "b");
    (void)take(world, ALL);
    settle(world, "ab", TC_BUSY_ROOM);
    push_as(world, 1, "bob", "c");
    while (world->now_us - since_us < TC_STORE_BUSY_S * TC_US_PER_S / 2) {
        world->now_us += BUSY_US;
        ck_assert_str_eq(take(world, ALL), "a");
        settle(world, "abc", TC_BUSY_ROOM);
        ck_assert_str_eq(world->back, "");
    }
    push_as(world, 1, "ann", "d");
    while (world->now_us - since_us < TC_STORE_BUSY_S * TC_US_PER_S - BUSY_US) {
        world->now_us += BUSY_US;
        (void)take(world, ALL);
        settle(world, "abc", TC_BUSY_ROOM);
        ck_assert_str_eq(world->back, "");
    }
    world->now_us += BUSY_US;
    ck_assert_str_eq(take(world, ALL), "a");
    settle(world, "a", TC_BUSY_ROOM);
    ck_assert_str_eq(world->back, "bca"); /* what waited behind it is as old */
    ck_assert_uint_eq(world->unavailable, 3);
    ck_assert_str_eq(take(world, ALL), "d");
    settle(world, "", TC_BUSY_ROOM);
    ck_assert_uint_eq(world->unavailable, 3);
    close_world(world);
}
END_TEST

START_TEST(a_thread_that_ends_tries_once_more)
{
    world_t *world = open_world();

    push_as(world, 1, "ann", "a");
    push_as(world, 1, "ann", "b");
    (void)take(world, ALL);
    settle(world, "ab", TC_BUSY_SENDER);
    ck_assert(tc_job_queue_take(world->queue, ALL, world->now_us, true, &world->batch));
    ck_assert_int_eq(world->batch.count, 1);
    world->batch.jobs[0]->status = TC_JOB_BUSY;
    tc_job_queue_settle(world->queue, &world->batch, world->now_us, true);
    collect(world, &world->batch.finished);
    tc_job_queue_release(world->queue, &world->batch);
    ck_assert_uint_eq(world->unavailable, 1);
    ck_assert(tc_job_queue_take(world->queue, ALL, world->now_us, true, &world->batch));
    world->batch.jobs[0]->status = TC_JOB_DONE;
    tc_job_queue_settle(world->queue, &world->batch, world->now_us, true);
    collect(world, &world->batch.finished);
    tc_job_queue_release(world->queue, &world->batch);
    ck_assert(!tc_job_queue_take(world->queue, ALL, world->now_us, true, &world->batch));
    ck_assert_str_eq(world->back, "ab");
    close_world(world);
}
END_TEST

START_TEST(the_queue_knows_its_oldest_job_and_those_that_wait_for_a_lock)
{
    world_t *world = open_world();
    int64_t since_us = world->now_us;
    unsigned parked;

    ck_assert_int_eq(tc_job_queue_oldest_us(world->queue, &parked), INT64_MAX);
    ck_assert_uint_eq(parked, 0);
    push_as(world, 1, "ann", "a");
    world->now_us += 5;
    push_as(world, 1, "ann", "b");
    push_as(world, 2, "ann", "x");
    ck_assert_int_eq(tc_job_queue_oldest_us(world->queue, &parked), since_us);
    (void)take(world, ALL);
    ck_assert_int_eq(world->batch.oldest_us, since_us);
    settle(world, "ab", TC_BUSY_SENDER);
    ck_assert_int_eq(tc_job_queue_oldest_us(world->queue, &parked), since_us);
    ck_assert_uint_eq(parked, 2);
    close_world(world);
}
END_TEST

START_TEST(reads_that_nobody_gets_to_are_given_back)
{
    world_t *world = open_world();
    tc_job_list_t finished = {.count = 0};

    push(world, make(TC_JOB_LOAD, 1, "r"));
    push(world, make(TC_JOB_POST, 1, "a"));
    push(world, make(TC_JOB_HEADS, 0, "h"));
    world->now_us += TC_STORE_READ_S * TC_US_PER_S - 1;
    push(world, make(TC_JOB_LOAD, 1, "s"));
    push(world, make(TC_JOB_LOAD, 2, "t"));
    tc_job_queue_expire(world->queue, world->now_us, &finished);
    ck_assert_ptr_null(finished.first);
    world->now_us++;
    tc_job_queue_expire(world->queue, world->now_us, &finished);
    collect(world, &finished);
    ck_assert_str_eq(world->back, "r");
    ck_assert_uint_eq(world->unavailable, 1);
    world->now_us += TC_STORE_READ_S * TC_US_PER_S;
    memset(&finished, 0, sizeof(finished));
    tc_job_queue_expire(world->queue, world->now_us, &finished);
    collect(world, &finished);
    ck_assert_str_eq(world->back, "rst");
    ck_assert_str_eq(take(world, TC_TAKE_WRITES), "a");
    finish(world);
    ck_assert_str_eq(take(world, TC_TAKE_READS), "h");
    finish(world);
    close_world(world);
}
END_TEST

enum { ROOMS = 5, USERS = 3, JOBS = 3000 };

/* Gives the jobs of a batch a fate. A database leaves out all jobs of a sender whose row is locked. */
static void run_at_random(tc_job_batch_t *batch, unit_random_t *random)
{
    int i, earlier;

    for (i = 0; i < batch->count; i++) {
        tc_job_t *job = batch->jobs[i];

        job->busy_key = TC_BUSY_SENDER;
        job->status = unit_random_below(random, 10) == 0 ? TC_JOB_BUSY : TC_JOB_DONE;
        for (earlier = 0; earlier < i; earlier++) {
            const tc_job_t *other = batch->jobs[earlier];

            if (other->status == TC_JOB_BUSY && other->user->id[0] == job->user->id[0]
                && tc_uuid_equal(&other->room_id, &job->room_id)) {
                job->status = TC_JOB_BUSY;
            }
        }
    }
}

/* Checks that a job is newer than the last one of its sender in its room. Their ids are one letter and one byte. */
static void check_order(const tc_job_t *job, long last[ROOMS][USERS])
{
    long *before = &last[job->room_id.bytes[0]][job->user->id[0] - 'a'];
    long number = strtol(job->content, NULL, 10);

    if (job->status == TC_JOB_DONE) {
        ck_assert_int_gt(number, *before);
        *before = number;
    }
}

/* What was pushed comes back once, and each sender's jobs of a room in order, whatever is locked meanwhile. */
START_TEST(nothing_is_lost_and_each_sender_keeps_their_order)
{
    static const char *const names[USERS] = {"a", "b", "c"};
    unit_random_t random = unit_random_of(1);
    world_t *world = open_world();
    long last[ROOMS][USERS] = {{0}};
    int pushed = 0, back = 0;

    while (back < JOBS) {
        tc_job_list_t *finished = &world->batch.finished;

        while (pushed < JOBS && unit_random_below(&random, 4) != 0) {
            char number[16];

            snprintf(number, sizeof(number), "%d", ++pushed);
            push_as(world, unit_random_below(&random, ROOMS), names[unit_random_below(&random, USERS)], number);
        }
        world->now_us += unit_random_below(&random, 100) * TC_US_PER_MS;
        (void)tc_job_queue_take(world->queue, ALL, world->now_us, false, &world->batch);
        ck_assert_ptr_null(finished->first);
        run_at_random(&world->batch, &random);
        tc_job_queue_settle(world->queue, &world->batch, world->now_us, false);
        for (; finished->first != NULL; back++) {
            tc_job_t *job = tc_job_list_pop(finished);

            check_order(job, last);
            tc_job_destroy(job);
        }
        tc_job_queue_release(world->queue, &world->batch);
    }
    ck_assert(!tc_job_queue_has(world->queue, ALL));
    ck_assert_int_eq(tc_job_queue_due_us(world->queue), INT64_MAX);
    close_world(world);
}
END_TEST

UNIT_MAIN("job_queue", rooms_take_turns_in_a_batch, a_flood_in_a_room_delays_another_room_by_one_batch,
          many_rooms_share_the_batches, a_room_is_with_one_thread_at_a_time, a_batch_is_bounded_in_bytes,
          the_queue_and_each_room_are_bounded, a_queue_is_bounded_in_bytes, a_single_thread_writes_and_reads_in_turn,
          threads_take_what_is_theirs, histories_go_before_checks_but_do_not_starve_them,
          reads_of_one_room_do_not_hold_up_others, a_locked_room_waits_apart_and_keeps_its_order,
          a_locked_sender_does_not_hold_up_the_room, a_locked_message_holds_up_edits_of_it_but_no_reply_to_it,
          what_was_locked_may_be_locked_in_another_way, nobody_waits_for_a_lock_for_ever,
          a_thread_that_ends_tries_once_more, the_queue_knows_its_oldest_job_and_those_that_wait_for_a_lock,
          reads_that_nobody_gets_to_are_given_back, nothing_is_lost_and_each_sender_keeps_their_order)
