/*
 * Timers of a loop: a hashed timing wheel of intrusive nodes, with slots of a tenth of a second. Setting and clearing a
 * timer take constant time. Time is passed in; the clock is read only to end a slice. Used by one thread.
 */
#ifndef TC_ENGINE_TIMER_H
#define TC_ENGINE_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#define TC_TIMER_SLOTS 256
#define TC_TIMER_TICK_US 100000

typedef struct tc_timer_t {
    struct tc_timer_t *next;
    struct tc_timer_t **link; /* the pointer that points to this timer; NULL: the timer is not set */
    int64_t due_us;
    void (*fire)(struct tc_timer_t *timer, int64_t now_us); /* may set or clear any timer */
} tc_timer_t;

typedef struct {
    tc_timer_t *slots[TC_TIMER_SLOTS];
    tc_timer_t *due; /* timers whose time has come, and for which there was no time left */
    int64_t tick; /* the last tick that was run */
    unsigned count; /* timers that are set */
} tc_timers_t;

void tc_timers_init(tc_timers_t *timers, int64_t now_us);

/* Sets a timer to fire at `due_us` or up to a tick later. If the timer is set already, its old time is forgotten. */
void tc_timer_set(tc_timers_t *timers, tc_timer_t *timer, int64_t due_us);

/* Clears a timer. Allowed if it is not set. */
void tc_timer_clear(tc_timers_t *timers, tc_timer_t *timer);

/* Fires the timers that are due, until the clock (monotonic) shows `until_us`. The others fire in the next run. */
void tc_timers_run(tc_timers_t *timers, int64_t now_us, int64_t until_us);

/* Microseconds until the next timer may be due; 0: some are due; -1: no timer is set. */
int64_t tc_timers_next_us(const tc_timers_t *timers, int64_t now_us);

#endif
