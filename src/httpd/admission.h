/*
 * Limits over all children: handshakes by address, and connections by address and by user. Worker.
 */
#ifndef TC_HTTPD_ADMISSION_H
#define TC_HTTPD_ADMISSION_H

#include "child/child.h"
#include "httpd/vhost.h"

#include <httpd.h>

/*
 * Makes the memory that all children share, or finds it after a reload. OK, or HTTP_INTERNAL_SERVER_ERROR and the cause
 * on the error log. In post_config.
 */
int tc_admission_make(server_rec *server);

/* Sets the meter and the tally of a child's configuration. In child_init. */
void tc_admission_config(tc_child_config_t *config);

/* Takes the counts of a child that has exited out of the sums. In httpd's parent. */
void tc_admission_clear(pid_t pid);

/* Counts a handshake of the request's address. 0: it is allowed; else the seconds until the next one is. */
int tc_admission_wait_s(request_rec *r, const tc_vhost_t *vhost);

/*
 * Counts the connection for its address and its user, and notes that in the claim. TC_L_REASON_NONE, or the reason: the
 * address, or the user, has as many connections as allowed. In every case the caller releases the claim in the end.
 */
unsigned tc_admission_claim(request_rec *r, const tc_vhost_t *vhost, tc_child_t *child,
                        const char *user_id, tc_claim_t *claim);

#endif
