/*
 * The db threads over a database that does what the test says: each statement waits until the test lets it go on. A job
 * is called by the letter that is its content. A letter in `busy` meets a lock, one in `failing` a database that is gone.
 */
#include "unit.h"

#include "store/db_threads.c" /* with the functions of the store that are defined below */

#include "base/alloc.h"

#include <semaphore.h>

static const tc_sql_dialect_t server_dialect = {.driver = "pgsql", .remote = true};
static const tc_sql_dialect_t file_dialect = {.driver = "sqlite3", .one_writer = true};

/* The world of a test. There is one, because the fake functions have no other way to it. */
static struct {
    pthread_mutex_t lock;
    sem_t begun;     /* posted when a statement begins */
    sem_t back;      /* posted for each job that is given back */
    sem_t opened;    /* posted when a connection is opened */
    sem_t closed;    /* posted when a connection is closed */
    sem_t go[128];   /* by letter: a statement that has a job of this letter may end */
    char running[64]; /* lock; the first letters of the statements that run */
    char done[256];  /* lock; the letters that were given back */
    unsigned statuses[8]; /* lock; how many jobs were given back with each status */
    const char *busy, *failing; /* lock, once the threads run */
    atomic_bool free; /* statements do not wait */
    bool down;
    atomic_bool is_short;
    atomic_uint opens;
    tc_site_t site;
    tc_dbd_t store;
    tc_db_threads_t *threads;
    apr_pool_t *pool;
} world = {.lock = PTHREAD_MUTEX_INITIALIZER, .busy = "", .failing = ""};

/* ---- the fake store ---- */

bool tc_dbd_open(tc_dbd_t *store, tc_sql_t *sql, apr_pool_t *pool)
{
    static char handle;

    (void)store;
    (void)pool;
    if (world.down) {
        return false;
    }
    atomic_fetch_add(&world.opens, 1);
    sql->handle = (apr_dbd_t *)&handle;
    sem_post(&world.opened);
    return true;
}

void tc_dbd_close(tc_dbd_t *store, tc_sql_t *sql)
{
    (void)store;
    sql->handle = NULL;
    sem_post(&world.closed);
}

void tc_dbd_rest(tc_dbd_t *store) { (void)store; }
void tc_dbd_resume(tc_dbd_t *store) { (void)store; }

void tc_dbd_note_writes(tc_dbd_t *store, bool stored)
{
    (void)store;
    (void)stored;
}

void tc_dbd_keep(tc_dbd_t *store) { (void)store; }
void tc_dbd_unkeep(tc_dbd_t *store) { (void)store; }

bool tc_dbd_is_short(const tc_dbd_t *store)
{
    (void)store;
    return atomic_load(&world.is_short);
}

tc_people_t *tc_people_create(void) { return NULL; }
void tc_people_destroy(tc_people_t *people) { (void)people; }

static void run_statement(tc_job_t *const *jobs, int count)
{
    char letter = jobs[0]->content[0], *at;
    int i;

    pthread_mutex_lock(&world.lock);
    strncat(world.running, &letter, 1);
    pthread_mutex_unlock(&world.lock);
    sem_post(&world.begun);
    if (!atomic_load(&world.free)) {
        sem_wait(&world.go[(unsigned char)letter]);
    }
    pthread_mutex_lock(&world.lock);
    at = strchr(world.running, letter);
    memmove(at, at + 1, strlen(at));
    for (i = 0; i < count; i++) {
        bool busy = strchr(world.busy, jobs[i]->content[0]) != NULL;

        jobs[i]->status = busy ? TC_JOB_BUSY
                          : strchr(world.failing, jobs[i]->content[0]) != NULL ? TC_JOB_UNAVAILABLE : TC_JOB_DONE;
        jobs[i]->busy_key = TC_BUSY_ROOM;
    }
    pthread_mutex_unlock(&world.lock);
}

void tc_store_write(tc_work_t *work, tc_job_t *const *jobs, int count)
{
    ck_assert_ptr_nonnull(work->sql.handle);
    run_statement(jobs, count);
}

void tc_store_read(tc_work_t *work, tc_job_t *job)
{
    ck_assert_ptr_nonnull(work->sql.handle);
    run_statement(&job, 1);
}

/* ---- the test's side ---- */

static bool take_back(void *context, tc_mail_t *mail)
{
    tc_mail_t *next;

    (void)context;
    for (; mail != NULL; mail = next) {
        tc_job_t *job = (tc_job_t *)mail;

        next = mail->next;
        pthread_mutex_lock(&world.lock);
        strncat(world.done, job->content, 1);
        world.statuses[job->status]++;
        pthread_mutex_unlock(&world.lock);
        tc_job_destroy(job);
        sem_post(&world.back);
    }
    return true;
}

