/* The store over apr_dbd. See store_dbd.h. */
#include "adapters/store_dbd.h"

#include "adapters/db_threads.h"
#include "base/clock.h"
#include "base/log.h"

#define SETUP_DONE "tripchat setup" /* in a connection's table of prepared statements: no SQL */

static apr_status_t submit(tc_store_t *store, tc_job_t *job)
{
    return tc_db_threads_submit(((tc_store_dbd_t *)store)->threads, job);
}

void tc_store_dbd_init(tc_store_dbd_t *store)
{
    store->store.submit = submit;
    atomic_init(&store->dialect, NULL);
}

static bool set_up(tc_sql_t *sql, const tc_sql_dialect_t *dialect)
{
    const char *const *statement;

    if (apr_hash_get(sql->prepared, SETUP_DONE, APR_HASH_KEY_STRING) != NULL) {
        return true;
    }
    for (statement = dialect->setup; *statement != NULL; statement++) {
        int changed = 0;
        int error = apr_dbd_query(sql->driver, sql->handle, &changed, *statement);

        if (error != 0 && error != 100) { /* SQLite's "here is a row", which a PRAGMA may answer */
            tc_sql_log_error(sql, *statement, error);
            return false;
        }
    }
    apr_hash_set(sql->prepared, SETUP_DONE, APR_HASH_KEY_STRING, sql);
    return true;
}

const tc_sql_dialect_t *tc_store_dbd_open(tc_store_dbd_t *store, tc_sql_t *sql, apr_pool_t *pool)
{
    const tc_sql_dialect_t *dialect;

    if (!store->gate->open(store->server, pool, sql)) {
        return NULL;
    }
    dialect = tc_sql_dialect_find(apr_dbd_name(sql->driver));
    if (dialect == NULL) {
        tc_log(TC_LOG_ERR, 0, "TC0011: DBDriver %s is not supported, use sqlite3",
               apr_dbd_name(sql->driver));
    }
    if (dialect == NULL || !set_up(sql, dialect)) {
        tc_store_dbd_close(store, sql);
        return NULL;
    }
    atomic_store(&store->dialect, dialect);
    return dialect;
}

void tc_store_dbd_close(tc_store_dbd_t *store, tc_sql_t *sql)
{
    store->gate->close(store->server, sql);
}

/*
 * Runs a query that gives one row or none: *row is NULL then. Asks twice, the second time with
 * statements prepared anew: the schema may have changed under the first.
 */
static apr_status_t select_one(tc_sql_t *sql, const char *statement, const char **args, int count,
                               tc_sql_rows_t *rows, tc_sql_row_t **row, apr_pool_t *pool)
{
    apr_status_t rv = tc_sql_select(sql, statement, args, count, rows, pool);

    if (rv != APR_SUCCESS) {
        tc_sql_forget(sql);
        rv = tc_sql_select(sql, statement, args, count, rows, pool);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    *row = tc_sql_next(rows);
    return APR_SUCCESS;
}

apr_status_t tc_store_dbd_find_user(tc_store_dbd_t *store, tc_sql_t *sql, const char *user_id,
                                    tc_user_t **user, apr_pool_t *pool)
{
    const char *args[TC_SQL_QUERY_PLACES];
    tc_sql_rows_t rows;
    tc_sql_row_t *row;
    apr_status_t rv;

    tc_sql_query_bind(store->user_query, NULL, user_id, args);
    rv = select_one(sql, store->user_query->text, args, store->user_query->count, &rows, &row,
                    pool);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    *user = NULL;
    if (row != NULL && tc_sql_text(&rows, row, 0) != NULL) {
        *user = tc_user_create(tc_sql_text(&rows, row, 0), tc_sql_text(&rows, row, 1),
                               tc_sql_text(&rows, row, 2), tc_sql_text(&rows, row, 3));
    }
    return APR_SUCCESS;
}

apr_status_t tc_store_dbd_check_access(tc_store_dbd_t *store, tc_sql_t *sql,
                                       const tc_uuid_t *trip_id, const char *user_id,
                                       bool *allowed, apr_pool_t *pool)
{
    char trip[TC_UUID_CHARS + 1];
    const char *args[TC_SQL_QUERY_PLACES];
    tc_sql_rows_t rows;
    tc_sql_row_t *row;
    apr_status_t rv;

    tc_uuid_format(trip_id, trip);
    tc_sql_query_bind(store->access_query, trip, user_id, args);
    rv = select_one(sql, store->access_query->text, args, store->access_query->count, &rows, &row,
                    pool);
    *allowed = rv == APR_SUCCESS && row != NULL;
    return rv;
}

static apr_status_t find_room(const tc_sql_dialect_t *dialect, tc_sql_t *sql, const char *trip,
                              tc_uuid_t *room_id, bool *found, apr_pool_t *pool)
{
    const char *args[] = {trip}, *text;
    tc_sql_rows_t rows;
    tc_sql_row_t *row;
    apr_status_t rv = select_one(sql, dialect->room_find, args, 1, &rows, &row, pool);

    *found = false;
    if (rv == APR_SUCCESS && row != NULL) {
        text = tc_sql_text(&rows, row, 0);
        *found = tc_uuid_parse(text, strlen(text), room_id);
        rv = *found ? APR_SUCCESS : APR_EGENERAL;
    }
    return rv;
}

apr_status_t tc_store_dbd_open_room(tc_store_dbd_t *store, tc_sql_t *sql, const tc_uuid_t *trip_id,
                                    tc_uuid_t *room_id, apr_pool_t *pool)
{
    const tc_sql_dialect_t *dialect = atomic_load(&store->dialect);
    char trip[TC_UUID_CHARS + 1], id[TC_UUID_CHARS + 1], now[TC_CLOCK_RFC3339_BYTES];
    const char *args[] = {id, trip, now};
    bool found;
    apr_status_t rv;

    tc_uuid_format(trip_id, trip);
    rv = find_room(dialect, sql, trip, room_id, &found, pool);
    if (rv != APR_SUCCESS || found) {
        return rv;
    }
    tc_uuid_make_v7(room_id);
    tc_uuid_format(room_id, id);
    tc_clock_rfc3339(tc_clock_wall_us(), now);
    rv = tc_sql_execute(sql, dialect->room_create, args, 3, pool);
    if (rv == APR_SUCCESS) {
        rv = find_room(dialect, sql, trip, room_id, &found, pool);
    }
    return rv == APR_SUCCESS && !found ? APR_EGENERAL : rv;
}
