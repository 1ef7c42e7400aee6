/* Limits the lines that requests write to the error log, as requests may come a thousand times a second. */
#ifndef TC_HTTPD_OFTEN_H
#define TC_HTTPD_OFTEN_H

#include "base/log.h"

#include <apr_strings.h>
#include <http_log.h>

#define TC_OFTEN_LINES 20 /* a second and process, for lines of LogLevel info */

/* ap_log_rerror() for at most `burst` lines a second and process. The next line says how many were left out. */
#define TC_LOG_OFTEN(burst, level, status, r, ...)                                                 \
    do {                                                                                           \
        static tc_log_limit_t limit = TC_LOG_LIMIT(burst);                                         \
        char more[TC_LOG_MORE_CHARS];                                                              \
                                                                                                   \
        if (tc_log_may(&limit, more)) {                                                            \
            ap_log_rerror(APLOG_MARK, (level), (status), (r), "%s%s",                              \
                          apr_psprintf((r)->pool, __VA_ARGS__), more);                             \
        }                                                                                          \
    } while (0)

#endif
