/* The db threads of a child. See db_threads.h. */
#include "store/db_threads.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/metrics.h"
#include "base/thread.h"
#include "engine/worker_thread.h"
#include "store/job_queue.h"
#include "store/jobs.h"

#include <apr_allocator.h>
#include <pthread.h>

#define KEEP_US (TC_STORE_KEEP_S * TC_US_PER_S)
#define LOOK_US (100 * TC_US_PER_MS) /* a thread that keeps a connection looks so often whether others need it */

typedef struct {
    tc_db_threads_t *all;
    unsigned number;       /* const; the first ones write */
    tc_worker_thread_t thread;
    bool idle;             /* lock */
    int64_t oldest_us;     /* lock; when the oldest job that the thread has was submitted; INT64_MAX: it has none */
    tc_job_batch_t batch;  /* db */
    tc_work_t work;        /* db; the connection, if it is kept, and a pool for each batch */
    apr_pool_t *lasting;   /* db; what the connection needs */
    int64_t used_us;       /* db; when the connection was last used */
} db_thread_t;

struct tc_db_threads_t {
    unsigned count;         /* const */
    tc_db_done_fn *done;
    void *context;
    tc_dbd_t *store;        /* lock; of all jobs; NULL until the first one */
    unsigned locked;        /* loop; jobs that the metric says wait for a lock */
    pthread_mutex_t lock;   /* held for a moment only; a worker never takes it */
    tc_job_queue_t *queue;  /* lock */
    bool closed;            /* lock; a thread has ended, so no job may follow */
    db_thread_t threads[];
};

/* The metrics slot of a job's site. */
static unsigned slot_of(const tc_job_t *job)
{
    return job->store->site->metrics_slot;
}

/* Sends jobs back to the loop. If the loop has ended, they are destroyed; what they stored stays stored. */
static void give_back(tc_db_threads_t *all, const tc_job_list_t *jobs)
{
    tc_mail_t *mail = jobs->first;

    if (mail == NULL) {
        return;
    }
    tc_metrics_sub(slot_of((tc_job_t *)mail), TC_M_DATABASE_JOBS, jobs->count);
    if (all->done(all->context, mail)) {
        return;
    }
    while (mail != NULL) {
        tc_mail_t *next = mail->next;

        tc_job_destroy((tc_job_t *)mail);
        mail = next;
    }
}

/* ---- who does what ---- */

/* Which jobs a thread takes. What the database is shows with the first connection; until then one thread writes. */
static unsigned duties_of(const tc_db_threads_t *all, const db_thread_t *thread)
{
    const tc_sql_dialect_t *dialect = all->store ? atomic_load(&all->store->dialect) : NULL;
    unsigned writers = dialect == NULL || dialect->one_writer || all->count < 4 ? 1 : all->count / 2;

    if (all->count == 1) {
        return TC_TAKE_WRITES | TC_TAKE_READS;
    }
    if (thread->number < writers) {
        return TC_TAKE_WRITES;
    }
    return thread->number == writers && writers + 1 < all->count ? TC_TAKE_URGENT : TC_TAKE_READS;
}

/* Wakes a thread that has nothing to do, if the queue has a job for it. Call with the lock. */
static void wake_one(tc_db_threads_t *all)
{
    unsigned i;

    for (i = 0; i < all->count; i++) {
        db_thread_t *thread = &all->threads[i];

        if (thread->idle && tc_job_queue_has(all->queue, duties_of(all, thread))) {
            thread->idle = false;
            tc_worker_thread_wake(&thread->thread);
            return;
        }
    }
}

/* Fills the thread's batch. False: there is nothing to do. *due_us: when a parked job is tried again. */
static bool take_batch(db_thread_t *self, bool stopping, int64_t *due_us)
{
    tc_db_threads_t *all = self->all;
    bool taken;

    (void)pthread_mutex_lock(&all->lock);
    taken = tc_job_queue_take(all->queue, duties_of(all, self), tc_clock_monotonic_us(), stopping,
                              &self->batch);
    self->idle = !taken;
    self->oldest_us = self->batch.oldest_us;
    *due_us = (duties_of(all, self) & TC_TAKE_WRITES) != 0 ? tc_job_queue_due_us(all->queue) : INT64_MAX;
    if (taken) {
        wake_one(all);
    }
    else if (stopping) {
        all->closed = true;
    }
    (void)pthread_mutex_unlock(&all->lock);
    give_back(all, &self->batch.finished);
    return taken;
}

/* Gives the results of the batch back, before another thread may take the next jobs of its rooms. */
static void settle_batch(db_thread_t *self)
{
    tc_db_threads_t *all = self->all;

    (void)pthread_mutex_lock(&all->lock);
    tc_job_queue_settle(all->queue, &self->batch, tc_clock_monotonic_us(),
                        tc_worker_thread_is_stopping(&self->thread));
    self->oldest_us = INT64_MAX;
    (void)pthread_mutex_unlock(&all->lock);
    give_back(all, &self->batch.finished);
    (void)pthread_mutex_lock(&all->lock);
    tc_job_queue_release(all->queue, &self->batch);
    wake_one(all);
    (void)pthread_mutex_unlock(&all->lock);
}

