/* The timing wheel. The tests pass the time in and never wait. */
#include "unit.h"

#include "engine/timer.h"

#include <stddef.h>

#define TICK TC_TIMER_TICK_US
#define TURN ((int64_t)TC_TIMER_SLOTS * TC_TIMER_TICK_US)
#define START (INT64_C(12345) * TICK + 678)

typedef struct {
    tc_timer_t timer; /* must be the first member */
    int fired;
    int64_t fired_us;
    tc_timers_t *timers;
    tc_timer_t *other; /* the timer that firing sets or clears */
    int64_t again_us;
} alarm_t;

static void on_fire(tc_timer_t *timer, int64_t now_us)
{
    alarm_t *self = (alarm_t *)timer;

    ck_assert_ptr_null(timer->link);
    self->fired++;
    self->fired_us = now_us;
}

static alarm_t alarm_of(void (*fire)(tc_timer_t *, int64_t), tc_timers_t *timers)
{
    alarm_t made = {.timer = {.fire = fire}, .timers = timers};

    return made;
}

/* Runs the timers in steps, never beyond `to`. */
static void run_by(tc_timers_t *timers, int64_t from, int64_t to, int64_t step)
{
    for (; from <= to; from += step) {
        tc_timers_run(timers, from, INT64_MAX);
    }
}

START_TEST(a_timer_fires_once_never_early_and_at_most_a_tick_late)
{
    static const int64_t delays[] = {-TICK * 5,   -1,       0,           1,        TICK - 1,
                                     TICK,        TICK + 1, 10 * TICK,   TURN - 1, TURN,
                                     TURN + TICK, 3 * TURN, 3 * TURN + 7};
    static const int64_t steps[] = {TICK / 10 - 1, TICK / 3, TICK, 7 * TICK};
    size_t i, j;

    for (i = 0; i < UNIT_COUNT(delays); i++) {
        for (j = 0; j < UNIT_COUNT(steps); j++) {
            tc_timers_t timers;
            alarm_t alarm = alarm_of(on_fire, &timers);
            int64_t due = START + delays[i], latest = (due > START ? due : START) + TICK + steps[j];

            tc_timers_init(&timers, START);
            tc_timer_set(&timers, &alarm.timer, due);
            ck_assert_uint_eq(timers.count, 1);
            run_by(&timers, START, latest, steps[j]);
            ck_assert_msg(alarm.fired == 1, "delay %lld, step %lld: fired %d times",
                          (long long)delays[i], (long long)steps[j], alarm.fired);
            ck_assert_int_ge(alarm.fired_us, due);
            ck_assert_uint_eq(timers.count, 0);
            run_by(&timers, latest, latest + 2 * TURN, 9 * TICK);
            ck_assert_int_eq(alarm.fired, 1);
        }
    }
}
END_TEST

START_TEST(after_a_long_sleep_everything_due_fires_at_once)
{
    static alarm_t alarms[1000];
    tc_timers_t timers;
    size_t i;

    tc_timers_init(&timers, START);
    for (i = 0; i < UNIT_COUNT(alarms); i++) {
        alarms[i] = alarm_of(on_fire, &timers);
        tc_timer_set(&timers, &alarms[i].timer, START + (int64_t)i * TICK);
    }
    tc_timers_run(&timers, START + 501 * TICK - 1, INT64_MAX);
    for (i = 0; i < UNIT_COUNT(alarms); i++) {
        ck_assert_int_eq(alarms[i].fired, i <= 500);
    }
    tc_timers_run(&timers, START + 1000000 * TURN, INT64_MAX);
    ck_assert_uint_eq(timers.count, 0);
    ck_assert_int_eq(alarms[999].fired, 1);
}
END_TEST

