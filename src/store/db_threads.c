/* The db threads of a child. See db_threads.h. */
#include "store/db_threads.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/metrics.h"
#include "base/thread.h"
#include "engine/mailbox.h"
#include "engine/worker_thread.h"
#include "store/jobs.h"

typedef struct {
    tc_db_threads_t *all;
    tc_mailbox_t mailbox;
    tc_worker_thread_t thread;
    apr_pool_t *pool;      /* db */
    tc_people_t *people;   /* db */
} db_thread_t;

struct tc_db_threads_t {
    unsigned count;
    tc_db_done_fn *done;
    void *context;
    atomic_uint queued;    /* jobs in all mailboxes and batches */
    db_thread_t threads[];
};

/* Jobs taken from a mailbox in order. */
typedef struct {
    tc_job_t *jobs[TC_STORE_BATCH_JOBS];
    int count;
} batch_t;

static bool is_write(const tc_job_t *job)
{
    return job->kind == TC_JOB_POST || job->kind == TC_JOB_EDIT;
}

/* The metrics slot of a job's site. */
static unsigned slot_of(const tc_job_t *job)
{
    return job->store->site->metrics_slot;
}

/* Sends jobs back to the loop. If the loop has ended, they are destroyed; what they stored stays stored. */
static void give_back(db_thread_t *self, tc_mail_t *jobs, unsigned count)
{
    tc_metrics_sub(slot_of((tc_job_t *)jobs), TC_M_DATABASE_JOBS, count);
    atomic_fetch_sub(&self->all->queued, count);
    if (self->all->done(self->all->context, jobs)) {
        return;
    }
    while (jobs != NULL) {
        tc_mail_t *next = jobs->next;

        tc_job_destroy((tc_job_t *)jobs);
        jobs = next;
    }
}

/* Records the time a job took. Both writes are one operation, the others follow the job kinds. Returns the time now. */
static int64_t note_time(const tc_job_t *job, int64_t since_us)
{
    unsigned operation = is_write(job) ? TC_L_OPERATION_WRITE : (unsigned)(job->kind - TC_JOB_EDIT);
    int64_t now_us = tc_clock_monotonic_us();

    if (operation < TC_L_OPERATION_COUNT) {
        tc_metrics_observe_us(slot_of(job), TC_CELL(DATABASE_TIME, operation, 0), now_us - since_us);
    }
    return now_us;
}

static void work_on(tc_work_t *work, batch_t *writes, tc_job_t *const *reads, int read_count)
{
    int64_t since_us = tc_clock_monotonic_us();
    int i;

    if (writes->count > 0) {
        tc_store_write(work, writes->jobs, writes->count);
        since_us = note_time(writes->jobs[0], since_us);
    }
    for (i = 0; i < read_count; i++) {
        tc_store_read(work, reads[i]);
        since_us = note_time(reads[i], since_us);
    }
}

/*
 * Runs jobs: first the writes, then the reads, so that the reads see what was written. Without a connection all jobs
 * become UNAVAILABLE.
 */
static void run_batch(db_thread_t *self, tc_dbd_t *store, batch_t *batch)
{
    tc_work_t work;
    batch_t writes = {.count = 0}, reads = {.count = 0};
    bool open;
    int i;

    work.store = store;
    work.people = self->people;
    work.pool = self->pool;
    open = tc_dbd_open(store, &work.sql, self->pool);
    for (i = 0; i < batch->count; i++) {
        batch_t *kind = is_write(batch->jobs[i]) ? &writes : &reads;

        kind->jobs[kind->count++] = batch->jobs[i];
        batch->jobs[i]->status = open ? TC_JOB_PENDING : TC_JOB_UNAVAILABLE;
    }
    if (open) {
        work_on(&work, &writes, reads.jobs, reads.count);
        tc_dbd_close(store, &work.sql);
    }
}

/* Takes at most as many jobs out of the list as a batch holds, in order. */
static void take_batch(tc_mail_t **list, batch_t *batch)
{
    for (batch->count = 0; *list != NULL && batch->count < TC_STORE_BATCH_JOBS; batch->count++) {
        batch->jobs[batch->count] = (tc_job_t *)*list;
        *list = (*list)->next;
    }
}

