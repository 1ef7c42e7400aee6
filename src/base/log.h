/*
 * The log of every folder below src/httpd: a callback that src/httpd binds to ap_log_error(). Each line carries a
 * stable tag of the module's own ("TC0012:"). No message text and no credential is logged, at any level. The callback
 * is bound once, before threads start; then any thread may log.
 */
#ifndef TC_BASE_LOG_H
#define TC_BASE_LOG_H

#include <apr_errno.h>
#include <stdatomic.h>
#include <stdbool.h>

typedef enum {
    TC_LOG_ERR,     /* an administrator must act */
    TC_LOG_WARNING, /* the service is degraded and goes on */
    TC_LOG_INFO,    /* life cycle */
    TC_LOG_DEBUG,   /* transitions */
    TC_LOG_TRACE    /* frames */
} tc_log_level_e;

#define TC_LOG_LINE_BYTES 1024 /* a line has fewer */

/* Whom a line is about, for lines of a connection. const; the connection's. */
typedef struct {
    const void *server; /* whose log it goes to; what it is, the glue knows; NULL: the main server's */
    char client[];      /* the client's address; "": not known */
} tc_log_subject_t;

/* Takes a line. `server` is as in a subject. `client` is an address, or "". */
typedef void tc_log_fn(tc_log_level_e level, apr_status_t status, const void *server, const char *client, const char *line);

/* Sets where lines of level `highest` and above go; NULL drops all lines. Call this before any thread starts. */
void tc_log_bind(tc_log_fn *sink, tc_log_level_e highest);

/*
 * Logs one line, cut off after 1023 bytes, to the log that the calling thread serves. `status` is the system error that
 * belongs to it; 0: none. Any thread.
 */
void tc_log(tc_log_level_e level, apr_status_t status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Says whose log the calling thread serves from now on; NULL, as in the beginning: the main server's. */
void tc_log_serve(const void *server);

/* Makes a subject. free() frees it. */
tc_log_subject_t *tc_log_subject_create(const void *server, const char *client);

/* ---- lines that may come a thousand times a second ---- */

#define TC_LOG_MORE_CHARS 48

/* Each place that logs has a static limit. Each process writes up to `burst` lines a second at that place. */
typedef struct {
    unsigned burst;
    atomic_llong second_us; /* when the present second began; monotonic */
    atomic_uint lines;      /* wanted in the present second */
    atomic_uint left_out;   /* lines not written since the last line that was */
} tc_log_limit_t;

#define TC_LOG_LIMIT(burst) {(burst), 0, 0, 0}

/*
 * Returns whether a line may be written now. If so, fills `more` with the text to append to the line: "", or how many
 * lines were left out before it. Any thread.
 */
bool tc_log_may(tc_log_limit_t *limit, char more[TC_LOG_MORE_CHARS]);

#define TC_LOG_CONNECTION_LINES 20 /* a second and process */

/* Logs one line about a connection, to the log of its server; NULL: as tc_log(). `limit` may be NULL. Any thread. */
void tc_log_about(const tc_log_subject_t *subject, tc_log_limit_t *limit, tc_log_level_e level, apr_status_t status,
                  const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* The same with a limit of its own, for lines that each connection may cause. */
#define TC_LOG_ABOUT(subject, level, status, ...)                                                  \
    do {                                                                                           \
        static tc_log_limit_t often = TC_LOG_LIMIT(TC_LOG_CONNECTION_LINES);                       \
                                                                                                   \
        tc_log_about((subject), &often, (level), (status), __VA_ARGS__);                           \
    } while (0)

#endif
