/* Who sends a request, and for which trip. See authorize.h. */
#include "httpd/authorize.h"

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

/* The database gave no answer, or a refusal. Only a right that is missing is not mended by a later try. */
static tc_chat_error_e no_answer(const tc_visit_t *visit)
{
    switch (visit->sql.fault) {
    case TC_SQL_FAULT_RIGHT:
        return turn_away(visit, TC_CHAT_INTERNAL, "httpd's database user has not the rights that the chat needs; "
                         "TC0012 and TC0017 name the statement");
    case TC_SQL_FAULT_STATEMENT:
        return turn_away(visit, TC_CHAT_UNAVAILABLE, "the database refuses a statement, which TC0012 names");
    default:
        return turn_away(visit, TC_CHAT_UNAVAILABLE, "the database does not answer");
    }
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

    memset(visit, 0, sizeof(*visit)); /* sql.handle is NULL, sql.fault NONE */
    visit->r = r;
    visit->vhost = vhost;
    if (token != NULL) {
        why = tc_jwt_verify(token, token_len, &vhost->jwt, tc_clock_wall_us() / TC_US_PER_S,
                            &identity, r->pool);
    }
    if (why != NULL) {
        return turn_away(visit, TC_CHAT_UNAUTHORIZED, why);
    }
    visit->claim = identity.user_id;
    visit->expires_s = identity.expires_s;
    if (vhost->site.by_token) {
        visit->claimed = identity.claimed;
        visit->user = tc_user_create(identity.user_id, identity.claimed.email, identity.claimed.username,
                                     identity.claimed.full_name);
    }
    return TC_CHAT_OK;
}

static bool open_database(tc_visit_t *visit)
{
    tc_dbd_t *store = &visit->vhost->store;

    visit->has_place = visit->has_place || tc_dbd_enter(store, half_of_the_workers());
    return visit->sql.handle != NULL
           || (visit->has_place && tc_dbd_open(store, &visit->sql, visit->r->pool));
}

static tc_chat_error_e no_user(const tc_visit_t *visit)
{
    return turn_away(visit, TC_CHAT_UNAUTHORIZED, "the user does not exist");
}

tc_chat_error_e tc_visit_user(tc_visit_t *visit)
{
    if (visit->vhost->site.by_token) {
        return TC_CHAT_OK;
    }
    if (!open_database(visit)
        || tc_site_find_user(&visit->vhost->store, &visit->sql, visit->claim, &visit->user, visit->r->pool)
               != APR_SUCCESS) {
        return no_answer(visit);
    }
    return visit->user ? TC_CHAT_OK : no_user(visit);
}

tc_chat_error_e tc_visit_wrong_form(tc_visit_t *visit, bool is_room)
{
    tc_trip_form_e form = visit->vhost->site.rules.trip_form;
    tc_chat_error_e error = tc_visit_user(visit);

    if (error != TC_CHAT_OK) {
        return error;
    }
    return turn_away(visit, TC_CHAT_FORBIDDEN,
                     apr_psprintf(visit->r->pool, "the id in the URL is not %s%s, which TripChatTripKey wants",
                                  is_room ? "the id of a room, nor " : "", tc_trip_form_words(form)));
}

/* The room is made when a visitor first comes. */
static tc_chat_error_e open_room(tc_visit_t *visit, bool wants_head)
{
    apr_status_t rv = tc_dbd_open_room(&visit->vhost->store, &visit->sql, &visit->trip, &visit->room_id,
                                       visit->r->pool);

    if (rv == APR_NOTFOUND) {
        return turn_away(visit, TC_CHAT_FORBIDDEN,
                         visit->vhost->site.by_token
                             ? "the token names a trip that the database does not have; a chat that asks no tables of "
                               "the site needs tables without references (docs/install.md)"
                             : "TripChatAccessQuery lets the user in, but the trip does not exist");
    }
    if (rv == APR_SUCCESS && wants_head) {
        rv = tc_dbd_find_head(&visit->vhost->store, &visit->sql, &visit->room_id, &visit->last_seq, &visit->epoch,
                              visit->r->pool);
    }
    return rv == APR_SUCCESS ? TC_CHAT_OK : no_answer(visit);
}

