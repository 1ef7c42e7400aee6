/*
 * Takes a connection out of httpd for good: the 101 goes out, the socket (and the SSL on it) is kept, and
 * when httpd has let go of everything else the connection is posted to the loop. The worker is free
 * again. docs/architecture.md says why each step is needed.
 */
#ifndef TC_HTTPD_TAKEOVER_H
#define TC_HTTPD_TAKEOVER_H

#include "child/child.h"

#include <httpd.h>

/* Hooks. */
int tc_takeover_pre_connection(conn_rec *c, void *csd);
void tc_takeover_register_ssl_hook(void);

/* True when the connection of `r` can be held: taken over, or relayed by a worker that is left for that. */
bool tc_takeover_has_room(request_rec *r);

/*
 * Sends `head` (the answer's status line and fields, with their CRLFs and the empty line; NULL: nothing) and
 * leaves the connection to the loop, together with `adoption`, whose descriptor, SSL and input it fills in.
 * Owns the adoption from now on. `status` goes into httpd's log. What cannot be taken over is bridged (bridge.h):
 * then this returns when the connection is over. Returns what the handler returns: OK, or 503 when no descriptor or
 * worker could be had, with nothing sent.
 */
int tc_takeover(request_rec *r, tc_child_t *child, tc_adoption_t *adoption, int status,
                const char *head);

#endif