/* ---- the connection ---- */

static bool open_connection(db_thread_t *self)
{
    tc_work_t *work = &self->work;
    int64_t since_us = tc_clock_monotonic_us();
    bool open;

    work->store = (tc_dbd_t *)self->batch.jobs[0]->store;
    if (work->sql.handle != NULL) {
        tc_dbd_resume(work->store);
        return true;
    }
    open = tc_dbd_open(work->store, &work->sql, self->lasting);
    tc_metrics_observe_us(slot_of(self->batch.jobs[0]), TC_CELL(DATABASE_TIME, TC_L_OPERATION_CONNECT, 0),
                          tc_clock_monotonic_us() - since_us);
    if (open) {
        tc_dbd_keep(work->store);
    }
    return open;
}

/* Closes the connection, which is in use. */
static void close_connection(db_thread_t *self)
{
    tc_dbd_close(self->work.store, &self->work.sql);
    tc_dbd_unkeep(self->work.store);
    apr_pool_clear(self->lasting);
}

/*
 * Keeps the connection for the next batch, because a thread that asks mod_dbd each time waits in line with every
 * handshake. `lease`: the connection that the batch began with. If another one took its place, or a job failed, the
 * connection goes back to mod_dbd, which looks whether it is alive.
 */
static void keep_connection(db_thread_t *self, const void *lease, bool failed)
{
    tc_dbd_t *store = self->work.store;

    if (failed || self->work.sql.handle == NULL || self->work.sql.lease != lease
        || tc_dbd_is_short(store)) {
        close_connection(self);
    }
    else {
        self->used_us = tc_clock_monotonic_us();
        tc_dbd_rest(store);
    }
}

/* Gives a connection back that was not used for a while, or that somebody else waits for, or when the thread ends. */
static void review_connection(db_thread_t *self, bool stopping)
{
    tc_dbd_t *store = self->work.store;

    if (self->work.sql.handle != NULL
        && (stopping || tc_clock_monotonic_us() - self->used_us >= KEEP_US
            || tc_dbd_is_short(store))) {
        tc_dbd_resume(store);
        close_connection(self);
    }
}

/* ---- running jobs ---- */

/* Records the time that writes or a read took. The labels of reads stand in the order of the job kinds. */
static void note_time(unsigned slot, tc_job_kind_e kind, int64_t since_us)
{
    unsigned operation = kind <= TC_JOB_EDIT ? TC_L_OPERATION_WRITE : (unsigned)(kind - TC_JOB_EDIT);

    if (kind < TC_JOB_PROBE) {
        tc_metrics_observe_us(slot, TC_CELL(DATABASE_TIME, operation, 0), tc_clock_monotonic_us() - since_us);
    }
}

/* Notes for the health page whether the database takes writes. A job that is refused or meets a lock says nothing of that. */
static void note_writes(db_thread_t *self)
{
    int i;

    for (i = 0; i < self->batch.count; i++) {
        if (self->batch.jobs[i]->status == TC_JOB_DONE) {
            tc_dbd_note_writes(self->work.store, true);
            return;
        }
    }
    if (self->work.sql.no_writes) {
        tc_dbd_note_writes(self->work.store, false);
    }
}

static void work_on(db_thread_t *self)
{
    tc_job_t *const *jobs = self->batch.jobs;
    int64_t since_us = tc_clock_monotonic_us();

    if (jobs[0]->kind == TC_JOB_POST || jobs[0]->kind == TC_JOB_EDIT) {
        self->work.sql.no_writes = false;
        tc_store_write(&self->work, jobs, self->batch.count);
        note_writes(self);
    }
    else {
        tc_store_read(&self->work, jobs[0]);
    }
    note_time(slot_of(jobs[0]), jobs[0]->kind, since_us);
}

static bool has_failed(const tc_job_batch_t *batch)
{
    int i;

    for (i = 0; i < batch->count; i++) {
        if (batch->jobs[i]->status == TC_JOB_UNAVAILABLE) {
            return true;
        }
    }
    return false;
}

/* Runs the thread's batch. Without a connection all jobs become UNAVAILABLE. */
static void run_batch(db_thread_t *self)
{
    bool open = open_connection(self), failed;
    const void *lease = self->work.sql.lease;
    int i;

    if (open) {
        work_on(self);
    }
    else {
        for (i = 0; i < self->batch.count; i++) {
            self->batch.jobs[i]->status = TC_JOB_UNAVAILABLE;
        }
    }
    failed = has_failed(&self->batch);
    settle_batch(self);
    if (open) {
        keep_connection(self, lease, failed);
    }
    apr_pool_clear(self->work.pool);
}

/* Sleeps until there may be something to do. */
static void sleep_until(db_thread_t *self, int64_t due_us)
{
    int64_t now_us = tc_clock_monotonic_us();

    if (self->work.sql.handle != NULL && due_us > now_us + LOOK_US) {
        due_us = now_us + LOOK_US;
    }
    if (due_us == INT64_MAX) {
        (void)tc_worker_thread_wait(&self->thread);
    }
    else if (due_us > now_us) {
        (void)tc_worker_thread_wait_for(&self->thread, due_us - now_us);
    }
    review_connection(self, false);
}