START_TEST(what_is_due_when_the_time_is_over_fires_in_the_next_run)
{
    tc_timers_t timers;
    alarm_t alarms[3] = {alarm_of(on_fire, &timers), alarm_of(on_fire, &timers), alarm_of(on_fire, &timers)};

    tc_timers_init(&timers, START);
    tc_timer_set(&timers, &alarms[0].timer, START);
    tc_timer_set(&timers, &alarms[1].timer, START);
    tc_timer_set(&timers, &alarms[2].timer, START + 5 * TICK);
    tc_timers_run(&timers, START + 3 * TICK, 0);
    ck_assert_int_eq(alarms[0].fired + alarms[1].fired, 0);
    ck_assert_int_eq(tc_timers_next_us(&timers, START + 3 * TICK), 0);
    tc_timer_clear(&timers, &alarms[1].timer);
    tc_timers_run(&timers, START + 3 * TICK, INT64_MAX);
    ck_assert_int_eq(alarms[0].fired, 1);
    ck_assert_int_gt(tc_timers_next_us(&timers, START + 3 * TICK), 0);
    tc_timers_run(&timers, START + 7 * TICK, INT64_MAX);
    ck_assert_int_eq(alarms[1].fired, 0);
    ck_assert_int_eq(alarms[2].fired, 1);
    ck_assert_uint_eq(timers.count, 0);
}
END_TEST

START_TEST(a_cleared_timer_does_not_fire_and_may_be_cleared_again)
{
    tc_timers_t timers;
    alarm_t alarm = alarm_of(on_fire, &timers), other = alarm_of(on_fire, &timers);

    tc_timers_init(&timers, START);
    tc_timer_clear(&timers, &alarm.timer);
    ck_assert_uint_eq(timers.count, 0);
    tc_timer_set(&timers, &other.timer, START + TICK);
    tc_timer_set(&timers, &alarm.timer, START + TICK);
    tc_timer_clear(&timers, &alarm.timer);
    tc_timer_clear(&timers, &alarm.timer);
    ck_assert_uint_eq(timers.count, 1);
    run_by(&timers, START, START + 5 * TICK, TICK);
    ck_assert_int_eq(alarm.fired, 0);
    ck_assert_int_eq(other.fired, 1);
}
END_TEST

START_TEST(a_timer_that_is_set_again_has_the_new_time_alone)
{
    tc_timers_t timers;
    alarm_t alarm = alarm_of(on_fire, &timers);

    tc_timers_init(&timers, START);
    tc_timer_set(&timers, &alarm.timer, START + 2 * TICK);
    tc_timer_set(&timers, &alarm.timer, START + 10 * TICK);
    ck_assert_uint_eq(timers.count, 1);
    run_by(&timers, START, START + 9 * TICK, TICK);
    ck_assert_int_eq(alarm.fired, 0);
    tc_timer_set(&timers, &alarm.timer, START + 9 * TICK);
    run_by(&timers, START + 9 * TICK, START + 30 * TICK, TICK);
    ck_assert_int_eq(alarm.fired, 1);
}
END_TEST

static void clear_other(tc_timer_t *timer, int64_t now_us)
{
    alarm_t *self = (alarm_t *)timer;

    on_fire(timer, now_us);
    tc_timer_clear(self->timers, self->other);
}

static void set_both(tc_timer_t *timer, int64_t now_us)
{
    alarm_t *self = (alarm_t *)timer;

    on_fire(timer, now_us);
    tc_timer_set(self->timers, timer, now_us + self->again_us);
    tc_timer_set(self->timers, self->other, now_us + self->again_us);
}

START_TEST(firing_may_clear_a_timer_that_is_due_as_well)
{
    tc_timers_t timers;
    alarm_t one = alarm_of(clear_other, &timers), two = alarm_of(clear_other, &timers);

    one.other = &two.timer;
    two.other = &one.timer;
    tc_timers_init(&timers, START);
    tc_timer_set(&timers, &one.timer, START + TICK);
    tc_timer_set(&timers, &two.timer, START + TICK);
    tc_timers_run(&timers, START + 3 * TICK, INT64_MAX);
    ck_assert_int_eq(one.fired + two.fired, 1);
    ck_assert_uint_eq(timers.count, 0);
    run_by(&timers, START + 3 * TICK, START + 2 * TURN, TICK);
    ck_assert_int_eq(one.fired + two.fired, 1);
}
END_TEST

START_TEST(firing_may_set_itself_and_others_again)
{
    tc_timers_t timers;
    alarm_t beat = alarm_of(set_both, &timers), other = alarm_of(on_fire, &timers);

    beat.other = &other.timer;
    beat.again_us = 10 * TICK;
    tc_timers_init(&timers, START);
    tc_timer_set(&timers, &beat.timer, START);
    run_by(&timers, START, START + 11 * 20 * TICK, TICK);
    ck_assert_int_ge(beat.fired, 20);
    ck_assert_int_le(beat.fired, 22);
    ck_assert_uint_eq(timers.count, 2);
}
END_TEST