static tc_chat_error_e not_there(const tc_visit_t *visit)
{
    return turn_away(visit, TC_CHAT_FORBIDDEN, "there is no such room or message");
}

static tc_chat_error_e not_claimed(const tc_visit_t *visit)
{
    return turn_away(visit, TC_CHAT_FORBIDDEN, apr_psprintf(visit->r->pool, "the claim %s does not have the trip",
                                                            visit->vhost->claims.trips));
}

/* The token says which trips are the user's, so for any other trip the database need not be asked. */
static tc_chat_error_e visit_by_token(tc_visit_t *visit, const tc_site_target_t *target)
{
    tc_site_visit_t found;

    if (target->by == TC_BY_TRIP && !tc_claims_have_trip(&visit->claimed, &target->trip)) {
        return not_claimed(visit);
    }
    if (!open_database(visit)
        || tc_site_visit_room(&visit->vhost->store, &visit->sql, target, &found, visit->r->pool) != APR_SUCCESS) {
        return no_answer(visit);
    }
    visit->trip = found.trip;
    visit->room_id = found.room_id;
    visit->last_seq = found.last_seq;
    visit->epoch = found.epoch;
    if (!found.has_trip) {
        return not_there(visit);
    }
    if (target->by != TC_BY_TRIP && !tc_claims_have_trip(&visit->claimed, &found.trip)) {
        return not_claimed(visit);
    }
    return found.has_room ? TC_CHAT_OK : open_room(visit, target->wants_head);
}

static tc_chat_error_e visit_target(tc_visit_t *visit, const tc_site_target_t *target)
{
    tc_site_visit_t found;

    if (visit->vhost->site.by_token) {
        return visit_by_token(visit, target);
    }
    if (!open_database(visit)
        || tc_site_visit(&visit->vhost->store, &visit->sql, target, visit->claim, &found, visit->r->pool)
               != APR_SUCCESS) {
        return no_answer(visit);
    }
    visit->user = found.user;
    visit->trip = found.trip;
    visit->room_id = found.room_id;
    visit->last_seq = found.last_seq;
    visit->epoch = found.epoch;
    if (found.user == NULL) {
        return no_user(visit);
    }
    if (!found.has_trip) {
        return not_there(visit);
    }
    if (!found.allowed) {
        return turn_away(visit, TC_CHAT_FORBIDDEN, "the user is not on the trip, or the trip does not exist");
    }
    return found.has_room ? TC_CHAT_OK : open_room(visit, target->wants_head);
}

tc_chat_error_e tc_visit_trip(tc_visit_t *visit, const tc_trip_t *trip)
{
    tc_site_target_t target = {.by = TC_BY_TRIP, .trip = *trip};

    return visit_target(visit, &target);
}

tc_chat_error_e tc_visit_place(tc_visit_t *visit, const tc_place_t *place)
{
    tc_site_target_t target = {.by = TC_BY_ROOM_OR_TRIP, .id = place->room_id, .trip = place->trip,
                               .wants_head = true};

    if (!place->may_be_trip) {
        target.by = TC_BY_ROOM;
    }
    else if (!place->may_be_room) {
        target.by = TC_BY_TRIP;
    }
    return visit_target(visit, &target);
}

tc_chat_error_e tc_visit_message(tc_visit_t *visit, const tc_uuid_t *message_id)
{
    tc_site_target_t target = {.by = TC_BY_MESSAGE, .id = *message_id};

    return visit_target(visit, &target);
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
    adoption->user = visit->user;
    visit->user = NULL;
}

void tc_visit_close(tc_visit_t *visit)
{
    tc_dbd_close(&visit->vhost->store, &visit->sql);
    if (visit->has_place) {
        tc_dbd_leave(&visit->vhost->store);
        visit->has_place = false;
    }
}

void tc_visit_end(tc_visit_t *visit)
{
    tc_visit_close(visit);
    tc_user_unref(visit->user);
    visit->user = NULL;
}