static void db_main(void *context)
{
    db_thread_t *self = context;
    apr_pool_t *root = tc_worker_thread_pool(&self->thread);
    int64_t due_us;
    bool stopping, taken;

    tc_thread_set_role(TC_THREAD_DB);
    apr_allocator_max_free_set(apr_pool_allocator_get(root), TC_STORE_KEEP_BYTES);
    apr_pool_create(&self->work.pool, root);
    apr_pool_create(&self->lasting, root);
    self->work.people = tc_people_create();
    self->work.noted = tc_noted_create(root);
    do {
        stopping = tc_worker_thread_is_stopping(&self->thread);
        taken = take_batch(self, stopping, &due_us);
        if (taken) {
            run_batch(self);
        }
        else if (!stopping) {
            sleep_until(self, due_us);
        }
    } while (taken || !stopping);
    review_connection(self, true);
    tc_people_destroy(self->work.people);
}

/* ---- for the loop and the worker ---- */

/* Stops the first `count` threads. */
static bool stop_threads(tc_db_threads_t *all, unsigned count, int64_t timeout_us)
{
    bool ended = true;
    unsigned i;

    for (i = 0; i < count; i++) {
        tc_worker_thread_ask_to_stop(&all->threads[i].thread);
    }
    for (i = 0; i < count; i++) {
        ended = tc_worker_thread_join(&all->threads[i].thread, timeout_us) && ended;
    }
    if (ended) {
        tc_job_queue_destroy(all->queue);
        (void)pthread_mutex_destroy(&all->lock);
    }
    return ended;
}

apr_status_t tc_db_threads_start(tc_db_threads_t **out, unsigned count, tc_db_done_fn *done,
                                 void *context, apr_pool_t *pool)
{
    tc_db_threads_t *all = apr_pcalloc(pool, sizeof(*all) + count * sizeof(db_thread_t));
    unsigned i;

    if (pthread_mutex_init(&all->lock, NULL) != 0) {
        return APR_ENOMEM;
    }
    all->count = count;
    all->done = done;
    all->context = context;
    all->queue = tc_job_queue_create();
    for (i = 0; i < count; i++) {
        db_thread_t *thread = &all->threads[i];
        apr_status_t rv;

        thread->all = all;
        thread->number = i;
        thread->oldest_us = INT64_MAX;
        rv = tc_worker_thread_init(&thread->thread);
        if (rv == APR_SUCCESS) {
            rv = tc_worker_thread_start(&thread->thread, db_main, thread, pool);
        }
        if (rv != APR_SUCCESS) {
            (void)stop_threads(all, i, INT64_MAX);
            return rv;
        }
    }
    *out = all;
    return APR_SUCCESS;
}

apr_status_t tc_db_threads_submit(tc_db_threads_t *all, tc_job_t *job)
{
    unsigned slot = slot_of(job);
    bool queued;

    (void)pthread_mutex_lock(&all->lock);
    all->store = (tc_dbd_t *)job->store;
    queued = !all->closed && tc_job_queue_push(all->queue, job, tc_clock_monotonic_us());
    if (queued) {
        tc_metrics_add(slot, TC_M_DATABASE_JOBS, 1);
        wake_one(all);
    }
    (void)pthread_mutex_unlock(&all->lock);
    return queued ? APR_SUCCESS : APR_EAGAIN;
}

void tc_db_threads_tick(tc_db_threads_t *all)
{
    tc_job_list_t expired = {.count = 0};
    int64_t now_us = tc_clock_monotonic_us(), oldest_us;
    unsigned slot = TC_METRICS_CHILD, locked, i;

    (void)pthread_mutex_lock(&all->lock);
    tc_job_queue_expire(all->queue, now_us, &expired);
    oldest_us = tc_job_queue_oldest_us(all->queue, &locked);
    for (i = 0; i < all->count; i++) {
        oldest_us = all->threads[i].oldest_us < oldest_us ? all->threads[i].oldest_us : oldest_us;
    }
    if (all->store != NULL) {
        slot = all->store->store.site->metrics_slot;
    }
    (void)pthread_mutex_unlock(&all->lock);
    tc_metrics_set(slot, TC_M_DATABASE_OLDEST, oldest_us < now_us ? (uint64_t)(now_us - oldest_us) : 0);
    tc_metrics_add(slot, TC_M_DATABASE_LOCKED, locked);
    tc_metrics_sub(slot, TC_M_DATABASE_LOCKED, all->locked);
    all->locked = locked;
    give_back(all, &expired);
}

void tc_db_threads_ask_to_stop(tc_db_threads_t *all)
{
    unsigned i;

    for (i = 0; i < all->count; i++) {
        tc_worker_thread_ask_to_stop(&all->threads[i].thread);
    }
}

bool tc_db_threads_stop(tc_db_threads_t *all, int64_t timeout_us)
{
    return stop_threads(all, all->count, timeout_us);
}
