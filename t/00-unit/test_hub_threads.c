/*
 * The hub on a loop, as in a child, with db threads and with threads that write for its members. Users, jobs and events
 * cross threads. Every member must get every message of its room, once and in order. The test is for the thread
 * sanitizer first, but also runs without it.
 */
#include "fake_room.c"

#include "codec/json.h"
#include "engine/loop.h"
#include "engine/worker_thread.h"

#include <pthread.h>
#include <semaphore.h>

enum { ROOMS = 4, MEMBERS = 5, DB_THREADS = 2, SPEAKERS = 4, WORDS = 800 };

typedef struct {
    tc_worker_thread_t thread;
    tc_mailbox_t mailbox;
    struct child_t *child;
} db_t;

typedef struct {
    fake_store_t fake; /* its rows belong to the db thread */
    db_t *db;
} room_store_t;

typedef struct {
    tc_member_t member; /* must be the first member */
    struct child_t *child;
    int64_t seen;
} listener_t;

typedef struct child_t {
    tc_worker_thread_t thread;
    tc_loop_t *loop;
    fake_bus_t bus; /* loop */
    tc_hub_t *hub;
    db_t dbs[DB_THREADS];
    room_store_t stores[ROOMS];
    listener_t listeners[ROOMS][MEMBERS];
    int left;   /* loop: events that members still have to get */
    sem_t done; /* posted when `left` is 0 */
} child_t;

/* ---- the db threads ---- */

static void deliver_job(tc_mail_t *mail, void *context)
{
    child_t *child = context;

    tc_hub_on_job(child->hub, (tc_job_t *)mail, tc_loop_now_us(child->loop));
}

typedef struct {
    tc_mail_t mail; /* must be the first member */
    tc_store_t *store;
    tc_uuid_t room_id;
    tc_event_t *event;
} news_t;

static void deliver_news(tc_mail_t *mail, void *context)
{
    news_t *news = (news_t *)mail;

    tc_hub_on_bus_event(((child_t *)context)->hub, news->store->site, &news->room_id, news->event);
    tc_event_unref(news->event);
    free(news);
}

/* True if another child commits an event right after this one. */
static bool is_followed(int64_t seq)
{
    return seq % 7 == 0;
}

/* Sometimes another child commits an event, and the bus brings it before the job with the event before it is back. */
static void tell_bus(child_t *child, fake_store_t *store, const tc_job_t *job)
{
    tc_user_t *zoe;
    news_t *news;

    if (job->kind == TC_JOB_POST && is_followed(store->last_seq)) {
        zoe = tc_user_create("zoe", NULL, NULL, NULL);
        news = calloc(1, sizeof(*news));
        news->mail.deliver = deliver_news;
        news->store = job->store;
        news->room_id = job->room_id;
        news->event = fake_event(store, fake_write(store, zoe, "w", NULL));
        tc_user_unref(zoe);
        ck_assert(tc_loop_post(child->loop, &news->mail));
    }
}

static void work_on_mail(db_t *db)
{
    tc_mail_t *mail = tc_mailbox_take(&db->mailbox), *next;

    for (; mail != NULL; mail = next) {
        tc_job_t *job = (tc_job_t *)mail;
        fake_store_t *store = (fake_store_t *)job->store;

        next = mail->next;
        mail->next = NULL;
        work_on(store, job);
        tell_bus(db->child, store, job);
        mail->deliver = deliver_job;
        ck_assert(tc_loop_post(db->child->loop, mail));
    }
}

static void run_db(void *context)
{
    db_t *db = context;

    tc_thread_set_role(TC_THREAD_DB);
    while (tc_worker_thread_wait(&db->thread)) {
        work_on_mail(db);
    }
}

static void wake_db(void *context)
{
    tc_worker_thread_wake(&((db_t *)context)->thread);
}

static apr_status_t submit_to_db(tc_store_t *store, tc_job_t *job)
{
    ck_assert(tc_mailbox_push(&((room_store_t *)store)->db->mailbox, &job->mail));
    return APR_SUCCESS;
}

