/* Asks the site's own tables about one visitor. See site.h; site_many.c asks about many users. */
#include "store/site.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "store/check.h"
#include "store/site_parts.h"

bool tc_site_asks_singly(tc_dbd_t *store, tc_ask_e what)
{
    return tc_clock_monotonic_us() < atomic_load(&store->singly_until_us[what]);
}

/* Only a statement that is wrong stays wrong: after anything else, the next request tries it again soon. */
void tc_site_ask_singly(tc_dbd_t *store, tc_ask_e what, tc_sql_fault_e fault, const char *why)
{
    bool is_wrong = fault == TC_SQL_FAULT_STATEMENT || fault == TC_SQL_FAULT_RIGHT;
    int64_t span_us = (is_wrong ? TC_STORE_SINGLY_S : TC_STORE_SINGLY_SOON_S) * TC_US_PER_S;
    int64_t now_us = tc_clock_monotonic_us();

    if (atomic_exchange(&store->singly_until_us[what], now_us + span_us) <= now_us) {
        tc_log(TC_LOG_INFO, 0, "TC0014: the queries of %s cannot run inside one statement, so they run one by one for "
               "%d seconds: %.*s", store->store.site->name, (int)(span_us / TC_US_PER_S),
               (int)strcspn(why, "\r\n"), why);
    }
}

bool tc_site_may_ask_singly(const tc_sql_t *sql, const char *why)
{
    char state[6];

    tc_sql_fault_state(why, state);
    return sql->handle != NULL && (sql->fault != TC_SQL_FAULT_OTHER || *state == '\0');
}

apr_status_t tc_site_ask(tc_dbd_t *store, tc_sql_t *sql, const tc_sql_query_t *query, const char *trip,
                         const char *user, tc_sql_rows_t *rows, tc_sql_row_t **row, apr_pool_t *pool)
{
    const char *args[TC_SQL_QUERY_PLACES], *why = "no connection";
    apr_status_t rv;

    tc_sql_query_bind(query, trip, user, args);
    rv = tc_dbd_ask(store, sql, query->text, args, query->count, rows, row, &why, pool);
    if (rv == APR_SUCCESS) {
        return rv;
    }
    if (sql->handle != NULL && sql->fault == TC_SQL_FAULT_VALUE && !sql->in_transaction) {
        tc_log(TC_LOG_INFO, 0, "TC0013: an id does not fit the type of its column, so it counts as not found");
        return APR_SUCCESS;
    }
    tc_sql_log_failure(query == store->queries.user ? "TripChatUserQuery failed" : "TripChatAccessQuery failed", why);
    return rv;
}

/* ---- a visitor ---- */

static tc_user_t *read_user(const tc_sql_rows_t *rows, tc_sql_row_t *row, int first, const char *claim)
{
    const char *id = tc_sql_text(rows, row, first);
    tc_user_t *user, *claimed;

    if (id == NULL) {
        return NULL;
    }
    user = tc_user_create(id, tc_sql_text(rows, row, first + 1), tc_sql_text(rows, row, first + 2),
                          tc_sql_text(rows, row, first + 3));
    if (claim == NULL || strcmp(claim, id) == 0) {
        return user;
    }
    claimed = tc_user_claimed(user, claim);
    tc_user_unref(user);
    return claimed;
}

tc_user_t *tc_site_read_person(const tc_sql_rows_t *rows, tc_sql_row_t *row, int first)
{
    return read_user(rows, row, first, NULL);
}

apr_status_t tc_site_find_user(tc_dbd_t *store, tc_sql_t *sql, const char *claim, tc_user_t **user, apr_pool_t *pool)
{
    tc_sql_rows_t rows;
    tc_sql_row_t *row = NULL;
    apr_status_t rv;

    tc_check_if_due(store, sql, pool);
    rv = sql->handle ? tc_site_ask(store, sql, store->queries.user, NULL, claim, &rows, &row, pool) : APR_EGENERAL;
    *user = rv == APR_SUCCESS && row != NULL ? read_user(&rows, row, 0, claim) : NULL;
    return rv;
}

apr_status_t tc_site_check_access(tc_dbd_t *store, tc_sql_t *sql, const char *trip, const char *user_id,
                                  bool *allowed, apr_pool_t *pool)
{
    tc_sql_rows_t rows;
    tc_sql_row_t *row;
    apr_status_t rv = tc_site_ask(store, sql, store->queries.access, trip, user_id, &rows, &row, pool);

    *allowed = rv == APR_SUCCESS && row != NULL && !tc_site_sql_is_no(tc_sql_text(&rows, row, 0));
    return rv;
}

