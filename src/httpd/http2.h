/*
 * What the module needs of mod_http2: sockets over HTTP/2 (RFC 8441). mod_http2 turns an Extended CONNECT into a GET with
 * `Upgrade: websocket` on a secondary connection. If the answer is a 101, it relays the bytes behind both. Worker, unless
 * a function says something else.
 */
#ifndef TC_HTTPD_HTTP2_H
#define TC_HTTPD_HTTP2_H

#include <httpd.h>
#include <stdbool.h>

/* Finds mod_http2's functions. Hook: optional_fn_retrieve. */
void tc_http2_find(void);

/* True if the request came over HTTP/2 and mod_http2 can make a socket of it. */
bool tc_http2_is_socket(const request_rec *r);

/*
 * The descriptor that becomes readable when the stream of a secondary connection has input. mod_http2 owns it. It is valid
 * as long as the connection; -1: the client has sent all it will send.
 */
int tc_http2_input(conn_rec *c);

/* The greatest number of workers that mod_http2 has in a child. UINT_MAX: not known. */
unsigned tc_http2_workers(void);

/*
 * Ends the stream with RST_STREAM and HTTP_1_1_REQUIRED (RFC 9113, 7). Browsers then come over HTTP/1.1. `status` goes
 * into httpd's log. Only for a request to which nothing was answered yet. Returns what the handler returns.
 */
int tc_http2_demand_http1(request_rec *r, int status);

#endif
