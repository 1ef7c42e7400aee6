/*
 * Who sends a request, and for which trip: checks the token, the user, the membership and the room, in this order. The
 * first failure ends it. Every function may wait for the database. Worker.
 */
#ifndef TC_HTTPD_AUTHORIZE_H
#define TC_HTTPD_AUTHORIZE_H

#include "child/child.h"
#include "httpd/vhost.h"
#include "store/visitor.h"

/*
 * A request that is being authorized. It has no connection to the database: each question takes one and gives it back
 * (store/visitor.h). At a site with TripChatIdentity token, the user is known from the beginning, and the database is asked
 * for rooms only.
 */
typedef struct {
    request_rec *r;
    tc_vhost_t *vhost;
    tc_jwt_identity_t identity; /* what the token says */
    int retry_after_s;   /* with TC_CHAT_RATE_LIMITED */
    tc_user_t *user;     /* a reference; NULL: none, or handed over */
    tc_trip_t trip;      /* as the room's row has it */
    tc_uuid_t room_id;
    int64_t last_seq;    /* of the room, when it was found */
    int32_t epoch;       /* the same */
} tc_visit_t;

/*
 * Begins a visit: verifies the token, and counts the visit in its user's rate. TC_CHAT_OK; TC_CHAT_UNAUTHORIZED, also if
 * `token` is NULL; TC_CHAT_UNAVAILABLE if a reload has changed the rules of tokens and this child has the old ones; or
 * TC_CHAT_RATE_LIMITED. The database is not asked. In every case the caller calls tc_visit_end().
 */
tc_chat_error_e tc_visit_begin(tc_visit_t *visit, request_rec *r, tc_vhost_t *vhost,
                               const char *token, apr_size_t token_len);

/*
 * May a visit that has begun go on? To be asked after the client was waited for, because the client decides how long that
 * lasts. TC_CHAT_OK; TC_CHAT_UNAUTHORIZED if the token has expired meanwhile; or TC_CHAT_UNAVAILABLE as above.
 */
tc_chat_error_e tc_visit_still(const tc_visit_t *visit);

/*
 * Finds the user, checks that they may enter this trip, and finds its room or makes it. TC_CHAT_OK;
 * TC_CHAT_UNAUTHORIZED if there is no such user; TC_CHAT_FORBIDDEN, also if there is no such trip;
 * TC_CHAT_UNAVAILABLE if the database does not answer; TC_CHAT_INTERNAL if it refuses for good.
 */
tc_chat_error_e tc_visit_trip(tc_visit_t *visit, const tc_trip_t *trip);

/* The same without a room: is the user on the trip? */
tc_chat_error_e tc_visit_member(tc_visit_t *visit, const tc_trip_t *trip);

/* The same for a request with the id of a room or of a trip, and for a request with the id of a message. */
tc_chat_error_e tc_visit_place(tc_visit_t *visit, const tc_place_t *place);
tc_chat_error_e tc_visit_message(tc_visit_t *visit, const tc_uuid_t *message_id);

/* tc_visit_place() that also reads a page of the room (store/visitor.h). The references in *out->events are the caller's. */
tc_chat_error_e tc_visit_page(tc_visit_t *visit, const tc_place_t *place, const tc_visitor_page_t *page,
                              tc_visited_t *out);

/* Finds the user alone, for a request whose id can name nothing. TC_CHAT_OK or one of the errors above. */
tc_chat_error_e tc_visit_user(tc_visit_t *visit);

/*
 * Notes that the URL has no id of the form that TripChatTripKey wants. `is_room` tells that the id of a room is allowed
 * as well. Returns TC_CHAT_FORBIDDEN, or what is wrong with the user.
 */
tc_chat_error_e tc_visit_wrong_form(tc_visit_t *visit, bool is_room);

/* Fills in an adoption's site, store, bus, trip, room, lease and user. The user is the adoption's from now on. */
void tc_visit_hand_over(tc_visit_t *visit, tc_adoption_t *adoption);

/* Gives back everything that the visit has. May be called twice. */
void tc_visit_end(tc_visit_t *visit);

#endif