/* The text of a trip's id for the database. */
static const char *trip_text(const tc_dbd_t *store, const tc_trip_t *trip, apr_pool_t *pool)
{
    return tc_trip_to_sql(trip, store->store.site->rules.trip_form, apr_palloc(pool, TC_TRIP_MAX_BYTES + 1));
}

/* An id that is not a UUID counts as none. */
static bool read_uuid(const tc_sql_rows_t *rows, tc_sql_row_t *row, int column, tc_uuid_t *uuid)
{
    const char *text = tc_sql_text(rows, row, column);

    return text != NULL && tc_uuid_parse(text, strlen(text), uuid);
}

static void read_visit(const tc_dbd_t *store, const tc_sql_rows_t *rows, tc_sql_row_t *row,
                       const tc_site_target_t *target, const char *claim, tc_site_visit_t *out)
{
    const char *trip = tc_sql_text(rows, row, TC_VISIT_TRIP);

    out->user = read_user(rows, row, TC_VISIT_USER, claim);
    out->allowed = !tc_site_sql_is_no(tc_sql_text(rows, row, TC_VISIT_ALLOWED));
    out->has_trip = trip != NULL || target->by == TC_BY_TRIP;
    out->trip = target->trip;
    (void)tc_trip_from_sql(trip, store->store.site->rules.trip_form, &out->trip); /* else the asked id stays */
    out->has_room = read_uuid(rows, row, TC_VISIT_ROOM, &out->room_id);
    out->last_seq = out->has_room ? tc_sql_int(rows, row, TC_VISIT_LAST_SEQ) : 0;
}

/* Fills in the arguments of tc_site_sql_visit(), and returns their number. */
static int bind_visit(const tc_dbd_t *store, const tc_site_target_t *target, const char *claim, const char **args,
                      apr_pool_t *pool)
{
    const tc_site_queries_t *queries = &store->queries;
    const char *trip = trip_text(store, &target->trip, pool);
    char *id = apr_palloc(pool, TC_UUID_CHARS + 1);
    int count = 0, i;

    if (target->by != TC_BY_TRIP) {
        tc_uuid_format(&target->id, id);
        args[count++] = id;
    }
    if (target->by == TC_BY_ROOM_OR_TRIP) {
        args[count++] = trip;
    }
    tc_sql_query_bind(queries->user, NULL, claim, args + count);
    count += queries->user->count;
    if (target->by == TC_BY_TRIP) {
        for (i = 0; i < queries->access->count; i++) {
            if (queries->access->places[i] == TC_PLACE_TRIP) {
                args[count++] = trip;
            }
        }
        args[count++] = trip;
    }
    return count;
}

static apr_status_t visit_at_once(tc_dbd_t *store, tc_sql_t *sql, const tc_site_target_t *target, const char *claim,
                                  tc_site_visit_t *out, const char **why, apr_pool_t *pool)
{
    const char *args[2 + 2 * TC_SQL_QUERY_PLACES];
    int count = bind_visit(store, target, claim, args, pool);
    const char *statement = tc_site_sql_visit(&store->queries, target->by, target->wants_head, tc_check_types(store),
                                              pool);
    tc_sql_rows_t rows;
    tc_sql_row_t *row;
    apr_status_t rv;

    sql->often = target->by == TC_BY_TRIP;
    rv = tc_dbd_ask(store, sql, statement, args, count, &rows, &row, why, pool);
    sql->often = false;
    if (rv == APR_SUCCESS && row != NULL) {
        read_visit(store, &rows, row, target, claim, out);
    }
    return rv;
}

static apr_status_t find_trip(tc_dbd_t *store, tc_sql_t *sql, const tc_site_target_t *target, tc_site_visit_t *out,
                              apr_pool_t *pool)
{
    apr_status_t rv = APR_SUCCESS;

    out->has_trip = false;
    if (target->by != TC_BY_TRIP) {
        rv = tc_dbd_find_trip(store, sql, &target->id, target->by == TC_BY_MESSAGE, &out->trip, &out->has_trip, pool);
    }
    if (!out->has_trip && (target->by == TC_BY_TRIP || target->by == TC_BY_ROOM_OR_TRIP)) {
        out->trip = target->trip;
        out->has_trip = true;
    }
    return rv;
}

