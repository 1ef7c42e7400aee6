/* Who sends a request, and for which trip. See authorize.h. */
#include "httpd/authorize.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "httpd/often.h"

#include <ap_mpm.h>
#include <apr_strings.h>
#include <http_log.h>

APLOG_USE_MODULE(tripchat);

static tc_chat_error_e turn_away(const tc_visit_t *visit, tc_chat_error_e error, const char *why)
{
    TC_LOG_OFTEN(TC_OFTEN_LINES, APLOG_INFO, 0, visit->r, "TC0060: refused (%s): %s",
                 tc_chat_error_code(error), why);
    return error;
}

static tc_chat_error_e no_answer(const tc_visit_t *visit)
{
    return turn_away(visit, TC_CHAT_UNAVAILABLE, "the database does not answer");
}

/*
 * If so many workers wait for a database that stands still, newcomers are refused. So some workers are left for the
 * rest of the site. 0: there are too few workers for that.
 */
static unsigned half_of_the_workers(void)
{
    int threads = 0;

    return ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads) == APR_SUCCESS && threads >= 4
               ? (unsigned)threads / 2
               : 0;
}

tc_chat_error_e tc_visit_begin(tc_visit_t *visit, request_rec *r, tc_vhost_t *vhost,
                               const char *token, apr_size_t token_len)
{
    tc_jwt_identity_t identity;
    const char *why = "no token";

    memset(visit, 0, sizeof(*visit));
    visit->r = r;
    visit->vhost = vhost;
    if (token != NULL) {
        why = tc_jwt_verify(token, token_len, &vhost->jwt, tc_clock_wall_us() / TC_US_PER_S,
                            &identity, r->pool);
    }
    if (why != NULL) {
        return turn_away(visit, TC_CHAT_UNAUTHORIZED, why);
    }
    visit->user_id = identity.user_id;
    visit->expires_s = identity.expires_s;
    if (!tc_dbd_answers(&vhost->store, half_of_the_workers())
        || !tc_dbd_open(&vhost->store, &visit->sql, r->pool)
        || tc_dbd_find_user(&vhost->store, &visit->sql, visit->user_id, &visit->user, r->pool)
               != APR_SUCCESS) {
        return no_answer(visit);
    }
    return visit->user ? TC_CHAT_OK
                       : turn_away(visit, TC_CHAT_UNAUTHORIZED, "the user does not exist");
}

tc_chat_error_e tc_visit_wrong_form(const tc_visit_t *visit, bool is_room)
{
    tc_trip_form_e form = visit->vhost->site.rules.trip_form;

    return turn_away(visit, TC_CHAT_FORBIDDEN,
                     apr_psprintf(visit->r->pool, "the id in the URL is not %s%s, which TripChatTripKey wants",
                                  is_room ? "the id of a room, nor " : "", tc_trip_form_words(form)));
}

tc_chat_error_e tc_visit_trip(tc_visit_t *visit, const tc_trip_t *trip)
{
    tc_dbd_t *store = &visit->vhost->store;
    apr_pool_t *pool = visit->r->pool;
    bool allowed;

    visit->trip = *trip;
    if (tc_dbd_check_access(store, &visit->sql, trip, visit->user_id, &allowed, pool)
        != APR_SUCCESS) {
        return no_answer(visit);
    }
    if (!allowed) {
        return turn_away(visit, TC_CHAT_FORBIDDEN, "the user is not on the trip, or the trip does not exist");
    }
    return tc_dbd_open_room(store, &visit->sql, &visit->trip, &visit->room_id, pool) == APR_SUCCESS
               ? TC_CHAT_OK
               : no_answer(visit);
}

tc_chat_error_e tc_visit_place(tc_visit_t *visit, const tc_place_t *place)
{
    tc_trip_t trip;
    bool found = false;

    if (place->may_be_room
        && tc_dbd_find_trip(&visit->vhost->store, &visit->sql, &place->room_id, false, &trip, &found,
                            visit->r->pool) != APR_SUCCESS) {
        return no_answer(visit);
    }
    if (!found && !place->may_be_trip) {
        return turn_away(visit, TC_CHAT_FORBIDDEN, "there is no such room");
    }
    return tc_visit_trip(visit, found ? &trip : &place->trip);
}

tc_chat_error_e tc_visit_message(tc_visit_t *visit, const tc_uuid_t *message_id)
{
    tc_trip_t trip;
    bool found;

    if (tc_dbd_find_trip(&visit->vhost->store, &visit->sql, message_id, true, &trip,
                         &found, visit->r->pool) != APR_SUCCESS) {
        return no_answer(visit);
    }
    return found ? tc_visit_trip(visit, &trip) : TC_CHAT_FORBIDDEN;
}

void tc_visit_hand_over(tc_visit_t *visit, tc_adoption_t *adoption)
{
    adoption->site = &visit->vhost->site;
    adoption->store = &visit->vhost->store.store;
    adoption->bus = visit->vhost->bus;
    adoption->trip = visit->trip;
    adoption->room_id = visit->room_id;
    adoption->lease.rules = &visit->vhost->jwt;
    adoption->lease.expires_us = tc_lease_expiry_us(visit->expires_s);
    if (strcmp(visit->user_id, visit->user->id) != 0) {
        apr_size_t size = strlen(visit->user_id) + 1;

        adoption->lease.subject = memcpy(tc_alloc(size), visit->user_id, size);
    }
    adoption->user = visit->user;
    visit->user = NULL;
}

void tc_visit_close(tc_visit_t *visit)
{
    tc_dbd_close(&visit->vhost->store, &visit->sql);
}

void tc_visit_end(tc_visit_t *visit)
{
    tc_visit_close(visit);
    tc_user_unref(visit->user);
    visit->user = NULL;
}
