/*
 * Connections that cannot be taken out of httpd: HTTP/2 streams, TLS that is not mod_ssl's, filters that nobody here
 * knows. A worker stays and relays between httpd's filters and a pair of sockets, as mod_proxy_wstunnel does; the loop
 * has the other end, and knows no difference. So such a connection holds a worker, and half of them at most. Worker.
 */
#ifndef TC_HTTPD_BRIDGE_H
#define TC_HTTPD_BRIDGE_H

#include "child/child.h"

#include <httpd.h>

/* True while another worker may be held. */
bool tc_bridge_has_room(void);

/*
 * As tc_takeover(), for the length of the connection: returns when it is over. A head is sent as it is over HTTP/1, and
 * over HTTP/2 becomes status and fields of the response, as does that of an answer that the loop gives.
 */
int tc_bridge(request_rec *r, tc_child_t *child, tc_adoption_t *adoption, int status, const char *head);

#endif
