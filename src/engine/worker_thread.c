/* Threads of the module's own. See worker_thread.h. */
#include "engine/worker_thread.h"

#include <apr_allocator.h>
#include <apr_signal.h>

/*
 * Of a thread's stack. musl's default of 128 KB is little for libpq, OpenSSL and a resolver on one stack, glibc's of 8 MB
 * is much address space. macOS gives 512 KB, in which all of them run; this is twice as much.
 */
#define STACK_BYTES ((apr_size_t)1 << 20)

/* Makes a pool with an allocator that no other pool uses, because prefork's allocators have no lock. */
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
    tc_semaphore_post(&thread->ended);
    return NULL;
}

apr_status_t tc_worker_thread_init(tc_worker_thread_t *thread)
{
    atomic_init(&thread->stopping, false);
    tc_semaphore_init(&thread->wakeups);
    tc_semaphore_init(&thread->ended);
    return create_own_pool(&thread->pool);
}

apr_status_t tc_worker_thread_start(tc_worker_thread_t *thread, void (*body)(void *context),
                                    void *context, apr_pool_t *pool)
{
    apr_threadattr_t *attributes;
    apr_status_t rv;

    thread->body = body;
    thread->context = context;
    rv = apr_threadattr_create(&attributes, pool);
    if (rv == APR_SUCCESS) {
        (void)apr_threadattr_stacksize_set(attributes, STACK_BYTES);
        rv = apr_thread_create(&thread->thread, attributes, thread_main, thread, pool);
    }
    if (rv != APR_SUCCESS) {
        apr_pool_destroy(thread->pool);
    }
    return rv;
}

apr_pool_t *tc_worker_thread_pool(const tc_worker_thread_t *thread)
{
    return thread->pool;
}

bool tc_worker_thread_wait(tc_worker_thread_t *thread)
{
    tc_semaphore_wait(&thread->wakeups);
    return !atomic_load(&thread->stopping);
}

bool tc_worker_thread_wait_for(tc_worker_thread_t *thread, int64_t timeout_us)
{
    (void)tc_semaphore_wait_for(&thread->wakeups, timeout_us);
    return !atomic_load(&thread->stopping);
}

bool tc_worker_thread_is_stopping(const tc_worker_thread_t *thread)
{
    return atomic_load(&thread->stopping);
}

void tc_worker_thread_wake(tc_worker_thread_t *thread)
{
    tc_semaphore_post(&thread->wakeups);
}

void tc_worker_thread_ask_to_stop(tc_worker_thread_t *thread)
{
    atomic_store(&thread->stopping, true);
    tc_semaphore_post(&thread->wakeups);
}

bool tc_worker_thread_await(tc_worker_thread_t *thread, int64_t timeout_us)
{
    apr_status_t result;

    if (!tc_semaphore_wait_for(&thread->ended, timeout_us)) {
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