/* ---- the members ---- */

static void see(tc_member_t *member, tc_blob_t *frame, bool urgent)
{
    listener_t *self = (listener_t *)member;
    json_object *object = parse_frame(frame);
    json_object *message = member_of(object, "message");

    (void)urgent;
    ck_assert_int_eq(tc_thread_role(), TC_THREAD_LOOP);
    if (message == NULL) {
        self->seen = int_of(object, "last_seq");
        ck_assert_int_eq(self->seen, 0);
    }
    else {
        ck_assert_int_eq(int_of(message, "seq"), ++self->seen);
        if (--self->child->left == 0) {
            sem_post(&self->child->done);
        }
    }
    tc_json_free(object);
}

static void never_close(tc_member_t *member, unsigned code, const char *reason)
{
    (void)member;
    ck_abort_msg("closed with %u: %s", code, reason);
}

static void ignore_wake(tc_member_t *member, int64_t due_us)
{
    (void)member;
    (void)due_us;
}

static void ignore_settled(tc_member_t *member)
{
    (void)member;
}

static const tc_sink_t listening = {see, never_close, ignore_wake, ignore_settled, NULL, NULL, NULL, NULL};

/* ---- the loop ---- */

static void join_all(child_t *child)
{
    int room, place;

    for (room = 0; room < ROOMS; room++) {
        tc_trip_t trip = {{(char)('a' + room)}};
        tc_uuid_t id = {{(unsigned char)room}};

        for (place = 0; place < MEMBERS; place++) {
            tc_hub_join(child->hub, &child->listeners[room][place].member,
                        &child->stores[room].fake.store, child->stores[room].fake.bus, &trip, &id,
                        -1);
        }
    }
}

/* Missing events are on their way, so nothing needs to be fetched. */
static void ignore_gap(void *context)
{
    (void)context;
}

static void run_loop(void *context)
{
    child_t *child = context;
    int room, place;

    tc_thread_set_role(TC_THREAD_LOOP);
    child->hub = tc_hub_create(tc_worker_thread_pool(&child->thread));
    tc_hub_watch_gaps(child->hub, ignore_gap, NULL);
    join_all(child);
    tc_loop_run(child->loop, child);
    tc_loop_close(child->loop, child);
    for (room = 0; room < ROOMS; room++) {
        for (place = 0; place < MEMBERS; place++) {
            tc_hub_leave(child->hub, &child->listeners[room][place].member, 0);
        }
    }
    tc_hub_destroy(child->hub);
}

typedef struct {
    tc_mail_t mail; /* must be the first member */
    listener_t *speaker;
    char text[100];
} speech_t;

static void deliver_speech(tc_mail_t *mail, void *context)
{
    speech_t *speech = (speech_t *)mail;
    child_t *child = context;

    tc_hub_on_text(child->hub, &speech->speaker->member, speech->text, strlen(speech->text),
                   tc_loop_now_us(child->loop));
    free(speech);
}

typedef struct {
    child_t *child;
    int number;
} speaker_t;

static void *speak_many(void *data)
{
    const speaker_t *self = data;
    unit_random_t random = unit_random_of((uint64_t)self->number);
    int i;

    for (i = 0; i < WORDS; i++) {
        speech_t *speech = calloc(1, sizeof(*speech));

        speech->mail.deliver = deliver_speech;
        speech->speaker = &self->child->listeners[i % ROOMS][unit_random_below(&random, MEMBERS)];
        snprintf(speech->text, sizeof(speech->text),
                 "{\"type\":\"chat_message\",\"content\":\"w\",\"client_id\":\"%d-%d\"}",
                 self->number, i);
        ck_assert(tc_loop_post(self->child->loop, &speech->mail));
    }
    return NULL;
}

/* ---- the whole ---- */

