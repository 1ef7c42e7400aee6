/*
 * A counting semaphore; a wait may have a time limit. The semaphore is the system's (POSIX sem_t), which takes no lock:
 * prefork ends a child from a signal handler, wherever the child's thread is. Another thread must be able to post then.
 * macOS has no sem_init() and no sem_timedwait(), so a mutex and a condition replace the semaphore there. Any thread.
 *
 * A wait with a limit is measured by the monotonic clock, except with a libc that has no sem_clockwait() (musl) and under
 * ThreadSanitizer, which does not know that function: there a wall clock that is set back prolongs the wait.
 */
#ifndef TC_ENGINE_SEMAPHORE_H
#define TC_ENGINE_SEMAPHORE_H

#include <stdbool.h>
#include <stdint.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TC_SEMAPHORE_TSAN
#endif
#endif

#if defined(__APPLE__) || defined(TC_PLAIN_POSIX)
#define TC_SEMAPHORE_OF_MUTEX
#define TC_SEMAPHORE_MONOTONIC
#include <pthread.h>

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t raised;
    unsigned count; /* lock: lock */
} tc_semaphore_t;
#else
#include <semaphore.h>

#if defined(__GLIBC__) && !defined(__SANITIZE_THREAD__) && !defined(TC_SEMAPHORE_TSAN)
#if __GLIBC_PREREQ(2, 30)
#define TC_SEMAPHORE_MONOTONIC
#endif
#endif

typedef struct {
    sem_t system;
} tc_semaphore_t;
#endif

/* Makes a semaphore whose count is zero. If the system has no resources for it, the process ends, as in alloc.h. */
void tc_semaphore_init(tc_semaphore_t *semaphore);
void tc_semaphore_destroy(tc_semaphore_t *semaphore);

/* Adds one to the count. The caller must keep the semaphore alive until the call returns. */
void tc_semaphore_post(tc_semaphore_t *semaphore);

/* Waits until the count is above zero, and takes one. */
void tc_semaphore_wait(tc_semaphore_t *semaphore);

/* The same with a time limit. False: the count stayed zero for `timeout_us`, or for an hour if that is shorter. */
bool tc_semaphore_wait_for(tc_semaphore_t *semaphore, int64_t timeout_us);

#endif
