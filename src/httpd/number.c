/* Numbers of directives. See number.h. */
#include "httpd/number.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <string.h>
#include <strings.h>

#define RATE_LEAST_US 100000
#define RATE_GREATEST_US APR_INT64_C(86400000000)

/* Reads the digits at the start of a text; *rest is what follows. False: there are no digits, or too many. */
static int read_digits(const char *text, apr_int64_t *number, const char **rest)
{
    char *end;

    if (!apr_isdigit(*text) || strspn(text, "0123456789") > 15) {
        return 0;
    }
    *number = apr_strtoi64(text, &end, 10);
    *rest = end;
    return 1;
}

static int read_suffix(const char *rest, const char *const *suffixes, const apr_int64_t *factors,
                       apr_int64_t *number)
{
    int i;

    for (i = 0; suffixes[i] != NULL; i++) {
        if (strcasecmp(rest, suffixes[i]) == 0 && *number <= APR_INT64_MAX / factors[i]) {
            *number *= factors[i];
            return 1;
        }
    }
    return 0;
}

static int read_number(tc_number_e kind, const char *text, apr_int64_t *number)
{
    static const char *const size_suffixes[] = {"", "k", "m", "g", NULL};
    static const apr_int64_t size_factors[] = {1, 1 << 10, 1 << 20, 1 << 30};
    static const char *const time_suffixes[] = {"", "s", "ms", "min", "h", NULL};
    static const apr_int64_t time_factors[] = {1000000, 1000000, 1000, 60000000, 3600000000};
    const char *rest;

    if (kind == TC_NUMBER_SIZE && strcasecmp(text, "none") == 0) {
        *number = 0; /* which the range of some directives allows */
        return 1;
    }
    if (!read_digits(text, number, &rest)) {
        return 0;
    }
    if (kind == TC_NUMBER_SIZE) {
        return read_suffix(rest, size_suffixes, size_factors, number);
    }
    return kind == TC_NUMBER_TIME ? read_suffix(rest, time_suffixes, time_factors, number) : *rest == '\0';
}

static const char *write_number(tc_number_e kind, apr_int64_t number, apr_pool_t *pool)
{
    if (kind == TC_NUMBER_TIME && number % 1000000 != 0) {
        return apr_psprintf(pool, "%" APR_INT64_T_FMT "ms", number / 1000);
    }
    return apr_psprintf(pool, "%" APR_INT64_T_FMT "%s", kind == TC_NUMBER_TIME ? number / 1000000 : number,
                        kind == TC_NUMBER_TIME ? "s" : "");
}

const char *tc_number_read(tc_number_e kind, const char *text, apr_int64_t least, apr_int64_t greatest, apr_int64_t *number,
                           apr_pool_t *pool)
{
    static const char *const forms[] = {"a number", "bytes (as in 64k or 1m)", "a duration (as in 30s or 500ms)"};

    if (!read_number(kind, text, number) || *number < least || *number > greatest) {
        return apr_psprintf(pool, "write %s from %s to %s, not \"%s\"", forms[kind], write_number(kind, least, pool),
                            write_number(kind, greatest, pool), text);
    }
    return NULL;
}

const char *tc_number_read_rate(const char *text, apr_int64_t greatest, apr_int64_t *number, apr_int64_t *period_us,
                                apr_pool_t *pool)
{
    const char *slash = strchr(text, '/');
    const char *digits = slash ? apr_pstrmemdup(pool, text, (apr_size_t)(slash - text)) : text;
    int good = read_number(TC_NUMBER_COUNT, digits, number) && *number <= greatest;

    *period_us = 1;
    if (good && slash != NULL) {
        good = *number > 0 && read_number(TC_NUMBER_TIME, slash + 1, period_us) && *period_us >= RATE_LEAST_US
               && *period_us <= RATE_GREATEST_US;
    }
    else if (good) {
        good = *number == 0;
    }
    return good ? NULL
                : apr_psprintf(pool, "write a number from 1 to %" APR_INT64_T_FMT " and a duration from 100ms to 24h (as in "
                               "300/60s), or 0 for no limit, not \"%s\"", greatest, text);
}
