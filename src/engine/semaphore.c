/* A counting semaphore. See semaphore.h. */
#include "engine/semaphore.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LONGEST_US (3600 * TC_US_PER_S)

/* The moment of the wall clock that is `timeout_us` away. */
static struct timespec end_of(int64_t timeout_us)
{
    int64_t until_us = tc_clock_wall_us() + (timeout_us < LONGEST_US ? timeout_us : LONGEST_US);
    struct timespec until = {(time_t)(until_us / TC_US_PER_S), (long)(until_us % TC_US_PER_S * 1000)};

    return until;
}

static void give_up(void)
{
    fprintf(stderr, "tripchat: the system has no semaphore left, the child ends\n");
    abort();
}

#ifndef TC_SEMAPHORE_OF_MUTEX

void tc_semaphore_init(tc_semaphore_t *semaphore)
{
    if (sem_init(&semaphore->system, 0, 0) != 0) {
        give_up();
    }
}

void tc_semaphore_destroy(tc_semaphore_t *semaphore)
{
    (void)sem_destroy(&semaphore->system);
}

void tc_semaphore_post(tc_semaphore_t *semaphore)
{
    (void)sem_post(&semaphore->system); /* fails only when it was posted two thousand million times */
}

void tc_semaphore_wait(tc_semaphore_t *semaphore)
{
    while (sem_wait(&semaphore->system) != 0 && errno == EINTR) {
    }
}

bool tc_semaphore_wait_for(tc_semaphore_t *semaphore, int64_t timeout_us)
{
    struct timespec until = end_of(timeout_us);
    int rc;

    do {
        rc = sem_timedwait(&semaphore->system, &until);
    } while (rc != 0 && errno == EINTR);
    return rc == 0;
}

#else

void tc_semaphore_init(tc_semaphore_t *semaphore)
{
    semaphore->count = 0;
    if (pthread_mutex_init(&semaphore->lock, NULL) != 0 || pthread_cond_init(&semaphore->raised, NULL) != 0) {
        give_up();
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
    struct timespec until = end_of(timeout_us);
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

#endif