START_TEST(a_timer_that_sets_itself_for_now_does_not_fire_without_end)
{
    tc_timers_t timers;
    alarm_t beat = alarm_of(set_both, &timers), other = alarm_of(on_fire, &timers);

    beat.other = &other.timer;
    tc_timers_init(&timers, START);
    tc_timer_set(&timers, &beat.timer, START);
    tc_timers_run(&timers, START + 2 * TICK, INT64_MAX);
    ck_assert_int_eq(beat.fired, 1);
    ck_assert_uint_eq(timers.count, 2);
}
END_TEST

START_TEST(the_wait_never_goes_past_the_first_timer)
{
    unit_random_t random = unit_random_of(7);
    int round;

    for (round = 0; round < 2000; round++) {
        tc_timers_t timers;
        alarm_t alarm = alarm_of(on_fire, &timers), later = alarm_of(on_fire, &timers);
        int64_t now = START, due = START + unit_random_below(&random, (unsigned)(2 * TURN));

        tc_timers_init(&timers, now);
        ck_assert_int_eq(tc_timers_next_us(&timers, now), -1);
        tc_timer_set(&timers, &alarm.timer, due);
        tc_timer_set(&timers, &later.timer, due + TURN);
        while (alarm.fired == 0) {
            int64_t wait = tc_timers_next_us(&timers, now);

            ck_assert_int_ge(wait, 0);
            now += wait;
            ck_assert_int_le(now, due + TICK);
            tc_timers_run(&timers, now, INT64_MAX);
        }
        ck_assert_int_ge(now, due);
    }
}
END_TEST

/* Compares random sets, clears and steps of time with a plain list. */
START_TEST(random_timers_fire_as_a_plain_list_says)
{
    enum { ALARMS = 60 };
    unit_random_t random = unit_random_of(11);
    static alarm_t alarms[ALARMS];
    int64_t due[ALARMS], now = START;
    tc_timers_t timers;
    int step, i;

    tc_timers_init(&timers, now);
    for (i = 0; i < ALARMS; i++) {
        alarms[i] = alarm_of(on_fire, &timers);
        due[i] = -1;
    }
    for (step = 0; step < 10000; step++) {
        unsigned set = 0;

        i = (int)unit_random_below(&random, ALARMS);
        if (unit_random_below(&random, 4) == 0) {
            tc_timer_clear(&timers, &alarms[i].timer);
            due[i] = -1;
        }
        else {
            due[i] = now + unit_random_below(&random, (unsigned)(3 * TURN / 2));
            tc_timer_set(&timers, &alarms[i].timer, due[i]);
        }
        now += unit_random_below(&random, unit_random_below(&random, 50) ? TICK : 2 * (int)TURN);
        tc_timers_run(&timers, now, INT64_MAX);
        for (i = 0; i < ALARMS; i++) {
            if (alarms[i].fired) {
                ck_assert_int_eq(alarms[i].fired, 1);
                ck_assert_int_ge(due[i], 0);
                ck_assert_int_le(due[i], now);
                alarms[i].fired = 0;
                due[i] = -1;
            }
            if (due[i] >= 0 && due[i] + TICK <= now) {
                ck_abort_msg("step %d: timer %d is late", step, i);
            }
            set += due[i] >= 0;
        }
        ck_assert_uint_eq(timers.count, set);
    }
}
END_TEST

UNIT_MAIN("timer", a_timer_fires_once_never_early_and_at_most_a_tick_late,
          after_a_long_sleep_everything_due_fires_at_once,
          what_is_due_when_the_time_is_over_fires_in_the_next_run,
          a_cleared_timer_does_not_fire_and_may_be_cleared_again,
          a_timer_that_is_set_again_has_the_new_time_alone,
          firing_may_clear_a_timer_that_is_due_as_well, firing_may_set_itself_and_others_again,
          a_timer_that_sets_itself_for_now_does_not_fire_without_end,
          the_wait_never_goes_past_the_first_timer, random_timers_fire_as_a_plain_list_says)
