/*
 * Time: a monotonic clock for deadlines, the wall clock for times that are stored and shown, and the time that a thread has
 * worked. Any thread.
 */
#ifndef TC_BASE_CLOCK_H
#define TC_BASE_CLOCK_H

#include "base/units.h"

#include <stddef.h>
#include <stdint.h>

#define TC_CLOCK_RFC3339_BYTES 28 /* "2024-01-15T10:30:00.123456Z" and its NUL */

/* Microseconds since an arbitrary start. The value never goes back. */
int64_t tc_clock_monotonic_us(void);

/* Microseconds for which the calling thread has had a processor. */
int64_t tc_clock_thread_us(void);

/* Microseconds since 1970 in UTC. The value may jump when the system's clock is set. */
int64_t tc_clock_wall_us(void);

/* Writes `wall_us` as RFC 3339 in UTC with microseconds, ending in Z. `out` holds TC_CLOCK_RFC3339_BYTES. */
void tc_clock_rfc3339(int64_t wall_us, char *out);

#endif
