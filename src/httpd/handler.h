/*
 * `SetHandler tripchat-websocket`: turns a request into a connection that the loop holds, or answers why not. Worker.
 */
#ifndef TC_HTTPD_HANDLER_H
#define TC_HTTPD_HANDLER_H

#include "child/child.h"
#include "codec/handshake.h"

#include <httpd.h>

/* Hook. */
int tc_handler(request_rec *r);

/* The steps that every WebSocket handler takes, in this order. */

/* Reads the handshake from a request (RFC 6455, 4.2.1). The strings in *out live as long as the request. */
void tc_handler_check_handshake(request_rec *r, tc_handshake_out_t *out);

/*
 * The token of a request, and its length in bytes; NULL and 0: there is none. A browser sends the token as a subprotocol, a
 * program in Authorization. Any client may send it in the query. The text lives as long as the request.
 */
const char *tc_handler_token(request_rec *r, const tc_handshake_out_t *handshake, apr_size_t *len);

/* Negotiates compression (RFC 7692); `keeps` is passed to tc_deflate_negotiate(). This step may be left out. */
void tc_handler_negotiate(request_rec *r, bool keeps, tc_handshake_out_t *handshake,
                          tc_deflate_terms_t *terms);

/* Answers a handshake whose status is not 101. Returns what the handler returns. */
int tc_handler_refuse_handshake(request_rec *r, const tc_handshake_out_t *handshake);

/*
 * Answers with 101 (RFC 6455, 4.2.2) and leaves the connection to the loop, or answers with 503 if no descriptor or
 * worker is left. Owns the adoption from now on. Returns what the handler returns.
 */
int tc_handler_take_over(request_rec *r, tc_child_t *child, tc_adoption_t *adoption,
                         const tc_handshake_out_t *handshake);

#endif
