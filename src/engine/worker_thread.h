/*
 * A thread of the module's own. It leaves signals to httpd's threads. It has a pool and an allocator of its own, can
 * sleep until it is woken, and can be waited for with a time limit.
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
    apr_pool_t *pool;     /* the thread's own pool */
    void (*body)(void *context);
    void *context;
    tc_semaphore_t wakeups;
    tc_semaphore_t ended;
    atomic_bool stopping;
} tc_worker_thread_t;

/* Makes the thread's pool. The thread that calls this may use the pool until tc_worker_thread_start(). */
apr_status_t tc_worker_thread_init(tc_worker_thread_t *thread);

/*
 * Runs `body` in a new thread, after tc_worker_thread_init(). If that fails, the thread's own pool has been destroyed.
 * `pool` holds APR's bookkeeping; only the calling thread may use it.
 */
apr_status_t tc_worker_thread_start(tc_worker_thread_t *thread, void (*body)(void *context),
                                    void *context, apr_pool_t *pool);

/* The thread's own pool. Before the start, the calling thread may use it; afterwards only the thread itself. */
apr_pool_t *tc_worker_thread_pool(const tc_worker_thread_t *thread);

/* Sleeps until another thread wakes this one. Returns false if the thread shall stop. Only in the thread itself. */
bool tc_worker_thread_wait(tc_worker_thread_t *thread);

/* The same for `timeout_us` at most. */
bool tc_worker_thread_wait_for(tc_worker_thread_t *thread, int64_t timeout_us);

/* True when the thread shall stop. Any thread. */
bool tc_worker_thread_is_stopping(const tc_worker_thread_t *thread);

/* Wake the thread; _ask_to_stop() also makes its wait return false. Any thread; safe in a signal handler. */
void tc_worker_thread_wake(tc_worker_thread_t *thread);
void tc_worker_thread_ask_to_stop(tc_worker_thread_t *thread);

/*
 * _await() waits until the thread has ended, and returns false if that takes longer than `timeout_us`. After true, the
 * caller calls _free() once, which destroys the thread's pool. After false, the pool must stay.
 */
bool tc_worker_thread_await(tc_worker_thread_t *thread, int64_t timeout_us);
void tc_worker_thread_free(tc_worker_thread_t *thread);

/* _await() and _free() in one, for a thread on whose pool nothing is used by other threads. */
bool tc_worker_thread_join(tc_worker_thread_t *thread, int64_t timeout_us);

#endif
