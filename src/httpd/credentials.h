/*
 * The token and the origin of a request, as the client sent them. scrub.h keeps tokens out of logs. Worker.
 */
#ifndef TC_HTTPD_CREDENTIALS_H
#define TC_HTTPD_CREDENTIALS_H

#include "httpd/vhost.h"

#include <httpd.h>

/*
 * True if the page that sends the request may use the chat, by its Origin (RFC 6454). A request without an Origin may
 * if TripChatMissingOrigin allows it, or if it comes from a page of the same host. False is logged (TC0060).
 */
bool tc_credentials_origin_is_allowed(request_rec *r, const tc_vhost_t *vhost);

/* The token of "Authorization: Bearer" (RFC 6750), else the query's; NULL: none. The text lives as long as `r`. */
const char *tc_credentials_token(request_rec *r);

#endif
