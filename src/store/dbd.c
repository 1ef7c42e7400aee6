/* The store over apr_dbd. See dbd.h. */
#include "store/dbd.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"

#include <apr_strings.h>

#define SHUT_US (500 * TC_US_PER_MS)
#define STUCK_US (3 * TC_US_PER_S) /* longer than any lock wait (sql_dialect.c) */
#define STUCK_MANY_US (500 * TC_US_PER_MS)

void tc_dbd_init(tc_dbd_t *store)
{
    int i;

    atomic_init(&store->dialect, NULL);
    atomic_init(&store->shut_until_us, 0);
    atomic_init(&store->asking, 0);
    atomic_init(&store->answered_us, 0);
    for (i = 0; i < TC_ASK_COUNT; i++) {
        atomic_init(&store->singly_until_us[i], 0);
    }
    atomic_init(&store->unfit_until_us, 0);
    atomic_init(&store->nameless_until_us, 0);
    atomic_init(&store->spare_people, NULL);
    atomic_init(&store->has_types, false);
    atomic_init(&store->is_checked, false);
    atomic_init(&store->is_checking, false);
    atomic_init(&store->wrong, 0);
    atomic_init(&store->check_again_us, 0);
}

static bool set_up(tc_sql_t *sql, apr_pool_t *pool)
{
    const char *const *statement;

    if (tc_sql_is_set_up(sql)) {
        return true;
    }
    tc_sql_want_states(sql, pool);
    for (statement = sql->dialect->setup; *statement != NULL; statement++) {
        int changed = 0;
        int error = apr_dbd_query(sql->driver, sql->handle, &changed, *statement);

        if (error != 0 && error != 100) { /* SQLITE_ROW: some PRAGMAs return a row */
            tc_sql_log_error(sql, *statement, error);
            return false;
        }
    }
    tc_sql_note_set_up(sql);
    return true;
}

bool tc_dbd_answers(tc_dbd_t *store, unsigned many)
{
    const tc_sql_dialect_t *dialect = atomic_load(&store->dialect);
    unsigned asking = atomic_load(&store->asking);
    int64_t idle_us = tc_clock_monotonic_us() - atomic_load(&store->answered_us);

    return dialect == NULL || !dialect->remote || asking == 0 || idle_us < STUCK_MANY_US
           || (idle_us < STUCK_US && (many == 0 || asking < many));
}

void tc_dbd_note_answer(tc_dbd_t *store)
{
    atomic_store(&store->answered_us, tc_clock_monotonic_us());
}

static void begin_asking(tc_dbd_t *store)
{
    if (atomic_fetch_add(&store->asking, 1) == 0) {
        tc_dbd_note_answer(store);
    }
}

static void end_asking(tc_dbd_t *store)
{
    tc_dbd_note_answer(store);
    atomic_fetch_sub(&store->asking, 1);
}

/* After a failure nobody asks for a connection for SHUT_US, because mod_dbd logs each failed try. */
bool tc_dbd_open(tc_dbd_t *store, tc_sql_t *sql, apr_pool_t *pool)
{
    sql->handle = NULL;
    if (tc_clock_monotonic_us() < atomic_load(&store->shut_until_us)) {
        return false;
    }
    begin_asking(store);
    if (!store->gate->open(store->server, pool, sql)) {
        end_asking(store);
        atomic_store(&store->shut_until_us, tc_clock_monotonic_us() + SHUT_US);
        return false;
    }
    sql->in_transaction = false;
    sql->fault = TC_SQL_FAULT_NONE;
    sql->dialect = tc_sql_dialect_find(apr_dbd_name(sql->driver));
    if (sql->dialect == NULL) {
        tc_log(TC_LOG_ERR, 0, "TC0011: DBDriver %s is not supported, use pgsql or sqlite3",
               apr_dbd_name(sql->driver));
    }
    if (sql->dialect == NULL || !set_up(sql, pool)) {
        tc_dbd_close(store, sql);
        return false;
    }
    atomic_store(&store->dialect, sql->dialect);
    return true;
}

void tc_dbd_close(tc_dbd_t *store, tc_sql_t *sql)
{
    if (sql->handle != NULL) {
        store->gate->close(store->server, sql);
        sql->handle = NULL;
        end_asking(store);
    }
}

bool tc_dbd_reopen(tc_dbd_t *store, tc_sql_t *sql, apr_pool_t *pool)
{
    tc_sql_forget(sql);
    if (!sql->dialect->remote) {
        return true;
    }
    tc_dbd_close(store, sql);
    return tc_dbd_open(store, sql, pool);
}

apr_status_t tc_dbd_ask(tc_dbd_t *store, tc_sql_t *sql, const char *statement, const char **args, int count,
                        tc_sql_rows_t *rows, tc_sql_row_t **row, const char **why, apr_pool_t *pool)
{
    apr_status_t rv = tc_sql_ask(sql, statement, args, count, rows, why, pool);
    int tries;

    *row = NULL;
    for (tries = 1; rv != APR_SUCCESS && tries < TC_STORE_TRIES && !sql->in_transaction
                    && sql->fault != TC_SQL_FAULT_VALUE; tries++) {
        if (!tc_dbd_reopen(store, sql, pool)) {
            return APR_EGENERAL;
        }
        rv = tc_sql_ask(sql, statement, args, count, rows, why, pool);
    }
    *row = rv == APR_SUCCESS ? tc_sql_next(rows) : NULL;
    return rv;
}

