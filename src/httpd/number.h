/*
 * Numbers as administrators write them in directives: counts, sizes ("64k"), durations ("500ms") and rates ("300/60s").
 * While the configuration is read.
 */
#ifndef TC_HTTPD_NUMBER_H
#define TC_HTTPD_NUMBER_H

#include <apr_pools.h>

typedef enum { TC_NUMBER_COUNT, TC_NUMBER_SIZE, TC_NUMBER_TIME } tc_number_e;

/*
 * Reads a count, a size in bytes or a duration in microseconds, from `least` to `greatest`. A size may be "none", which is
 * 0. Returns NULL and sets *number, or what is wrong, for the administrator, on `pool`.
 */
const char *tc_number_read(tc_number_e kind, const char *text, apr_int64_t least, apr_int64_t greatest, apr_int64_t *number,
                           apr_pool_t *pool);

/* Reads a rate: a number up to `greatest` and a duration, or 0 for no limit; *period_us is 1 then. As above. */
const char *tc_number_read_rate(const char *text, apr_int64_t greatest, apr_int64_t *number, apr_int64_t *period_us,
                                apr_pool_t *pool);

#endif
