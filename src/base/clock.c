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

int64_t tc_clock_thread_us(void)
{
    return read_clock_us(CLOCK_THREAD_CPUTIME_ID);
}

int64_t tc_clock_wall_us(void)
{
    return read_clock_us(CLOCK_REALTIME);
}

#define DAY_US (86400 * TC_US_PER_S)

/*
 * The date of a day since 1970, from year 0 on: gmtime_r() ends in 2038 where time_t has 32 bits. Years begin in March
 * here, so that the day that only some of them have is the last.
 */
static void find_date(int64_t day_of_1970, unsigned *year, unsigned *month, unsigned *day)
{
    unsigned days = (unsigned)(day_of_1970 + 719468);   /* since March 1st of year 0 */
    unsigned era = days / 146097, of_era = days % 146097; /* of 400 years */
    unsigned of_year, year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;

    of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    *month = (5 * of_year + 2) / 153; /* 0 is March; five months have 153 days */
    *day = of_year - (153 * *month + 2) / 5 + 1;
    *month = *month < 10 ? *month + 3 : *month - 9;
    *year = era * 400 + year_of_era + (*month <= 2);
}

void tc_clock_rfc3339(int64_t wall_us, char *out)
{
    int64_t days = wall_us / DAY_US, of_day_us = wall_us % DAY_US;
    unsigned year, month, day, seconds;

    if (of_day_us < 0) {
        of_day_us += DAY_US;
        days--;
    }
    find_date(days, &year, &month, &day);
    seconds = (unsigned)(of_day_us / TC_US_PER_S);
    snprintf(out, TC_CLOCK_RFC3339_BYTES, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ", year % 10000, month % 100,
             day % 100, seconds / 3600 % 100, seconds / 60 % 60, seconds % 60, (unsigned)(of_day_us % TC_US_PER_S));
}