static void start(unsigned threads, const tc_sql_dialect_t *dialect)
{
    size_t i;

    sem_init(&world.begun, 0, 0);
    sem_init(&world.back, 0, 0);
    sem_init(&world.opened, 0, 0);
    sem_init(&world.closed, 0, 0);
    for (i = 0; i < UNIT_COUNT(world.go); i++) {
        sem_init(&world.go[i], 0, 0);
    }
    world.store.store.site = &world.site;
    atomic_init(&world.store.dialect, dialect);
    world.pool = unit_pool();
    ck_assert_int_eq(tc_db_threads_start(&world.threads, threads, take_back, NULL, world.pool), APR_SUCCESS);
}

static void stop(void)
{
    ck_assert(tc_db_threads_stop(world.threads, INT64_MAX));
    apr_pool_destroy(world.pool);
}

static apr_status_t try_submit(tc_job_kind_e kind, unsigned char room, const char *letter)
{
    tc_job_t *job = tc_job_create(kind, &world.store.store, letter, 1, NULL);
    apr_status_t rv;

    job->room_id.bytes[0] = room;
    rv = tc_db_threads_submit(world.threads, job);
    if (rv != APR_SUCCESS) {
        tc_job_destroy(job);
    }
    return rv;
}

static void submit(tc_job_kind_e kind, unsigned char room, const char *letter)
{
    ck_assert_int_eq(try_submit(kind, room, letter), APR_SUCCESS);
}

static int compare(const void *a, const void *b) { return *(const char *)a - *(const char *)b; }

/* Waits until `count` more statements have begun. Returns the letters of all that run, sorted. */
static const char *await_begun(int count)
{
    static char letters[64];

    while (count-- > 0) {
        sem_wait(&world.begun);
    }
    pthread_mutex_lock(&world.lock);
    strcpy(letters, world.running);
    pthread_mutex_unlock(&world.lock);
    qsort(letters, strlen(letters), 1, compare);
    return letters;
}

static void let_go(char letter) { sem_post(&world.go[(unsigned char)letter]); }

/* Waits until `count` more jobs are back. Returns the letters of all that are, in order. */
static const char *await_back(int count)
{
    static char letters[256];

    while (count-- > 0) {
        sem_wait(&world.back);
    }
    pthread_mutex_lock(&world.lock);
    strcpy(letters, world.done);
    pthread_mutex_unlock(&world.lock);
    return letters;
}

START_TEST(a_read_that_hangs_does_not_hold_up_messages)
{
    start(2, &server_dialect);
    submit(TC_JOB_LOAD, 1, "r");
    ck_assert_str_eq(await_begun(1), "r");
    submit(TC_JOB_POST, 1, "a");
    ck_assert_str_eq(await_begun(1), "ar");
    let_go('a');
    ck_assert_str_eq(await_back(1), "a");
    let_go('r');
    ck_assert_str_eq(await_back(1), "ar");
    stop();
}
END_TEST

START_TEST(a_single_thread_gives_messages_back_before_it_reads_on)
{
    start(1, &server_dialect);
    submit(TC_JOB_LOAD, 1, "r");
    ck_assert_str_eq(await_begun(1), "r");
    submit(TC_JOB_LOAD, 2, "s");
    submit(TC_JOB_LOAD, 3, "t");
    submit(TC_JOB_POST, 9, "a");
    let_go('r');
    ck_assert_str_eq(await_back(1), "r"); /* each read is given back before the next statement */
    ck_assert_str_eq(await_begun(1), "a");
    let_go('a');
    ck_assert_str_eq(await_back(1), "ra");
    ck_assert_str_eq(await_begun(1), "s");
    submit(TC_JOB_POST, 9, "b");
    let_go('s');
    ck_assert_str_eq(await_begun(1), "b"); /* between two reads it writes */
    let_go('b');
    let_go('t');
    ck_assert_str_eq(await_back(3), "rasbt");
    stop();
}
END_TEST

START_TEST(half_of_the_threads_write_and_one_reads_no_checks)
{
    start(4, &server_dialect);
    submit(TC_JOB_HEADS, 0, "h");
    submit(TC_JOB_ACCESS, 1, "i");
    submit(TC_JOB_POST, 1, "a");
    ck_assert_str_eq(await_begun(2), "ah");
    submit(TC_JOB_POST, 2, "b");
    ck_assert_str_eq(await_begun(1), "abh"); /* i waits for h, because one thread is for histories alone */
    submit(TC_JOB_LOAD, 1, "r");
    submit(TC_JOB_LOAD, 2, "s");
    ck_assert_str_eq(await_begun(1), "abhr");
    let_go('r');
    ck_assert_str_eq(await_begun(1), "abhs");
    let_go('h');
    ck_assert_str_eq(await_begun(1), "abis");
    let_go('a');
    let_go('b');
    let_go('i');
    let_go('s');
    await_back(6);
    stop();
}
END_TEST

START_TEST(a_database_with_one_writer_gets_one)
{
    start(4, &file_dialect);
    submit(TC_JOB_POST, 1, "a");
    ck_assert_str_eq(await_begun(1), "a");
    submit(TC_JOB_POST, 2, "b");
    submit(TC_JOB_LOAD, 1, "r");
    submit(TC_JOB_LOAD, 2, "s");
    submit(TC_JOB_LOAD, 3, "t");
    ck_assert_str_eq(await_begun(3), "arst");
    let_go('a');
    ck_assert_str_eq(await_begun(1), "brst");
    let_go('b');
    let_go('r');
    let_go('s');
    let_go('t');
    await_back(5);
    stop();
}
END_TEST

