/* Semaphores of a mutex and a condition: what is posted is taken once, and waits have an end. */
#include "unit.h"

#include "base/clock.h"
#include "engine/semaphore.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/syscall.h>

static int64_t wall_ahead_s;

/* In place of libc's: a wall clock that is set back by so much as soon as it has been read. */
int clock_gettime(clockid_t id, struct timespec *time)
{
    int rc = (int)syscall(SYS_clock_gettime, id, time);

    if (id == CLOCK_REALTIME) {
        time->tv_sec += (time_t)wall_ahead_s;
    }
    return rc;
}
#endif

START_TEST(each_post_is_taken_once)
{
    tc_semaphore_t semaphore;

    tc_semaphore_init(&semaphore);
    ck_assert(!tc_semaphore_wait_for(&semaphore, 0));
    tc_semaphore_post(&semaphore);
    tc_semaphore_post(&semaphore);
    tc_semaphore_wait(&semaphore);
    ck_assert(tc_semaphore_wait_for(&semaphore, 0));
    ck_assert(!tc_semaphore_wait_for(&semaphore, 1000));
    tc_semaphore_destroy(&semaphore);
}
END_TEST

START_TEST(a_wait_ends_after_its_time_and_not_before)
{
    tc_semaphore_t semaphore;
    int64_t began_us = tc_clock_monotonic_us();

    tc_semaphore_init(&semaphore);
    ck_assert(!tc_semaphore_wait_for(&semaphore, 30 * TC_US_PER_MS));
    ck_assert_int_ge(tc_clock_monotonic_us() - began_us, 29 * TC_US_PER_MS);
    tc_semaphore_destroy(&semaphore);
}
END_TEST

/* Forward, too: nobody waits shorter. */
START_TEST(a_wall_clock_that_is_set_moves_no_end)
{
#if defined(__linux__) && defined(TC_SEMAPHORE_MONOTONIC)
    tc_semaphore_t semaphore;
    int64_t began_us = tc_clock_monotonic_us();
    int hours;

    tc_semaphore_init(&semaphore);
    for (hours = -1; hours <= 1; hours++) {
        wall_ahead_s = (int64_t)3600 * hours;
        ck_assert(!tc_semaphore_wait_for(&semaphore, 30 * TC_US_PER_MS));
    }
    wall_ahead_s = 0;
    ck_assert_int_ge(tc_clock_monotonic_us() - began_us, 3 * 29 * TC_US_PER_MS);
    ck_assert_int_le(tc_clock_monotonic_us() - began_us, 60 * TC_US_PER_S);
    tc_semaphore_destroy(&semaphore);
#endif
}
END_TEST

#define POSTS 20000

static void *post_often(void *context)
{
    int i;

    for (i = 0; i < POSTS; i++) {
        tc_semaphore_post(context);
    }
    return NULL;
}

START_TEST(none_is_lost_between_threads)
{
    tc_semaphore_t semaphore;
    pthread_t threads[2];
    int i;

    tc_semaphore_init(&semaphore);
    for (i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, post_often, &semaphore), 0);
    }
    for (i = 0; i < 2 * POSTS; i++) {
        ck_assert(tc_semaphore_wait_for(&semaphore, INT64_MAX));
    }
    for (i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    }
    ck_assert(!tc_semaphore_wait_for(&semaphore, 0));
    tc_semaphore_destroy(&semaphore);
}
END_TEST

UNIT_MAIN("semaphore", each_post_is_taken_once, a_wait_ends_after_its_time_and_not_before,
          a_wall_clock_that_is_set_moves_no_end, none_is_lost_between_threads)
