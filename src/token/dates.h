/*
 * The dates of a token: exp, nbf and iat (RFC 7519, 4.1.4 to 4.1.6). Any thread; keeps no state.
 */
#ifndef TC_TOKEN_DATES_H
#define TC_TOKEN_DATES_H

#include "codec/json.h"

#include <apr_pools.h>
#include <stdint.h>

/*
 * Checks the dates at `now_s` (seconds since 1970, not negative). Returns NULL and sets *expires_s, which includes the
 * leeway; otherwise what is wrong, for the log: a literal, or a text on `pool`.
 */
const char *tc_dates_check(json_object *claims, int64_t leeway_s, int64_t now_s, int64_t *expires_s, apr_pool_t *pool);

#endif
