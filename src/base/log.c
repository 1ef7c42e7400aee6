/* The log callback of the pure layers. See log.h. */
#include "base/log.h"

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
