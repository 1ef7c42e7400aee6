/* Monotonic and wall time. See clock.h. */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t read_clock_us(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * TC_US_PER_S + ts.tv_nsec / 1000;
}

int64_t tc_clock_monotonic_us(void)
{
    return read_clock_us(CLOCK_MONOTONIC);
}

int64_t tc_clock_wall_us(void)
{
    return read_clock_us(CLOCK_REALTIME);
}

void tc_clock_rfc3339(int64_t wall_us, char *out)
{
    time_t seconds = (time_t)(wall_us / TC_US_PER_S);
    int micros = (int)(wall_us % TC_US_PER_S);
    struct tm tm;
    size_t len;

    gmtime_r(&seconds, &tm);
    len = strftime(out, TC_CLOCK_RFC3339_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + len, TC_CLOCK_RFC3339_BYTES - len, ".%06dZ", micros);
}
