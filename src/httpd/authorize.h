/*
 * Who is asking and for which trip: token, user, membership, room, each only for whoever passed the one
 * before. Blocking work, on the worker.
 */
#ifndef TC_HTTPD_AUTHORIZE_H
#define TC_HTTPD_AUTHORIZE_H

#include "child/child.h"
#include "httpd/vhost.h"

/* A request on its way in. The database's connection is its own until tc_visit_end(). */
typedef struct {
    request_rec *r;
    tc_vhost_t *vhost;
    tc_sql_t sql;        /* open while its handle is not NULL */
    const char *user_id; /* as the token has it */
    int64_t expires_s;   /* the token; seconds since 1970 */
    tc_user_t *user;     /* a reference; whoever takes it sets NULL */
    tc_uuid_t trip_id;
    tc_uuid_t room_id;
} tc_visit_t;

/*
 * Begins a visit: verifies the token (NULL allowed) and finds its user. TC_CHAT_OK, TC_CHAT_UNAUTHORIZED, or
 * TC_CHAT_UNAVAILABLE when the database does not answer. In every case the caller ends it.
 */
tc_chat_error_e tc_visit_begin(tc_visit_t *visit, request_rec *r, tc_vhost_t *vhost,
                               const char *token, apr_size_t token_len);

/*
 * May the user enter this trip? Finds its room then, or makes it. TC_CHAT_OK, TC_CHAT_FORBIDDEN (no such
 * trip, too), TC_CHAT_UNAVAILABLE.
 */
tc_chat_error_e tc_visit_trip(tc_visit_t *visit, const tc_uuid_t *trip_id);

/* The same for what a request names by the id of a room or of a trip, and by that of a message. */
tc_chat_error_e tc_visit_room_or_trip(tc_visit_t *visit, const tc_uuid_t *id);
tc_chat_error_e tc_visit_message(tc_visit_t *visit, const tc_uuid_t *message_id);

/* Fills in an adoption with whom and what the visit has found; the user is no longer the visit's. */
void tc_visit_hand_over(tc_visit_t *visit, tc_adoption_t *adoption);

/* Gives the connection back, and then everything. Either may be called again. */
void tc_visit_close(tc_visit_t *visit);
void tc_visit_end(tc_visit_t *visit);

#endif
