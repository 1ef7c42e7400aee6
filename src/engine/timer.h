/*
 * Timers of a loop: a hashed wheel of intrusive nodes, a tenth of a second a slot. Adding and taking
 * out are constant time. Pure: time is passed in. One thread's.
 */
#ifndef TC_ENGINE_TIMER_H
#define TC_ENGINE_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#define TC_TIMER_SLOTS 256
#define TC_TIMER_TICK_US 100000

typedef struct tc_timer_t {
    struct tc_timer_t *next;
    struct tc_timer_t **link; /* what points here; NULL when it is not set */
    int64_t due_us;
    void (*fire)(struct tc_timer_t *timer, int64_t now_us); /* may set or clear any timer */
} tc_timer_t;

typedef struct {
    tc_timer_t *slots[TC_TIMER_SLOTS];
    int64_t tick; /* the last one that was run */
    unsigned count;
} tc_timers_t;

void tc_timers_init(tc_timers_t *timers, int64_t now_us);

/* Sets a timer (again) to go off at `due_us` or up to a tick later. */
void tc_timer_set(tc_timers_t *timers, tc_timer_t *timer, int64_t due_us);
void tc_timer_clear(tc_timers_t *timers, tc_timer_t *timer);

/* Fires what is due. */
void tc_timers_run(tc_timers_t *timers, int64_t now_us);

/* Microseconds until tc_timers_run() may have something to do; -1 when no timer is set. */
int64_t tc_timers_next_us(const tc_timers_t *timers, int64_t now_us);

#endif
