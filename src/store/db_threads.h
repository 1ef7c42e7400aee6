/*
 * The db threads of a site in a child. Each has a mailbox and takes all jobs that wait in it. One thread does all
 * writes of a room, so their order is kept. If the database has one writer (SQLite), one thread does all writes and the
 * other threads read.
 */
#ifndef TC_STORE_DB_THREADS_H
#define TC_STORE_DB_THREADS_H

#include "store/dbd.h"

typedef struct tc_db_threads_t tc_db_threads_t;

/* Takes over a list of finished jobs, oldest first. False: the loop has ended, the jobs stay the caller's. Db. */
typedef bool tc_db_done_fn(void *context, tc_mail_t *jobs);

/* Starts `count` threads. On failure all threads that were started have ended. Only the caller uses `pool`. Loop. */
apr_status_t tc_db_threads_start(tc_db_threads_t **threads, unsigned count, tc_db_done_fn *done,
                                 void *context, apr_pool_t *pool);

/*
 * Queues a job and takes it over. APR_EAGAIN: TC_STORE_QUEUE_JOBS wait, or the threads have ended; the job stays the
 * caller's. Loop.
 */
apr_status_t tc_db_threads_submit(tc_db_threads_t *threads, tc_job_t *job);

/* Tells the threads to finish the queued jobs and to end. Worker. */
void tc_db_threads_ask_to_stop(tc_db_threads_t *threads);

/* Does the same and waits; false when a thread did not end within `timeout_us` (each). Worker. */
bool tc_db_threads_stop(tc_db_threads_t *threads, int64_t timeout_us);

#endif
