/*
 * What a request brings along: token, origin, resume point. How tokens are kept out of sight is scrub.h's.
 */
#ifndef TC_HTTPD_CREDENTIALS_H
#define TC_HTTPD_CREDENTIALS_H

#include "httpd/vhost.h"

#include <httpd.h>

/*
 * The value of parameter `name` of the query, decoded, on r->pool; NULL when there is none or when it
 * cannot be decoded.
 */
const char *tc_credentials_parameter(request_rec *r, const char *name);

/* A parameter that is a whole number of up to 15 digits; -1 without one. False when it is something else. */
bool tc_credentials_number(request_rec *r, const char *name, int64_t *number);

/* May the page that asks use the chat? Its Origin tells; without one TripChatMissingOrigin. */
bool tc_credentials_origin_is_allowed(request_rec *r, const tc_vhost_t *vhost);

/* The token of "Authorization: Bearer", without it the query's, or NULL. */
const char *tc_credentials_token(request_rec *r);

#endif
