/* The log callback of the pure layers. See log.h. */
#include "base/log.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>

static tc_log_fn *log_sink;         /* const after tc_log_bind() */
static tc_log_level_e log_highest;  /* const after tc_log_bind() */

void tc_log_bind(tc_log_fn *sink, tc_log_level_e highest)
{
    log_sink = sink;
    log_highest = highest;
}

void tc_log(tc_log_level_e level, apr_status_t status, const char *fmt, ...)
{
    char line[1024];
    va_list args;

    if (log_sink == NULL || level > log_highest) {
        return;
    }
    va_start(args, fmt);
    vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    log_sink(level, status, line);
}

/* If two threads begin a new second at the same time, one line too many or too few may be written. */
bool tc_log_may(tc_log_limit_t *limit, char more[TC_LOG_MORE_CHARS])
{
    long long now_us = tc_clock_monotonic_us(), began_us = atomic_load(&limit->second_us);
    unsigned left_out;

    if ((began_us == 0 || now_us - began_us >= TC_US_PER_S)
        && atomic_compare_exchange_strong(&limit->second_us, &began_us, now_us)) {
        atomic_store(&limit->lines, 0);
    }
    if (atomic_fetch_add(&limit->lines, 1) >= limit->burst) {
        atomic_fetch_add(&limit->left_out, 1);
        return false;
    }
    left_out = atomic_exchange(&limit->left_out, 0);
    more[0] = '\0';
    if (left_out > 0) {
        snprintf(more, TC_LOG_MORE_CHARS, " (%u more since the last line)", left_out);
    }
    return true;
}