static apr_status_t visit_singly(tc_dbd_t *store, tc_sql_t *sql, const tc_site_target_t *target, const char *claim,
                                 tc_site_visit_t *out, apr_pool_t *pool)
{
    apr_status_t rv = tc_site_find_user(store, sql, claim, &out->user, pool);

    if (rv != APR_SUCCESS || out->user == NULL) {
        return rv;
    }
    rv = find_trip(store, sql, target, out, pool);
    if (rv != APR_SUCCESS || !out->has_trip) {
        return rv;
    }
    rv = tc_site_check_access(store, sql, trip_text(store, &out->trip, pool), out->user->id, &out->allowed, pool);
    if (rv == APR_SUCCESS && out->allowed) {
        rv = tc_dbd_find_room(store, sql, &out->trip, &out->room_id, &out->has_room, pool);
    }
    if (rv == APR_SUCCESS && out->has_room) {
        rv = tc_dbd_find_head(store, sql, &out->room_id, &out->last_seq, pool);
    }
    return rv;
}

/* A visitor of whom not everything is known is nobody yet. */
static void forget(tc_site_visit_t *out)
{
    tc_user_unref(out->user);
    memset(out, 0, sizeof(*out));
}

apr_status_t tc_site_visit(tc_dbd_t *store, tc_sql_t *sql, const tc_site_target_t *target, const char *claim,
                           tc_site_visit_t *out, apr_pool_t *pool)
{
    const char *why = NULL;
    tc_sql_fault_e fault = TC_SQL_FAULT_NONE;
    apr_status_t rv;

    memset(out, 0, sizeof(*out));
    tc_check_if_due(store, sql, pool);
    if ((!sql->dialect->remote || tc_check_types(store) != NULL) && !tc_site_asks_singly(store, TC_ASK_VISIT)) {
        rv = visit_at_once(store, sql, target, claim, out, &why, pool);
        if (rv == APR_SUCCESS) {
            return rv;
        }
        fault = sql->fault;
        if (why != NULL && !tc_site_may_ask_singly(sql, why)) {
            tc_sql_log_failure("cannot ask for user, access and room", why);
            return rv;
        }
    }
    rv = visit_singly(store, sql, target, claim, out, pool);
    if (rv != APR_SUCCESS) {
        forget(out);
    }
    else if (why != NULL && fault != TC_SQL_FAULT_VALUE) {
        tc_site_ask_singly(store, TC_ASK_VISIT, fault, why);
    }
    return rv;
}

/* ---- a visitor whom their token describes ---- */

/* Fills in the arguments of tc_site_sql_room(), and returns their number. */
static int bind_room(const tc_dbd_t *store, const tc_site_target_t *target, const char **args, apr_pool_t *pool)
{
    char *id = apr_palloc(pool, TC_UUID_CHARS + 1);
    int count = 0;

    if (target->by != TC_BY_TRIP) {
        tc_uuid_format(&target->id, id);
        args[count++] = id;
    }
    if (target->by == TC_BY_TRIP || target->by == TC_BY_ROOM_OR_TRIP) {
        args[count++] = trip_text(store, &target->trip, pool);
    }
    return count;
}

apr_status_t tc_site_visit_room(tc_dbd_t *store, tc_sql_t *sql, const tc_site_target_t *target, tc_site_visit_t *out,
                                apr_pool_t *pool)
{
    const char *args[2], *why = "no connection", *statement;
    int count = bind_room(store, target, args, pool);
    tc_sql_rows_t rows;
    tc_sql_row_t *row = NULL;
    apr_status_t rv = APR_EGENERAL;

    memset(out, 0, sizeof(*out));
    tc_check_if_due(store, sql, pool);
    if (sql->handle != NULL) {
        statement = tc_site_sql_room(target->by, target->wants_head, sql->dialect->remote, tc_check_types(store), pool);
        sql->often = target->by == TC_BY_TRIP && tc_check_types(store) != NULL;
        rv = tc_dbd_ask(store, sql, statement, args, count, &rows, &row, &why, pool);
        sql->often = false;
    }
    if (rv != APR_SUCCESS && sql->handle != NULL && sql->fault == TC_SQL_FAULT_VALUE) {
        tc_log(TC_LOG_INFO, 0, "TC0013: an id does not fit the type of its column, so it counts as not found");
        return APR_SUCCESS;
    }
    if (rv != APR_SUCCESS) {
        tc_sql_log_failure("cannot ask for a room", why);
        return rv;
    }
    out->trip = target->trip;
    out->has_trip = row != NULL || target->by == TC_BY_TRIP || target->by == TC_BY_ROOM_OR_TRIP;
    if (row != NULL) {
        (void)tc_trip_from_sql(tc_sql_text(&rows, row, 0), store->store.site->rules.trip_form, &out->trip);
        out->has_room = read_uuid(&rows, row, 1, &out->room_id);
        out->last_seq = tc_sql_int(&rows, row, 2);
    }
    return rv;
}
