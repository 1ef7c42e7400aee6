/* Token buckets: how many tokens a bucket has at any moment, and how long it takes until it has one. */
#include "unit.h"

#include "domain/rate.h"

#define SECOND INT64_C(1000000)
#define NOW (1000 * SECOND)

/* Takes all tokens of a bucket. Returns their number. */
static int drain(tc_bucket_t *bucket, const tc_rate_t *rate, int64_t now_us)
{
    int taken = 0;

    while (tc_bucket_wait_us(*bucket, rate, now_us) == 0 && taken < 100000) {
        *bucket = tc_bucket_less(*bucket, rate, now_us);
        taken++;
    }
    return taken;
}

START_TEST(a_full_bucket_holds_what_it_is_said_to)
{
    static const tc_rate_t rates[] = {{1, SECOND}, {3, SECOND}, {7, 10 * SECOND}, {300, 60 * SECOND}, {1000000, 100000}};
    size_t i;

    for (i = 0; i < UNIT_COUNT(rates); i++) {
        tc_bucket_t bucket = 0;
        int taken = drain(&bucket, &rates[i], NOW);

        ck_assert_int_eq(taken, rates[i].tokens > 100000 ? 100000 : (int)rates[i].tokens);
    }
}
END_TEST

START_TEST(tokens_come_back_one_by_one_and_no_more_than_fit)
{
    static const tc_rate_t rate = {4, 2 * SECOND};
    tc_bucket_t bucket = 0;

    ck_assert_int_eq(drain(&bucket, &rate, NOW), 4);
    ck_assert_int_eq(tc_bucket_wait_us(bucket, &rate, NOW), SECOND / 2);
    ck_assert_int_eq(drain(&bucket, &rate, NOW + SECOND / 2 - 1), 0);
    ck_assert_int_eq(drain(&bucket, &rate, NOW + SECOND / 2), 1);
    ck_assert_int_eq(drain(&bucket, &rate, NOW + 3 * SECOND / 2), 2);
    ck_assert_int_eq(drain(&bucket, &rate, NOW + 1000 * SECOND), 4);
}
END_TEST

START_TEST(a_rate_of_nothing_is_no_limit)
{
    static const tc_rate_t rate = {0, 1};
    tc_bucket_t bucket = 0;

    ck_assert_int_eq(drain(&bucket, &rate, NOW), 100000);
    ck_assert_int_eq(bucket, 0);
}
END_TEST

START_TEST(over_a_long_time_as_many_are_had_as_the_rate_says)
{
    static const tc_rate_t rate = {10, SECOND};
    tc_bucket_t bucket = 0;
    int taken = 0, i;

    for (i = 0; i < 100000; i++) {
        taken += drain(&bucket, &rate, NOW + i * SECOND / 100);
    }
    ck_assert_int_ge(taken, 10000);
    ck_assert_int_le(taken, 10010);
}
END_TEST

/* A reload may change the rate; the bucket stays. */
START_TEST(an_empty_bucket_of_another_rate_is_an_empty_bucket)
{
    static const tc_rate_t slow = {10, 86400 * SECOND}, quick = {4, 2 * SECOND};
    tc_bucket_t bucket = 0;

    ck_assert_int_eq(drain(&bucket, &slow, NOW), 10);
    ck_assert_int_eq(drain(&bucket, &quick, NOW), 1);
    ck_assert_int_eq(tc_bucket_wait_us(bucket, &quick, NOW), SECOND / 2);
    ck_assert_int_eq(drain(&bucket, &quick, NOW + SECOND / 2), 1);
    bucket = NOW + 3 * SECOND; /* told by a thread whose clock is ahead */
    ck_assert_int_eq(tc_bucket_wait_us(bucket, &quick, NOW), 3 * SECOND / 2);
}
END_TEST

UNIT_MAIN("rate", a_full_bucket_holds_what_it_is_said_to, tokens_come_back_one_by_one_and_no_more_than_fit,
          a_rate_of_nothing_is_no_limit, over_a_long_time_as_many_are_had_as_the_rate_says,
          an_empty_bucket_of_another_rate_is_an_empty_bucket)
