/* Calls to a driver that are under way. See calls.h. */
#include "store/calls.h"

#include "base/clock.h"

#include <stddef.h>

void tc_calls_init(tc_calls_t *calls)
{
    atomic_init(&calls->under_way, 0);
    atomic_init(&calls->answered_us, 0);
}

void tc_calls_begin(tc_calls_t *calls)
{
    if (calls == NULL) {
        return;
    }
    if (atomic_load(&calls->under_way) == 0) {
        atomic_store(&calls->answered_us, tc_clock_monotonic_us()); /* first, or the call would look old */
    }
    atomic_fetch_add(&calls->under_way, 1);
}

void tc_calls_end(tc_calls_t *calls)
{
    if (calls != NULL) {
        atomic_store(&calls->answered_us, tc_clock_monotonic_us());
        atomic_fetch_sub(&calls->under_way, 1);
    }
}

bool tc_calls_are_silent(tc_calls_t *calls, int64_t span_us)
{
    return atomic_load(&calls->under_way) > 0
           && tc_clock_monotonic_us() - atomic_load(&calls->answered_us) >= span_us;
}
