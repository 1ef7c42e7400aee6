/*
 * Who asks: token and origin of a request. How tokens are kept out of sight is in scrub.h.
 */
#ifndef TC_HTTPD_CREDENTIALS_H
#define TC_HTTPD_CREDENTIALS_H

#include "httpd/vhost.h"

#include <httpd.h>

/* May the page that asks use the chat? Its Origin tells; without one TripChatMissingOrigin. */
bool tc_credentials_origin_is_allowed(request_rec *r, const tc_vhost_t *vhost);

/* The token of "Authorization: Bearer", without it the query's, or NULL. */
const char *tc_credentials_token(request_rec *r);

#endif
