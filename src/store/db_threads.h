/*
 * The db threads of a site in a child: each has a mailbox and takes whatever jobs wait in it. A room's
 * writes all go to one thread, which keeps their order; where the database has one writer, all writes do,
 * and reads go to the others.
 */
#ifndef TC_STORE_DB_THREADS_H
#define TC_STORE_DB_THREADS_H

#include "store/dbd.h"

typedef struct tc_db_threads_t tc_db_threads_t;

/* Where finished jobs go: pushes a list, oldest first. False: nobody takes them any more. Db. */
typedef bool tc_db_done_fn(void *context, tc_mail_t *jobs);

/* Starts `count` threads. On failure those that were started have ended. Loop. */
apr_status_t tc_db_threads_start(tc_db_threads_t **threads, unsigned count, tc_db_done_fn *done,
                                 void *context, apr_pool_t *pool);

/* Queues a job; APR_EAGAIN when TC_STORE_QUEUE_JOBS wait. Loop. */
apr_status_t tc_db_threads_submit(tc_db_threads_t *threads, tc_job_t *job);

/* Tells them to finish what is queued and to end. Worker. */
void tc_db_threads_ask_to_stop(tc_db_threads_t *threads);

/* The same, and waits; false when they did not within `timeout_us`. Worker. */
bool tc_db_threads_stop(tc_db_threads_t *threads, int64_t timeout_us);

#endif
