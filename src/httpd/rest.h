/*
 * `SetHandler tripchat-rest`: the chat over HTTP, for clients that cannot have a WebSocket (docs/protocol.md,
 * "Without WebSocket"). This file finds path, method and user; rest_read.c and rest_write.c do the rest. Worker.
 */
#ifndef TC_HTTPD_REST_H
#define TC_HTTPD_REST_H

#include <httpd.h>

/* Hook. */
int tc_rest_handler(request_rec *r);

#endif
