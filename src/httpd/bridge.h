/*
 * Connections that cannot be taken out of httpd: HTTP/2 streams, TLS that is not mod_ssl's, connections with filters
 * that the module does not know. A worker stays and relays between httpd's filters and a pair of sockets, as
 * mod_proxy_wstunnel does. The loop has the other end of the pair and sees no difference. Each such connection holds a
 * worker, so half of a child's workers at most are held, a quarter of that half (or two) by one user, and three by
 * one connection of HTTP/2, of which one is a socket. Worker.
 */
#ifndef TC_HTTPD_BRIDGE_H
#define TC_HTTPD_BRIDGE_H

#include "child/child.h"

#include <httpd.h>

/*
 * True if a worker may be held for this request, and for this user of the site (NULL: it is not known yet who it is). Else
 * the reason is logged. If the connection of HTTP/2 has a socket, another socket waits up to one second for its end; so
 * does the next function.
 */
bool tc_bridge_has_room(request_rec *r, const tc_site_t *site, const char *user_id);

/*
 * Does what tc_takeover() does, but returns when the connection is over. Over HTTP/1, `head` is sent as it is, and so is
 * the head of a WebSocket over HTTP/2 (http2.h). For other answers over HTTP/2, the head becomes status and fields of the
 * response; so does the head of an answer that the loop gives. Owns the adoption. OK, or HTTP_SERVICE_UNAVAILABLE, with
 * nothing sent, if no worker or descriptor may be held, or if the loop gave no answer.
 */
int tc_bridge(request_rec *r, tc_child_t *child, tc_adoption_t *adoption, int status, const char *head);

#endif
