/*
 * `SetHandler tripchat-websocket`: from a request to a connection that the loop holds, or to an answer
 * that says why not. Worker.
 */
#ifndef TC_HTTPD_HANDLER_H
#define TC_HTTPD_HANDLER_H

#include <httpd.h>

/* True when the request's handler is the chat's. */
int tc_handler_is_ours(const request_rec *r);

/* Hook. */
int tc_handler(request_rec *r);

#endif
