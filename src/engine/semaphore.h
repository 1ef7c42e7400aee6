/*
 * A counting semaphore that can be waited for with a limit, of a mutex and a condition: macOS has no sem_init() and
 * no sem_timedwait(). Any thread; not from a signal's handler.
 */
#ifndef TC_ENGINE_SEMAPHORE_H
#define TC_ENGINE_SEMAPHORE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t raised;
    unsigned count; /* lock: lock */
} tc_semaphore_t;

/* At zero. Where the system has nothing left for it, the child ends, as in alloc.h. */
void tc_semaphore_init(tc_semaphore_t *semaphore);
void tc_semaphore_destroy(tc_semaphore_t *semaphore);

/* Adds one. Whoever posts has to keep the semaphore alive until the call is over. */
void tc_semaphore_post(tc_semaphore_t *semaphore);

/* Waits for one and takes it. */
void tc_semaphore_wait(tc_semaphore_t *semaphore);

/* The same with a limit; false: there was none within `timeout_us`. An hour is the longest limit. */
bool tc_semaphore_wait_for(tc_semaphore_t *semaphore, int64_t timeout_us);

#endif
