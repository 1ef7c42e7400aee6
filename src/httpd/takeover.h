/*
 * Takes a connection out of httpd for good. The 101 is sent, and the socket is kept, with the SSL on it. When httpd has
 * let go of everything else, the connection is posted to the loop, and the worker is free again. docs/architecture.md
 * says why each step is needed. Worker.
 */
#ifndef TC_HTTPD_TAKEOVER_H
#define TC_HTTPD_TAKEOVER_H

#include "child/child.h"

#include <httpd.h>

/* Hooks. pre_connection must run first, so that its cleanup is the connection's last; mod_ssl's hook is optional. */
int tc_takeover_pre_connection(conn_rec *c, void *csd);
void tc_takeover_register_ssl_hook(void);

/* True if the connection of `r` can be held: it can be taken over, or a worker may relay it (tc_bridge_has_room()). */
bool tc_takeover_has_room(request_rec *r, const tc_site_t *site, const char *user_id);

/*
 * Sends `head` (the answer's status line and fields, with their CRLFs and the empty line; NULL: nothing) and leaves the
 * connection to the loop, with `adoption`, whose address, descriptor, SSL and input are filled in here. Owns the
 * adoption from now on. `status` goes into httpd's log. A connection that cannot be taken over is bridged (bridge.h);
 * then this returns when the connection is over. Returns what the handler returns: OK, or with nothing sent
 * HTTP_SERVICE_UNAVAILABLE, if no descriptor or worker is left, or HTTP_FORBIDDEN, if the client owes httpd a
 * certificate (engine/tls.h).
 */
int tc_takeover(request_rec *r, tc_child_t *child, tc_adoption_t *adoption, int status,
                const char *head);

#endif
