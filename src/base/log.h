/*
 * The log of everything below the httpd glue: a callback that the glue binds to ap_log_error().
 * Lines carry a stable tag of our own ("TC0012:"); no message text and no credential at any level.
 * Bound once before threads start; any thread may log.
 */
#ifndef TC_BASE_LOG_H
#define TC_BASE_LOG_H

#include <apr_errno.h>
#include <stdatomic.h>
#include <stdbool.h>

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

/* ---- what may come a thousand times a second ---- */

#define TC_LOG_MORE_CHARS 48

/* Static, one for each place that logs; `burst` lines a second are written, in each process. */
typedef struct {
    unsigned burst;
    atomic_llong second_us; /* when the present second began */
    atomic_uint lines;      /* in it */
    atomic_uint left_out;   /* since the last line */
} tc_log_limit_t;

#define TC_LOG_LIMIT(burst) {(burst), 0, 0, 0}

/*
 * True when a line may be written; then `more` is what it ends with: nothing, or how many were left out before it. Any
 * thread.
 */
bool tc_log_may(tc_log_limit_t *limit, char more[TC_LOG_MORE_CHARS]);

#endif
