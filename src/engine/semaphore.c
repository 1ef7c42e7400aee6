/* A counting semaphore. See semaphore.h. */
#include "engine/semaphore.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LONGEST_US (3600 * TC_US_PER_S)

static int64_t bounded(int64_t timeout_us)
{
    return timeout_us < LONGEST_US ? timeout_us : LONGEST_US;
}

static struct timespec as_timespec(int64_t us)
{
    struct timespec time = {(time_t)(us / TC_US_PER_S), (long)(us % TC_US_PER_S * 1000)};

    return time;
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

/* Waits until `until_us` of the monotonic clock. -1 with ETIMEDOUT or EINTR, as sem_timedwait(). */
static int wait_until(tc_semaphore_t *semaphore, int64_t until_us)
{
#ifdef TC_SEMAPHORE_MONOTONIC
    struct timespec until = as_timespec(until_us);

    return sem_clockwait(&semaphore->system, CLOCK_MONOTONIC, &until);
#else
    struct timespec until = as_timespec(tc_clock_wall_us() + until_us - tc_clock_monotonic_us());

    return sem_timedwait(&semaphore->system, &until);
#endif
}

bool tc_semaphore_wait_for(tc_semaphore_t *semaphore, int64_t timeout_us)
{
    int64_t until_us = tc_clock_monotonic_us() + bounded(timeout_us);
    int rc;

    do {
        rc = wait_until(semaphore, until_us);
    } while (rc != 0 && (errno == EINTR || tc_clock_monotonic_us() < until_us)); /* the wall clock may be set forward */
    return rc == 0;
}

#else

/* macOS has no clocks for conditions. It waits for a while instead of until a moment. */
static int make_condition(pthread_cond_t *condition)
{
#ifdef __APPLE__
    return pthread_cond_init(condition, NULL);
#else
    pthread_condattr_t attributes;
    int rc = pthread_condattr_init(&attributes);

    if (rc == 0) {
        rc = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        rc = rc == 0 ? pthread_cond_init(condition, &attributes) : rc;
        (void)pthread_condattr_destroy(&attributes);
    }
    return rc;
#endif
}

static int wait_until(tc_semaphore_t *semaphore, int64_t until_us)
{
#ifdef __APPLE__
    int64_t left_us = until_us - tc_clock_monotonic_us();
    struct timespec left = as_timespec(left_us > 0 ? left_us : 0);

    return pthread_cond_timedwait_relative_np(&semaphore->raised, &semaphore->lock, &left);
#else
    struct timespec until = as_timespec(until_us);

    return pthread_cond_timedwait(&semaphore->raised, &semaphore->lock, &until);
#endif
}

void tc_semaphore_init(tc_semaphore_t *semaphore)
{
    semaphore->count = 0;
    if (pthread_mutex_init(&semaphore->lock, NULL) != 0 || make_condition(&semaphore->raised) != 0) {
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
    int64_t until_us = tc_clock_monotonic_us() + bounded(timeout_us);
    int rc = 0;
    bool taken;

    (void)pthread_mutex_lock(&semaphore->lock);
    while (semaphore->count == 0 && rc == 0) {
        rc = wait_until(semaphore, until_us);
    }
    taken = semaphore->count > 0;
    semaphore->count -= taken;
    (void)pthread_mutex_unlock(&semaphore->lock);
    return taken;
}

#endif
