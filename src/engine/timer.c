/* A timing wheel. See timer.h. */
#include "engine/timer.h"

#include "base/clock.h"

#include <stddef.h>
#include <string.h>

static int64_t tick_of(int64_t us)
{
    return us / TC_TIMER_TICK_US;
}

void tc_timers_init(tc_timers_t *timers, int64_t now_us)
{
    memset(timers, 0, sizeof(*timers));
    timers->tick = tick_of(now_us);
}

static void put(tc_timer_t **slot, tc_timer_t *timer)
{
    timer->next = *slot;
    timer->link = slot;
    if (timer->next != NULL) {
        timer->next->link = &timer->next;
    }
    *slot = timer;
}

static void take_out(tc_timer_t *timer)
{
    *timer->link = timer->next;
    if (timer->next != NULL) {
        timer->next->link = timer->link;
    }
    timer->link = NULL;
}

void tc_timer_clear(tc_timers_t *timers, tc_timer_t *timer)
{
    if (timer->link != NULL) {
        take_out(timer);
        timers->count--;
    }
}

void tc_timer_set(tc_timers_t *timers, tc_timer_t *timer, int64_t due_us)
{
    int64_t tick = tick_of(due_us) + 1; /* never early */

    tc_timer_clear(timers, timer);
    timer->due_us = due_us;
    if (tick <= timers->tick) {
        tick = timers->tick + 1;
    }
    put(&timers->slots[tick % TC_TIMER_SLOTS], timer);
    timers->count++;
}

/* Moves the timers that are due to a list of their own, because firing may change the slot. */
static void empty_slot(tc_timers_t *timers, unsigned slot, int64_t now_us)
{
    tc_timer_t *timer, *next;

    for (timer = timers->slots[slot]; timer != NULL; timer = next) {
        next = timer->next;
        if (timer->due_us <= now_us) {
            take_out(timer);
            put(&timers->due, timer);
        }
    }
}

static void fire_due(tc_timers_t *timers, int64_t now_us, int64_t until_us)
{
    while (timers->due != NULL && tc_clock_monotonic_us() < until_us) {
        tc_timer_t *timer = timers->due;

        take_out(timer);
        timers->count--;
        timer->fire(timer, now_us);
    }
}

void tc_timers_run(tc_timers_t *timers, int64_t now_us, int64_t until_us)
{
    int64_t now_tick = tick_of(now_us);

    fire_due(timers, now_us, until_us);
    /* After a long sleep, one turn of the wheel is enough: it visits every slot. */
    if (now_tick - timers->tick > TC_TIMER_SLOTS) {
        timers->tick = now_tick - TC_TIMER_SLOTS;
    }
    while (timers->tick < now_tick && timers->due == NULL) {
        timers->tick++;
        empty_slot(timers, (unsigned)(timers->tick % TC_TIMER_SLOTS), now_us);
        fire_due(timers, now_us, until_us);
    }
}

int64_t tc_timers_next_us(const tc_timers_t *timers, int64_t now_us)
{
    int64_t tick;

    if (timers->count == 0) {
        return -1;
    }
    if (timers->due != NULL) {
        return 0;
    }
    for (tick = timers->tick + 1; tick < timers->tick + TC_TIMER_SLOTS; tick++) {
        if (timers->slots[tick % TC_TIMER_SLOTS] != NULL) {
            break;
        }
    }
    tick = tick * TC_TIMER_TICK_US - now_us;
    return tick > 0 ? tick : 0;
}
