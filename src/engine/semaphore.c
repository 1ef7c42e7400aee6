/* A counting semaphore. See semaphore.h. */
#include "engine/semaphore.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define FOREVER_US (3600 * TC_US_PER_S)

void tc_semaphore_init(tc_semaphore_t *semaphore)
{
    semaphore->count = 0;
    if (pthread_mutex_init(&semaphore->lock, NULL) != 0 || pthread_cond_init(&semaphore->raised, NULL) != 0) {
        fprintf(stderr, "tripchat: the system has no mutex or condition left, the child ends\n");
        abort();
    }
}

void tc_semaphore_destroy(tc_semaphore_t *semaphore)
{
    (void)pthread_cond_destroy(&semaphore->raised);
    (void)pthread_mutex_destroy(&semaphore->lock);
}

void tc_semaphore_post(tc_semaphore_t *semaphore)
{
    (void)pthread_mutex_lock(&semaphore->lock);
    semaphore->count++;
    (void)pthread_cond_signal(&semaphore->raised);
    (void)pthread_mutex_unlock(&semaphore->lock);
}

void tc_semaphore_wait(tc_semaphore_t *semaphore)
{
    (void)pthread_mutex_lock(&semaphore->lock);
    while (semaphore->count == 0) {
        (void)pthread_cond_wait(&semaphore->raised, &semaphore->lock);
    }
    semaphore->count--;
    (void)pthread_mutex_unlock(&semaphore->lock);
}

bool tc_semaphore_wait_for(tc_semaphore_t *semaphore, int64_t timeout_us)
{
    int64_t until_us = tc_clock_wall_us() + (timeout_us < FOREVER_US ? timeout_us : FOREVER_US);
    struct timespec until = {(time_t)(until_us / TC_US_PER_S), (long)(until_us % TC_US_PER_S * 1000)};
    int rc = 0;
    bool taken;

    (void)pthread_mutex_lock(&semaphore->lock);
    while (semaphore->count == 0 && rc == 0) {
        rc = pthread_cond_timedwait(&semaphore->raised, &semaphore->lock, &until);
    }
    taken = semaphore->count > 0;
    semaphore->count -= taken;
    (void)pthread_mutex_unlock(&semaphore->lock);
    return taken;
}
