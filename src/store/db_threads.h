/*
 * The db threads of a site in a child. They take jobs from one queue (store/job_queue.h), in which rooms take turns.
 * Some threads write and the others read, so that no read delays a message: of N threads N/2 write, at least one. If the
 * database has one writer (SQLite), one thread writes. A single thread writes and reads in turn. Where two threads or
 * more read, one of them leaves HEADS and ACCESS to the others, so that a site's slow query does not hold up histories.
 *
 * The results of a batch go back to the loop as soon as it is committed, and each read's result as soon as it is there.
 */
#ifndef TC_STORE_DB_THREADS_H
#define TC_STORE_DB_THREADS_H

#include "store/dbd.h"

typedef struct tc_db_threads_t tc_db_threads_t;

/* Takes over a list of finished jobs, oldest first. False: the loop has ended, the jobs stay the caller's. Db or loop. */
typedef bool tc_db_done_fn(void *context, tc_mail_t *jobs);

/* Starts `count` threads. On failure all threads that were started have ended. Only the caller uses `pool`. Loop. */
apr_status_t tc_db_threads_start(tc_db_threads_t **threads, unsigned count, tc_db_done_fn *done,
                                 void *context, apr_pool_t *pool);

/*
 * Queues a job and takes it over. APR_EAGAIN: too many jobs or bytes wait (TC_STORE_QUEUE_JOBS, TC_STORE_QUEUE_BYTES;
 * a quarter of that in one room), or the threads have ended; the job stays the caller's. Loop.
 */
apr_status_t tc_db_threads_submit(tc_db_threads_t *threads, tc_job_t *job);

/* Once a second: gives reads back that wait for too long, and sets the metrics of the queue. Loop. */
void tc_db_threads_tick(tc_db_threads_t *threads);

/* Tells the threads to store the queued writes, to give up the queued reads, and to end. Takes no lock. Worker. */
void tc_db_threads_ask_to_stop(tc_db_threads_t *threads);

/* Does the same and waits; false when a thread did not end within `timeout_us` (each). After the loop. Worker. */
bool tc_db_threads_stop(tc_db_threads_t *threads, int64_t timeout_us);

#endif
