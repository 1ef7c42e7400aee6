/*
 * Who is asking and for which trip: token, user, membership, room. Blocking work, on the worker.
 */
#ifndef TC_HTTPD_AUTHORIZE_H
#define TC_HTTPD_AUTHORIZE_H

#include "adapters/child.h"
#include "httpd/vhost.h"

/*
 * Fills user, store, trip_id and room_id of `adoption`, or its reject_code and reject_reason: 4001, 4003
 * or 1013 when the database does not answer. `token` may be NULL.
 */
void tc_authorize(request_rec *r, tc_vhost_t *vhost, const char *token, apr_size_t token_len,
                  tc_adoption_t *adoption);

#endif
