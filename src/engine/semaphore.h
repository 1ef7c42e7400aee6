/*
 * A counting semaphore that can be waited for with a limit. It is the system's (POSIX sem_t), which takes no lock:
 * prefork ends a child from a signal handler, wherever its thread is, and another thread must be able to post then.
 * macOS has no sem_init() and no sem_timedwait(); there it is a mutex and a condition. Any thread.
 */
#ifndef TC_ENGINE_SEMAPHORE_H
#define TC_ENGINE_SEMAPHORE_H

#include <stdbool.h>
#include <stdint.h>

#if defined(__APPLE__) || defined(TC_PLAIN_POSIX)
#define TC_SEMAPHORE_OF_MUTEX
#include <pthread.h>

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t raised;
    unsigned count; /* lock: lock */
} tc_semaphore_t;
#else
#include <semaphore.h>

typedef struct {
    sem_t system;
} tc_semaphore_t;
#endif

/* Makes one that is zero. If the system has no resources for it, the process ends, as in alloc.h. */
void tc_semaphore_init(tc_semaphore_t *semaphore);
void tc_semaphore_destroy(tc_semaphore_t *semaphore);

/* Adds one. Whoever posts has to keep the semaphore alive until the call is over. */
void tc_semaphore_post(tc_semaphore_t *semaphore);

/* Waits for one and takes it. */
void tc_semaphore_wait(tc_semaphore_t *semaphore);

/* The same with a limit. False if there was none within `timeout_us`, which counts as an hour at most. */
bool tc_semaphore_wait_for(tc_semaphore_t *semaphore, int64_t timeout_us);

#endif