static void make_members(child_t *child)
{
    int room, place;

    for (room = 0; room < ROOMS; room++) {
        for (place = 0; place < MEMBERS; place++) {
            listener_t *listener = &child->listeners[room][place];
            char name[16];

            snprintf(name, sizeof(name), "u%d", place);
            listener->child = child;
            listener->seen = -1;
            listener->member.sink = &listening;
            listener->member.id = (uint64_t)room * MEMBERS + (uint64_t)place + 1;
            listener->member.user = tc_user_create(name, NULL, NULL, NULL);
        }
    }
}

/* The number of events in a room with `words` messages of its members. */
static int count_events(int words)
{
    int seq = 0;

    while (words-- > 0) {
        seq++;
        seq += is_followed(seq);
    }
    return seq;
}

static void start_child(child_t *child, apr_pool_t *pool)
{
    int i;

    fake_bus_open(&child->bus, TC_BUS_ALONE);
    child->left = ROOMS * count_events(SPEAKERS * WORDS / ROOMS) * MEMBERS;
    sem_init(&child->done, 0, 0);
    make_members(child);
    ck_assert_int_eq(tc_worker_thread_init(&child->thread), APR_SUCCESS);
    ck_assert_int_eq(tc_loop_create(&child->loop, 1000, tc_worker_thread_pool(&child->thread)),
                     APR_SUCCESS);
    for (i = 0; i < ROOMS; i++) {
        fake_store_open(&child->stores[i].fake, &child->bus.bus);
        child->stores[i].fake.store.submit = submit_to_db;
        child->stores[i].db = &child->dbs[i % DB_THREADS];
    }
    for (i = 0; i < DB_THREADS; i++) {
        db_t *db = &child->dbs[i];

        db->child = child;
        tc_mailbox_init(&db->mailbox, wake_db, db);
        ck_assert_int_eq(tc_worker_thread_init(&db->thread), APR_SUCCESS);
        ck_assert_int_eq(tc_worker_thread_start(&db->thread, run_db, db, pool), APR_SUCCESS);
    }
    ck_assert_int_eq(tc_worker_thread_start(&child->thread, run_loop, child, pool), APR_SUCCESS);
}

static void quit_loop(tc_mail_t *mail, void *context)
{
    (void)mail;
    tc_loop_quit(((child_t *)context)->loop);
}

/* Stops the threads that post to the loop first, then the loop. */
static void stop_child(child_t *child)
{
    tc_mail_t quit = {.deliver = quit_loop};
    int i, place;

    for (i = 0; i < DB_THREADS; i++) {
        tc_worker_thread_ask_to_stop(&child->dbs[i].thread);
        ck_assert(tc_worker_thread_join(&child->dbs[i].thread, INT64_MAX / 2));
    }
    ck_assert(tc_loop_post(child->loop, &quit));
    ck_assert(tc_worker_thread_join(&child->thread, INT64_MAX / 2));
    for (i = 0; i < ROOMS; i++) {
        for (place = 0; place < MEMBERS; place++) {
            ck_assert_int_eq(child->listeners[i][place].seen, child->stores[i].fake.last_seq);
            ck_assert_uint_eq(child->listeners[i][place].member.jobs, 0);
            tc_user_unref(child->listeners[i][place].member.user);
        }
        fake_store_close(&child->stores[i].fake);
    }
    ck_assert_uint_eq(child->bus.published, SPEAKERS * WORDS);
    fake_bus_close(&child->bus);
}

START_TEST(every_member_sees_all_that_many_threads_say_once_and_in_order)
{
    apr_pool_t *pool = unit_pool();
    child_t *child = calloc(1, sizeof(*child));
    speaker_t speakers[SPEAKERS];
    pthread_t threads[SPEAKERS];
    int i;

    start_child(child, pool);
    for (i = 0; i < SPEAKERS; i++) {
        speakers[i] = (speaker_t){child, i};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, speak_many, &speakers[i]), 0);
    }
    for (i = 0; i < SPEAKERS; i++) {
        pthread_join(threads[i], NULL);
    }
    while (sem_wait(&child->done) != 0) {
    }
    stop_child(child);
    free(child);
    apr_pool_destroy(pool);
}
END_TEST

UNIT_MAIN("hub_threads", every_member_sees_all_that_many_threads_say_once_and_in_order)
