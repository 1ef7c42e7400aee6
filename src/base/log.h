/*
 * The log of everything below the httpd glue: a callback that the glue binds to ap_log_error().
 * Lines carry a stable tag of our own ("TC0012:"); no message text and no credential at any level.
 * Bound once before threads start; any thread may log.
 */
#ifndef TC_BASE_LOG_H
#define TC_BASE_LOG_H

#include <apr_errno.h>

typedef enum {
    TC_LOG_ERR,     /* somebody must act */
    TC_LOG_WARNING, /* degraded, goes on */
    TC_LOG_INFO,    /* life cycle */
    TC_LOG_DEBUG,   /* transitions */
    TC_LOG_TRACE    /* frames */
} tc_log_level_e;

typedef void tc_log_fn(tc_log_level_e level, apr_status_t status, const char *line);

/* Binds the sink of all lines. NULL drops them. Before any thread starts. */
void tc_log_bind(tc_log_fn *sink, tc_log_level_e highest);

/* Logs one line. `status` 0 says that no system error belongs to it. */
void tc_log(tc_log_level_e level, apr_status_t status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
