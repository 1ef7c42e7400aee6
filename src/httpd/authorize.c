/* Who sends a request, and for which trip. See authorize.h. */
#include "httpd/authorize.h"

#include "base/clock.h"
#include "httpd/admission.h"
#include "httpd/notes.h"
#include "httpd/often.h"
#include "httpd/reload.h"

#include <ap_mpm.h>
#include <apr_strings.h>
#include <http_log.h>

APLOG_USE_MODULE(tripchat);

static tc_chat_error_e turn_away(const tc_visit_t *visit, tc_chat_error_e error, const char *why)
{
    tc_notes_set_reason(visit->r, tc_chat_error_code(error), why);
    TC_LOG_OFTEN(TC_OFTEN_LINES, APLOG_INFO, 0, visit->r, "TC0060: refused (%s): %s",
                 tc_chat_error_code(error), why);
    return error;
}

/* The database gave no answer, or a refusal. Only a right that is missing is not mended by a later try. */
static tc_chat_error_e no_answer(const tc_visit_t *visit, tc_sql_fault_e fault)
{
    switch (fault) {
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

/* A child that a reload is to end may still get a request, because a client was slow to send it. A new child knows better. */
static tc_chat_error_e refuse_old_rules(const tc_visit_t *visit)
{
    return tc_reload_has_other_rules()
               ? turn_away(visit, TC_CHAT_UNAVAILABLE, "a reload has changed which tokens are good, and this child is old")
               : TC_CHAT_OK;
}

static tc_chat_error_e verify(tc_visit_t *visit, request_rec *r, tc_vhost_t *vhost, const char *token, apr_size_t token_len)
{
    const char *why = "no token";
    tc_chat_error_e error;

    memset(visit, 0, sizeof(*visit));
    visit->r = r;
    visit->vhost = vhost;
    error = refuse_old_rules(visit);
    if (error != TC_CHAT_OK) {
        return error;
    }
    if (token != NULL) {
        why = tc_jwt_verify(token, token_len, &vhost->jwt, tc_clock_wall_us() / TC_US_PER_S,
                            &visit->identity, r->pool);
    }
    if (why != NULL) {
        return turn_away(visit, TC_CHAT_UNAUTHORIZED, why);
    }
    tc_notes_set_user(r, visit->identity.user_id);
    if (vhost->site.by_token) {
        const tc_claimed_t *claimed = &visit->identity.claimed;

        visit->user = tc_user_create(visit->identity.user_id, claimed->email, claimed->username, claimed->full_name);
    }
    return TC_CHAT_OK;
}

tc_chat_error_e tc_visit_begin(tc_visit_t *visit, request_rec *r, tc_vhost_t *vhost,
                               const char *token, apr_size_t token_len)
{
    tc_chat_error_e error = verify(visit, r, vhost, token, token_len);

    if (error != TC_CHAT_OK) {
        return error;
    }
    visit->retry_after_s = tc_admission_user_wait_s(r, vhost, visit->identity.user_id);
    return visit->retry_after_s > 0 ? TC_CHAT_RATE_LIMITED : TC_CHAT_OK;
}

tc_chat_error_e tc_visit_still(const tc_visit_t *visit)
{
    if (tc_clock_wall_us() / TC_US_PER_S >= visit->identity.expires_s) {
        return turn_away(visit, TC_CHAT_UNAUTHORIZED, "expired while the body came");
    }
    return refuse_old_rules(visit);
}

static tc_chat_error_e not_claimed(const tc_visit_t *visit)
{
    return turn_away(visit, TC_CHAT_FORBIDDEN, apr_psprintf(visit->r->pool, "the claim %s does not have the trip",
                                                            visit->vhost->claims.trips));
}

/* The error of an answer. It is logged now, when the connection to the database is given back. */
static tc_chat_error_e error_of(const tc_visit_t *visit, tc_visitor_e answer, tc_sql_fault_e fault)
{
    switch (answer) {
    case TC_VISITOR_OK:
        return TC_CHAT_OK;
    case TC_VISITOR_NO_USER:
        return turn_away(visit, TC_CHAT_UNAUTHORIZED, "the user does not exist");
    case TC_VISITOR_NO_PLACE:
        return turn_away(visit, TC_CHAT_FORBIDDEN, "there is no such room or message");
    case TC_VISITOR_NOT_CLAIMED:
        return not_claimed(visit);
    case TC_VISITOR_NOT_ALLOWED:
        return turn_away(visit, TC_CHAT_FORBIDDEN, "the user is not on the trip, or the trip does not exist");
    case TC_VISITOR_NO_TRIP:
        return turn_away(visit, TC_CHAT_FORBIDDEN,
                         visit->vhost->site.by_token
                             ? "the token names a trip that the database does not have; a chat that asks no tables of "
                               "the site needs tables without references (docs/install.md)"
                             : "TripChatAccessQuery lets the user in, but the trip does not exist");
    case TC_VISITOR_NO_ANSWER:
        break;
    }
    return no_answer(visit, fault);
}

static tc_chat_error_e ask(tc_visit_t *visit, const tc_site_target_t *target, const tc_visitor_page_t *page,
                           tc_visited_t *out)
{
    bool by_token = visit->vhost->site.by_token;
    tc_visitor_t visitor = {visit->identity.user_id, by_token ? &visit->identity.claimed : NULL, target, page,
                              half_of_the_workers()};
    tc_visitor_e answer;

    memset(out, 0, sizeof(*out));
    if (target != NULL && target->by == TC_BY_TRIP) {
        tc_notes_set(visit->r, TC_NOTE_TRIP, target->trip.text);
    }
    if (by_token && target != NULL && target->by == TC_BY_TRIP && !tc_claims_have_trip(&visit->identity.claimed, &target->trip)) {
        return not_claimed(visit); /* the token says which trips are the user's, so the database need not be asked */
    }
    answer = tc_visitor_ask(&visit->vhost->store, &visitor, out, visit->r->pool);
    if (!by_token) {
        tc_user_unref(visit->user); /* of an earlier question */
        visit->user = out->site.user;
    }
    if (visit->user != NULL) {
        tc_notes_set(visit->r, TC_NOTE_USER, visit->user->id);
    }
    visit->trip = out->site.trip;
    if (*visit->trip.text != '\0') {
        tc_notes_set(visit->r, TC_NOTE_TRIP, visit->trip.text);
    }
    visit->room_id = out->site.room_id;
    visit->last_seq = out->site.last_seq;
    visit->epoch = out->site.epoch;
    return error_of(visit, answer, out->fault);
}

tc_chat_error_e tc_visit_user(tc_visit_t *visit)
{
    tc_visited_t out;

    return visit->vhost->site.by_token ? TC_CHAT_OK : ask(visit, NULL, NULL, &out);
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

tc_chat_error_e tc_visit_trip(tc_visit_t *visit, const tc_trip_t *trip)
{
    tc_site_target_t target = {.by = TC_BY_TRIP, .trip = *trip};
    tc_visited_t out;

    return ask(visit, &target, NULL, &out);
}

tc_chat_error_e tc_visit_member(tc_visit_t *visit, const tc_trip_t *trip)
{
    tc_site_target_t target = {.by = TC_BY_TRIP, .trip = *trip, .needs_no_room = true};
    tc_visited_t out;

    if (!visit->vhost->site.by_token) {
        return ask(visit, &target, NULL, &out);
    }
    tc_notes_set(visit->r, TC_NOTE_TRIP, trip->text);
    return tc_claims_have_trip(&visit->identity.claimed, trip) ? TC_CHAT_OK : not_claimed(visit);
}

tc_chat_error_e tc_visit_page(tc_visit_t *visit, const tc_place_t *place, const tc_visitor_page_t *page,
                              tc_visited_t *out)
{
    tc_site_target_t target = {.by = TC_BY_ROOM_OR_TRIP, .id = place->room_id, .trip = place->trip,
                               .wants_head = true};

    if (!place->may_be_trip) {
        target.by = TC_BY_ROOM;
    }
    else if (!place->may_be_room) {
        target.by = TC_BY_TRIP;
    }
    return ask(visit, &target, page, out);
}

tc_chat_error_e tc_visit_place(tc_visit_t *visit, const tc_place_t *place)
{
    tc_visited_t out;

    return tc_visit_page(visit, place, NULL, &out);
}

tc_chat_error_e tc_visit_message(tc_visit_t *visit, const tc_uuid_t *message_id)
{
    tc_site_target_t target = {.by = TC_BY_MESSAGE, .id = *message_id};
    tc_visited_t out;

    return ask(visit, &target, NULL, &out);
}

void tc_visit_hand_over(tc_visit_t *visit, tc_adoption_t *adoption)
{
    adoption->site = &visit->vhost->site;
    adoption->store = &visit->vhost->store.store;
    adoption->bus = visit->vhost->bus;
    adoption->trip = visit->trip;
    adoption->room_id = visit->room_id;
    tc_lease_begin(&adoption->lease, &visit->vhost->jwt, &visit->identity);
    adoption->user = visit->user;
    visit->user = NULL;
}

void tc_visit_end(tc_visit_t *visit)
{
    tc_user_unref(visit->user);
    visit->user = NULL;
}