static void run_mail(db_thread_t *self, tc_mail_t *list)
{
    batch_t batch;
    int i;

    while (list != NULL) {
        take_batch(&list, &batch);
        run_batch(self, (tc_dbd_t *)batch.jobs[0]->store, &batch);
        for (i = 0; i < batch.count; i++) {
            batch.jobs[i]->mail.next = i + 1 < batch.count ? &batch.jobs[i + 1]->mail : NULL;
        }
        give_back(self, &batch.jobs[0]->mail, (unsigned)batch.count);
        apr_pool_clear(self->pool);
    }
}

static void wake(void *context)
{
    tc_worker_thread_wake(&((db_thread_t *)context)->thread);
}

static void db_main(void *context)
{
    db_thread_t *self = context;
    apr_pool_t *root = tc_worker_thread_pool(&self->thread);
    bool stopping;

    tc_thread_set_role(TC_THREAD_DB);
    apr_pool_create(&self->pool, root);
    self->people = tc_people_create();
    do {
        stopping = !tc_worker_thread_wait(&self->thread);
        run_mail(self, tc_mailbox_take(&self->mailbox));
    } while (!stopping);
    run_mail(self, tc_mailbox_close(&self->mailbox));
    tc_people_destroy(self->people);
}

apr_status_t tc_db_threads_start(tc_db_threads_t **out, unsigned count, tc_db_done_fn *done,
                                 void *context, apr_pool_t *pool)
{
    tc_db_threads_t *all = apr_pcalloc(pool, sizeof(*all) + count * sizeof(db_thread_t));
    apr_status_t rv;

    all->done = done;
    all->context = context;
    atomic_init(&all->queued, 0);
    for (; all->count < count; all->count++) {
        db_thread_t *thread = &all->threads[all->count];

        thread->all = all;
        tc_mailbox_init(&thread->mailbox, wake, thread);
        rv = tc_worker_thread_init(&thread->thread);
        if (rv == APR_SUCCESS) {
            rv = tc_worker_thread_start(&thread->thread, db_main, thread, pool);
        }
        if (rv != APR_SUCCESS) {
            (void)tc_db_threads_stop(all, INT64_MAX);
            return rv;
        }
    }
    *out = all;
    return APR_SUCCESS;
}

/* FNV-1a over the room's id. */
static unsigned hash_room(const tc_uuid_t *room_id)
{
    unsigned hash = 2166136261u;
    int i;

    for (i = 0; i < TC_UUID_BYTES; i++) {
        hash = (hash ^ room_id->bytes[i]) * 16777619u;
    }
    return hash;
}

/*
 * All writes of a room that are in flight are with one thread, which keeps their order. What the database is shows with
 * the first connection, and then another thread may be the room's.
 */
static unsigned choose_thread(const tc_db_threads_t *all, const tc_job_t *job)
{
    const tc_dbd_t *store = (const tc_dbd_t *)job->store;
    const tc_sql_dialect_t *dialect = atomic_load(&store->dialect);
    unsigned hash = hash_room(&job->room_id);

    if (job->follows != NULL) {
        return job->follows->thread;
    }
    if (all->count > 1 && (dialect == NULL || dialect->one_writer)) {
        return is_write(job) ? 0 : 1 + hash % (all->count - 1);
    }
    return hash % all->count;
}

apr_status_t tc_db_threads_submit(tc_db_threads_t *all, tc_job_t *job)
{
    unsigned slot = slot_of(job);

    if (atomic_load(&all->queued) >= TC_STORE_QUEUE_JOBS) {
        return APR_EAGAIN;
    }
    atomic_fetch_add(&all->queued, 1);
    tc_metrics_add(slot, TC_M_DATABASE_JOBS, 1);
    job->mail.next = NULL;
    job->thread = choose_thread(all, job);
    if (!tc_mailbox_push(&all->threads[job->thread].mailbox, &job->mail)) {
        atomic_fetch_sub(&all->queued, 1);
        tc_metrics_sub(slot, TC_M_DATABASE_JOBS, 1);
        return APR_EAGAIN;
    }
    return APR_SUCCESS;
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
    bool ended = true;
    unsigned i;

    tc_db_threads_ask_to_stop(all);
    for (i = 0; i < all->count; i++) {
        ended = tc_worker_thread_join(&all->threads[i].thread, timeout_us) && ended;
    }
    return ended;
}
