/*
 * A thread of the module's own: takes no signal (they are httpd's), has a pool and an allocator of its
 * own, can sleep until it is woken, and can be waited for with a limit.
 */
#ifndef TC_ENGINE_WORKER_THREAD_H
#define TC_ENGINE_WORKER_THREAD_H

#include "engine/semaphore.h"

#include <apr_pools.h>
#include <apr_thread_proc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    apr_thread_t *thread;
    apr_pool_t *pool;     /* the thread's own */
    void (*body)(void *context);
    void *context;
    tc_semaphore_t wakeups;
    tc_semaphore_t ended;
    atomic_bool stopping;
} tc_worker_thread_t;

/* Makes the thread's pool, which its starter may fill before the thread runs. */
apr_status_t tc_worker_thread_init(tc_worker_thread_t *thread);

/*
 * Starts `body` in a thread that was initialized; on failure its pool is gone. `pool` serves for
 * bookkeeping and is used by the caller alone.
 */
apr_status_t tc_worker_thread_start(tc_worker_thread_t *thread, void (*body)(void *context),
                                    void *context, apr_pool_t *pool);

/* The pool of the thread itself: before its start the starter's, then the thread's. */
apr_pool_t *tc_worker_thread_pool(tc_worker_thread_t *thread);

/* Sleeps until somebody wakes it; false when it is to stop. In the thread. */
bool tc_worker_thread_wait(tc_worker_thread_t *thread);

/* Wakes it. Any thread. */
void tc_worker_thread_wake(tc_worker_thread_t *thread);
void tc_worker_thread_ask_to_stop(tc_worker_thread_t *thread);

/* Waits for its end; false when that took longer than `timeout_us`. Then its pool may be freed, once. */
bool tc_worker_thread_await(tc_worker_thread_t *thread, int64_t timeout_us);
void tc_worker_thread_free(tc_worker_thread_t *thread);

/* Both, where nobody else uses what is on its pool. */
bool tc_worker_thread_join(tc_worker_thread_t *thread, int64_t timeout_us);

#endif
