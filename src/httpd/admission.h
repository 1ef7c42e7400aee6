/*
 * Who may come how often, and with how many connections: by address and by user, over all children. Worker.
 */
#ifndef TC_HTTPD_ADMISSION_H
#define TC_HTTPD_ADMISSION_H

#include "child/child.h"
#include "httpd/vhost.h"

#include <httpd.h>

/* Makes what all children share, or finds what was made before the reload. OK, or why not on the error log. */
int tc_admission_make(server_rec *server);

/* Gives a child its part of it, when it starts its threads. */
void tc_admission_config(tc_child_config_t *config);

/* Takes a child that is gone for gone. In the parent. */
void tc_admission_clear(pid_t pid);

/* Takes a handshake of the request's address. 0, or the seconds until there may be another. */
int tc_admission_wait_s(request_rec *r, const tc_vhost_t *vhost);

/*
 * Counts the connection as its address's and its user's. TC_L_REASON_NONE, or which of them has as many as allowed;
 * what was counted is in the claim in either case and goes with it.
 */
unsigned tc_admission_claim(request_rec *r, const tc_vhost_t *vhost, tc_child_t *child,
                        const char *user_id, tc_claim_t *claim);

#endif
