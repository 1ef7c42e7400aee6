/* The dates of a token. See dates.h. */
#include "token/dates.h"

#include <apr_strings.h>
#include <stdbool.h>

#define IAT_AHEAD_S 60 /* how far in the future an iat may be, in addition to the leeway */

/*
 * From 1998 to 5138 in milliseconds; in seconds, from the year 30000 on. The last date that many programs write is the end
 * of the year 9999, which is less: 253402300799. A date that never comes is greater.
 */
#define MILLISECONDS_FROM INT64_C(900000000000)
#define MILLISECONDS_TO INT64_C(100000000000000)

static const char *kind_of(json_object *value)
{
    switch (json_object_get_type(value)) {
    case json_type_string:
        return "a text";
    case json_type_null:
        return "null";
    case json_type_boolean:
        return "true or false";
    case json_type_array:
        return "a list";
    default:
        return "an object";
    }
}

/* Reads a NumericDate (RFC 7519, 2), a number that may have a fraction. *present is false, and there is no reason, if it is missing. */
static const char *read_date(json_object *claims, const char *name, int64_t *seconds, bool *present, apr_pool_t *pool)
{
    json_object *value;

    *present = json_object_object_get_ex(claims, name, &value);
    if (!*present) {
        return NULL;
    }
    if (!json_object_is_type(value, json_type_int) && !json_object_is_type(value, json_type_double)) {
        return apr_psprintf(pool, "the claim %s is %s; it must be a number of seconds since 1970", name, kind_of(value));
    }
    *seconds = json_object_get_int64(value);
    if (*seconds >= MILLISECONDS_FROM && *seconds < MILLISECONDS_TO) {
        return apr_psprintf(pool, "the claim %s is in milliseconds; it must be a number of seconds since 1970", name);
    }
    return NULL;
}

static const char *check_expiry(json_object *claims, int64_t leeway_s, int64_t now_s, int64_t *expires_s, apr_pool_t *pool)
{
    bool present;
    const char *why = read_date(claims, "exp", expires_s, &present, pool);

    if (why != NULL || !present) {
        return why ? why : "the claim exp is missing";
    }
    if (*expires_s <= now_s - leeway_s) {
        return *expires_s < 0 ? "expired before 1970"
                              : apr_psprintf(pool, "expired %" APR_INT64_T_FMT " seconds ago", (apr_int64_t)(now_s - *expires_s));
    }
    *expires_s = *expires_s > INT64_MAX - leeway_s ? INT64_MAX : *expires_s + leeway_s;
    return NULL;
}

/* A date that must not be more than `patience_s` ahead. `now_s` is not negative, so nothing overflows. */
static const char *check_begin(json_object *claims, const char *name, const char *what, int64_t patience_s, int64_t now_s,
                               apr_pool_t *pool)
{
    int64_t at_s = 0;
    bool present;
    const char *why = read_date(claims, name, &at_s, &present, pool);

    if (why != NULL || !present || at_s <= now_s || at_s - now_s <= patience_s) {
        return why;
    }
    return apr_psprintf(pool, "%s: the claim %s is %" APR_INT64_T_FMT " seconds ahead of httpd's clock", what, name,
                        (apr_int64_t)(at_s - now_s));
}

const char *tc_dates_check(json_object *claims, int64_t leeway_s, int64_t now_s, int64_t *expires_s, apr_pool_t *pool)
{
    const char *why = check_expiry(claims, leeway_s, now_s, expires_s, pool);

    if (why == NULL) {
        why = check_begin(claims, "nbf", "not yet valid", leeway_s, now_s, pool);
    }
    return why ? why : check_begin(claims, "iat", "issued in the future", leeway_s + IAT_AHEAD_S, now_s, pool);
}
