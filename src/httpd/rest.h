/*
 * `SetHandler tripchat-rest`: the chat over HTTP, for those who cannot have a WebSocket (docs/protocol.md,
 * "Without WebSocket"). Which path, which method, who asks; what is done then stands in rest_read.c and
 * rest_write.c. Worker.
 */
#ifndef TC_HTTPD_REST_H
#define TC_HTTPD_REST_H

#include <httpd.h>

/* Hook. */
int tc_rest_handler(request_rec *r);

#endif