START_TEST(messages_of_a_room_are_never_with_two_threads)
{
    start(4, &server_dialect);
    submit(TC_JOB_POST, 1, "a");
    ck_assert_str_eq(await_begun(1), "a");
    submit(TC_JOB_POST, 1, "b");
    submit(TC_JOB_POST, 2, "c");
    ck_assert_str_eq(await_begun(1), "ac"); /* the second thread leaves the room alone */
    let_go('c');
    ck_assert_str_eq(await_back(1), "c");
    let_go('a');
    ck_assert_str_eq(await_begun(1), "b");
    let_go('b');
    ck_assert_str_eq(await_back(2), "cab");
    stop();
}
END_TEST

START_TEST(what_is_locked_is_tried_again_and_never_comes_back_busy)
{
    atomic_store(&world.free, true);
    world.busy = "ab";
    start(2, &server_dialect);
    submit(TC_JOB_POST, 1, "a");
    submit(TC_JOB_POST, 2, "b");
    submit(TC_JOB_POST, 3, "x");
    ck_assert_str_eq(await_back(1), "x");
    (void)await_begun(4); /* nobody but the clock makes the thread try again */
    pthread_mutex_lock(&world.lock);
    world.busy = "";
    pthread_mutex_unlock(&world.lock);
    await_back(2);
    ck_assert_uint_eq(world.statuses[TC_JOB_DONE], 3);
    ck_assert_uint_eq(world.statuses[TC_JOB_BUSY], 0);
    stop();
}
END_TEST

START_TEST(threads_that_end_store_what_is_queued_and_read_no_more)
{
    world.busy = "z";
    start(4, &server_dialect);
    submit(TC_JOB_HEADS, 0, "g");
    ck_assert_str_eq(await_begun(1), "g"); /* with the one thread that takes it */
    submit(TC_JOB_POST, 1, "a");
    submit(TC_JOB_LOAD, 1, "r");
    ck_assert_str_eq(await_begun(2), "agr");
    submit(TC_JOB_POST, 1, "b");
    submit(TC_JOB_LOAD, 1, "s");
    submit(TC_JOB_HEADS, 0, "h");
    submit(TC_JOB_POST, 2, "z");
    atomic_store(&world.free, true);
    tc_db_threads_ask_to_stop(world.threads);
    let_go('g');
    let_go('a');
    let_go('r');
    let_go('z');
    await_back(7);
    ck_assert_uint_eq(world.statuses[TC_JOB_DONE], 4); /* a, b, r and g */
    ck_assert_uint_eq(world.statuses[TC_JOB_UNAVAILABLE], 3); /* z, which was locked, s and h */
    while (try_submit(TC_JOB_LOAD, 1, "t") == APR_SUCCESS) { /* until a thread has seen that it shall stop */
    }
    stop();
}
END_TEST

START_TEST(a_thread_keeps_its_connection_until_a_job_fails_or_others_need_it)
{
    atomic_store(&world.free, true);
    world.failing = "f";
    start(1, &server_dialect);
    submit(TC_JOB_POST, 1, "a");
    await_back(1);
    submit(TC_JOB_LOAD, 1, "r");
    await_back(1);
    ck_assert_uint_eq(atomic_load(&world.opens), 1);
    submit(TC_JOB_POST, 1, "f");
    sem_wait(&world.closed);
    submit(TC_JOB_POST, 1, "b");
    await_back(2);
    ck_assert_uint_eq(atomic_load(&world.opens), 2);
    atomic_store(&world.is_short, true); /* the idle thread notices */
    sem_wait(&world.closed);
    atomic_store(&world.is_short, false);
    submit(TC_JOB_POST, 1, "c");
    await_back(1);
    ck_assert_uint_eq(atomic_load(&world.opens), 3);
    stop();
    ck_assert_int_eq(sem_trywait(&world.closed), 0);
}
END_TEST

START_TEST(without_a_connection_jobs_come_back_unavailable)
{
    world.down = true;
    start(2, NULL);
    submit(TC_JOB_POST, 1, "a");
    submit(TC_JOB_LOAD, 1, "r");
    await_back(2);
    ck_assert_uint_eq(world.statuses[TC_JOB_UNAVAILABLE], 2);
    stop();
}
END_TEST

UNIT_MAIN("db_threads", a_read_that_hangs_does_not_hold_up_messages,
          a_single_thread_gives_messages_back_before_it_reads_on, half_of_the_threads_write_and_one_reads_no_checks,
          a_database_with_one_writer_gets_one, messages_of_a_room_are_never_with_two_threads,
          what_is_locked_is_tried_again_and_never_comes_back_busy,
          threads_that_end_store_what_is_queued_and_read_no_more,
          a_thread_keeps_its_connection_until_a_job_fails_or_others_need_it,
          without_a_connection_jobs_come_back_unavailable)
