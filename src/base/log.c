/* The log callback of the pure layers. See log.h. */
#include "base/log.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static tc_log_fn *log_sink;         /* const after tc_log_bind() */
static tc_log_level_e log_highest;  /* const after tc_log_bind() */
static _Thread_local const void *log_server;

void tc_log_bind(tc_log_fn *sink, tc_log_level_e highest)
{
    log_sink = sink;
    log_highest = highest;
}

static bool is_wanted(tc_log_level_e level)
{
    return log_sink != NULL && level <= log_highest;
}

void tc_log(tc_log_level_e level, apr_status_t status, const char *fmt, ...)
{
    char line[TC_LOG_LINE_BYTES];
    va_list args;

    if (is_wanted(level)) {
        va_start(args, fmt);
        vsnprintf(line, sizeof(line), fmt, args);
        va_end(args);
        log_sink(level, status, log_server, "", line);
    }
}

void tc_log_about(const tc_log_subject_t *subject, tc_log_limit_t *limit, tc_log_level_e level, apr_status_t status,
                  const char *fmt, ...)
{
    char line[TC_LOG_LINE_BYTES], more[TC_LOG_MORE_CHARS] = "";
    va_list args;

    if (is_wanted(level) && (limit == NULL || tc_log_may(limit, more))) {
        va_start(args, fmt);
        vsnprintf(line, sizeof(line) - sizeof(more), fmt, args);
        va_end(args);
        memcpy(line + strlen(line), more, strlen(more) + 1);
        log_sink(level, status, subject ? subject->server : log_server, subject ? subject->client : "", line);
    }
}

void tc_log_serve(const void *server)
{
    log_server = server;
}

tc_log_subject_t *tc_log_subject_create(const void *server, const char *client)
{
    size_t size = strlen(client) + 1;
    tc_log_subject_t *subject = tc_alloc(sizeof(*subject) + size);

    subject->server = server;
    memcpy(subject->client, client, size);
    return subject;
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
