/*
 * Limits over all children: handshakes, requests and connections, by address and by user. Worker.
 */
#ifndef TC_HTTPD_ADMISSION_H
#define TC_HTTPD_ADMISSION_H

#include "child/child.h"
#include "httpd/vhost.h"

#include <httpd.h>

/*
 * Makes the memory that all children share, or finds it after a reload. OK, or HTTP_INTERNAL_SERVER_ERROR and the cause
 * on the error log. `connections`: of a child, at most. In post_config.
 */
int tc_admission_make(server_rec *server, unsigned connections);

/* Sets the meter and the tally of a child's configuration. In child_init. */
void tc_admission_config(tc_child_config_t *config);

/* Takes the counts of a child that has exited out of the sums. In httpd's parent. */
void tc_admission_clear(pid_t pid);

/*
 * These functions count one attempt, and return 0 if it is allowed, else the seconds until the next one is. A refusal is
 * logged (TC0066). The database is not asked. One request of a client, with all that httpd makes of it, is one attempt of
 * each kind: the first answer is given again.
 *
 * _handshake_: a WebSocket or a stream, by the request's address. _request_: a request over HTTP, by its address; the
 * caller asks before it verifies a token. _user_: either of them, by the user as the token names them.
 */
int tc_admission_handshake_wait_s(request_rec *r, const tc_vhost_t *vhost);

/*
 * May a client that makes too many handshakes be told so on a socket of its own? That takes a descriptor until the client
 * has gone, so it has the rate of handshakes once more, and not if an address may have any number of connections.
 */
bool tc_admission_may_tell(request_rec *r, const tc_vhost_t *vhost);
int tc_admission_request_wait_s(request_rec *r, const tc_vhost_t *vhost);
int tc_admission_user_wait_s(request_rec *r, const tc_vhost_t *vhost, const char *claim);

/*
 * The rates of messages are the loop's (domain/speak.h), which a request reaches only after the database has let it in.
 * So what the loop has refused is remembered by the user as the token names them, and the next request is refused before
 * the database is asked. _refused_s() returns the seconds until the user may try again, or 0.
 */
void tc_admission_note_refusal(const tc_vhost_t *vhost, tc_action_e action, const char *claim, int retry_after_s);
int tc_admission_refused_s(const tc_vhost_t *vhost, tc_action_e action, const char *claim);

/*
 * Count the connection for its address, and for its user, and note that in the claim. TC_L_REASON_NONE, or the reason:
 * the address, or the user, has as many connections as allowed. In every case the caller releases the claim in the end.
 */
unsigned tc_admission_claim_address(request_rec *r, const tc_vhost_t *vhost, tc_child_t *child, tc_claim_t *claim);
unsigned tc_admission_claim_user(request_rec *r, const tc_vhost_t *vhost, tc_child_t *child, const char *user_id,
                                 tc_claim_t *claim);

#endif
