/* Who is asking and for which trip. See authorize.h. */
#include "httpd/authorize.h"

#include "base/clock.h"
#include "codec/close.h"

#include <ap_mpm.h>
#include <apr_strings.h>
#include <http_log.h>

APLOG_USE_MODULE(tripchat);

static void reject(request_rec *r, tc_adoption_t *adoption, unsigned code, const char *reason,
                   const char *why)
{
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, "TC0060: rejected with %u: %s", code, why);
    adoption->reject_code = code;
    adoption->reject_reason = reason;
}

static void reject_stranger(request_rec *r, tc_adoption_t *adoption, const char *why)
{
    /* One reason for all: whether a trip exists is nobody's business who is not on it. */
    reject(r, adoption, TC_CLOSE_FORBIDDEN, "Forbidden", why);
}

static void reject_for_now(request_rec *r, tc_adoption_t *adoption)
{
    reject(r, adoption, TC_CLOSE_TRY_LATER, "unavailable, try again later",
           "the database does not answer");
}

/* The trip is the last part of the path, with or without a slash behind it. */
static bool read_trip(request_rec *r, tc_uuid_t *trip_id)
{
    apr_size_t len = strlen(r->uri), start;

    if (len > 0 && r->uri[len - 1] == '/') {
        len--;
    }
    for (start = len; start > 0 && r->uri[start - 1] != '/'; start--) {
    }
    return tc_uuid_parse(r->uri + start, len - start, trip_id);
}

/* User, then membership, then room: each only for whoever passed the one before. */
static void ask_database(request_rec *r, tc_vhost_t *vhost, const char *user_id, tc_sql_t *sql,
                         tc_adoption_t *adoption)
{
    bool allowed = false;
    apr_status_t rv = tc_store_dbd_find_user(&vhost->store, sql, user_id, &adoption->user, r->pool);

    if (rv == APR_SUCCESS && adoption->user == NULL) {
        reject(r, adoption, TC_CLOSE_UNAUTHORIZED, "Unauthorized", "the user does not exist");
        return;
    }
    if (rv == APR_SUCCESS && !read_trip(r, &adoption->trip_id)) {
        reject_stranger(r, adoption, "the trip's id is no UUID");
        return;
    }
    if (rv == APR_SUCCESS) {
        rv = tc_store_dbd_check_access(&vhost->store, sql, &adoption->trip_id, user_id, &allowed,
                                       r->pool);
    }
    if (rv == APR_SUCCESS && !allowed) {
        reject_stranger(r, adoption, "the user is not on the trip, or there is none");
        return;
    }
    if (rv == APR_SUCCESS) {
        rv = tc_store_dbd_open_room(&vhost->store, sql, &adoption->trip_id, &adoption->room_id,
                                    r->pool);
    }
    if (rv != APR_SUCCESS) {
        reject_for_now(r, adoption);
    }
}

/* A database that stands still must leave some workers to the rest of the site; 0 where there are few. */
static unsigned half_of_the_workers(void)
{
    int threads = 0;

    return ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads) == APR_SUCCESS && threads >= 4
               ? (unsigned)threads / 2
               : 0;
}

void tc_authorize(request_rec *r, tc_vhost_t *vhost, const char *token, apr_size_t token_len,
                  tc_adoption_t *adoption)
{
    tc_jwt_identity_t identity;
    tc_sql_t sql;
    const char *why = "no token";

    if (token != NULL) {
        why = tc_jwt_verify(token, token_len, &vhost->jwt, tc_clock_wall_us() / TC_US_PER_S,
                            &identity, r->pool);
    }
    if (why != NULL) {
        reject(r, adoption, TC_CLOSE_UNAUTHORIZED, "Unauthorized", why);
        return;
    }
    adoption->store = &vhost->store.store;
    adoption->bus = vhost->bus;
    if (!tc_store_dbd_answers(&vhost->store, half_of_the_workers())
        || !tc_store_dbd_open(&vhost->store, &sql, r->pool)) {
        reject_for_now(r, adoption);
        return;
    }
    ask_database(r, vhost, identity.user_id, &sql, adoption);
    tc_store_dbd_close(&vhost->store, &sql);
}
