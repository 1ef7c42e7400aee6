/* Threads of the module's own. See worker_thread.h. */
#include "engine/worker_thread.h"

#include "base/clock.h"

#include <apr_allocator.h>
#include <apr_signal.h>
#include <errno.h>
#include <time.h>

#define FOREVER_S 3600

/* A pool that shares nothing with any other thread's: prefork's allocators have no lock. */
static apr_status_t create_own_pool(apr_pool_t **pool)
{
    apr_allocator_t *allocator;
    apr_status_t rv = apr_allocator_create(&allocator);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = apr_pool_create_unmanaged_ex(pool, NULL, allocator);
    if (rv != APR_SUCCESS) {
        apr_allocator_destroy(allocator);
        return rv;
    }
    apr_allocator_owner_set(allocator, *pool);
    return APR_SUCCESS;
}

static void *APR_THREAD_FUNC thread_main(apr_thread_t *apr_thread, void *data)
{
    tc_worker_thread_t *thread = data;

    (void)apr_thread;
    (void)apr_setup_signal_thread();
    thread->body(thread->context);
    sem_post(&thread->ended);
    return NULL;
}

apr_status_t tc_worker_thread_init(tc_worker_thread_t *thread)
{
    atomic_init(&thread->stopping, false);
    sem_init(&thread->wakeups, 0, 0);
    sem_init(&thread->ended, 0, 0);
    return create_own_pool(&thread->pool);
}

apr_status_t tc_worker_thread_start(tc_worker_thread_t *thread, void (*body)(void *context),
                                    void *context, apr_pool_t *pool)
{
    apr_status_t rv;

    thread->body = body;
    thread->context = context;
    rv = apr_thread_create(&thread->thread, NULL, thread_main, thread, pool);
    if (rv != APR_SUCCESS) {
        apr_pool_destroy(thread->pool);
    }
    return rv;
}

apr_pool_t *tc_worker_thread_pool(tc_worker_thread_t *thread)
{
    return thread->pool;
}

bool tc_worker_thread_wait(tc_worker_thread_t *thread)
{
    while (sem_wait(&thread->wakeups) != 0 && errno == EINTR) {
    }
    return !atomic_load(&thread->stopping);
}

void tc_worker_thread_wake(tc_worker_thread_t *thread)
{
    sem_post(&thread->wakeups);
}

void tc_worker_thread_ask_to_stop(tc_worker_thread_t *thread)
{
    atomic_store(&thread->stopping, true);
    sem_post(&thread->wakeups);
}

bool tc_worker_thread_await(tc_worker_thread_t *thread, int64_t timeout_us)
{
    struct timespec until;
    apr_status_t result;
    int rc;

    if (timeout_us > FOREVER_S * TC_US_PER_S) {
        timeout_us = FOREVER_S * TC_US_PER_S;
    }
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += timeout_us / TC_US_PER_S;
    until.tv_nsec += timeout_us % TC_US_PER_S * 1000;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    do {
        rc = sem_timedwait(&thread->ended, &until);
    } while (rc != 0 && errno == EINTR);
    if (rc != 0) {
        return false;
    }
    (void)apr_thread_join(&result, thread->thread);
    return true;
}

void tc_worker_thread_free(tc_worker_thread_t *thread)
{
    apr_pool_destroy(thread->pool);
}

bool tc_worker_thread_join(tc_worker_thread_t *thread, int64_t timeout_us)
{
    bool ended = tc_worker_thread_await(thread, timeout_us);

    if (ended) {
        tc_worker_thread_free(thread);
    }
    return ended;
}