static apr_status_t select_one(tc_dbd_t *store, tc_sql_t *sql, const char *statement,
                               const char **args, int count, tc_sql_rows_t *rows,
                               tc_sql_row_t **row, apr_pool_t *pool)
{
    const char *why = "no connection";
    apr_status_t rv =
        tc_dbd_ask(store, sql, statement, args, count, rows, row, &why, pool);

    if (rv != APR_SUCCESS) {
        tc_sql_log_failure("query failed", why);
    }
    return rv;
}

/* Runs a statement that returns the UUID which belongs to the id `of`. *found is false when there is none. */
static apr_status_t find_uuid(tc_dbd_t *store, tc_sql_t *sql, const char *statement,
                              const char *of, tc_uuid_t *uuid, bool *found, apr_pool_t *pool)
{
    const char *args[] = {of}, *text;
    tc_sql_rows_t rows;
    tc_sql_row_t *row;
    apr_status_t rv = select_one(store, sql, statement, args, 1, &rows, &row, pool);

    *found = false;
    if (rv == APR_SUCCESS && row != NULL) {
        text = tc_sql_text(&rows, row, 0);
        *found = tc_uuid_parse(text, strlen(text), uuid);
        rv = *found ? APR_SUCCESS : APR_EGENERAL;
    }
    return rv;
}

apr_status_t tc_dbd_find_room(tc_dbd_t *store, tc_sql_t *sql, const char *trip,
                              tc_uuid_t *room_id, bool *found, apr_pool_t *pool)
{
    return find_uuid(store, sql, sql->dialect->room_find, trip, room_id, found, pool);
}

apr_status_t tc_dbd_find_trip(tc_dbd_t *store, tc_sql_t *sql, const tc_uuid_t *id,
                              bool of_message, tc_uuid_t *trip_id, bool *found,
                              apr_pool_t *pool)
{
    char text[TC_UUID_CHARS + 1];

    tc_uuid_format(id, text);
    return find_uuid(store, sql, of_message ? sql->dialect->message_trip : sql->dialect->room_trip,
                     text, trip_id, found, pool);
}

apr_status_t tc_dbd_find_head(tc_dbd_t *store, tc_sql_t *sql, const tc_uuid_t *room_id,
                              int64_t *last_seq, apr_pool_t *pool)
{
    char room[TC_UUID_CHARS + 1];
    const char *args[] = {room};
    tc_sql_rows_t rows;
    tc_sql_row_t *row;
    apr_status_t rv;

    tc_uuid_format(room_id, room);
    rv = select_one(store, sql, sql->dialect->head, args, 1, &rows, &row, pool);
    if (rv == APR_SUCCESS) {
        *last_seq = row ? tc_sql_int(&rows, row, 0) : -1;
    }
    return rv;
}

/*
 * Runs in a transaction, because that limits the lock wait. APR_NOTFOUND: the trip does not exist. The access query may
 * let users into such a trip, and then no later try succeeds.
 */
static apr_status_t create_room(tc_sql_t *sql, const char **args, apr_pool_t *pool)
{
    const char *statement = sql->dialect->room_create, *why = "the driver gives no reason";
    apr_status_t rv = tc_sql_begin(sql);

    if (rv != APR_SUCCESS) {
        (void)tc_sql_rollback(sql);
        return rv;
    }
    rv = tc_sql_do(sql, statement, args, 3, &why, pool);
    if (rv == APR_SUCCESS) {
        rv = tc_sql_commit(sql);
    }
    else if (sql->fault == TC_SQL_FAULT_PARENT) {
        rv = APR_NOTFOUND;
    }
    else {
        tc_sql_log_failure(apr_psprintf(pool, "cannot make a room: \"%.60s\"", statement), why);
    }
    if (rv != APR_SUCCESS) {
        (void)tc_sql_rollback(sql);
    }
    return rv;
}

apr_status_t tc_dbd_open_room(tc_dbd_t *store, tc_sql_t *sql, const tc_uuid_t *trip_id,
                              tc_uuid_t *room_id, apr_pool_t *pool)
{
    char trip[TC_UUID_CHARS + 1], id[TC_UUID_CHARS + 1], now[TC_CLOCK_RFC3339_BYTES];
    const char *args[] = {id, trip, now};
    bool found;
    apr_status_t rv;

    tc_uuid_format(trip_id, trip);
    tc_uuid_make_v7(room_id);
    tc_uuid_format(room_id, id);
    tc_clock_rfc3339(tc_clock_wall_us(), now);
    rv = create_room(sql, args, pool);
    if (rv == APR_SUCCESS) {
        rv = tc_dbd_find_room(store, sql, trip, room_id, &found, pool);
    }
    return rv == APR_SUCCESS && !found ? APR_EGENERAL : rv;
}
