/* Semaphores of a mutex and a condition: what is posted is taken once, and waits have an end. */
#include "unit.h"

#include "base/clock.h"
#include "engine/semaphore.h"

#include <pthread.h>
#include <unistd.h>

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

UNIT_MAIN("semaphore", each_post_is_taken_once, a_wait_ends_after_its_time_and_not_before, none_is_lost_between_threads)
