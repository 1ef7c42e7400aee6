/* The store over apr_dbd. See dbd.h. */
#include "store/dbd.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "store/schema.h"

#define SHUT_US (500 * TC_US_PER_MS)
#define STUCK_US (3 * TC_US_PER_S) /* longer than any lock wait (sql_dialect.c) */
#define STUCK_MANY_US (500 * TC_US_PER_MS)
#define SETUP_DONE "tripchat setup" /* a key in a connection's table of prepared statements, not SQL */

void tc_dbd_init(tc_dbd_t *store)
{
    atomic_init(&store->dialect, NULL);
    atomic_init(&store->shut_until_us, 0);
    atomic_init(&store->asking, 0);
    atomic_init(&store->answered_us, 0);
    atomic_init(&store->fits, false);
    atomic_init(&store->waiting, 0);
    atomic_init(&store->lent, 0);
    atomic_init(&store->asks_singly, false);
}

static bool set_up(tc_sql_t *sql)
{
    const char *const *statement;

    if (apr_hash_get(sql->prepared, SETUP_DONE, APR_HASH_KEY_STRING) != NULL) {
        return true;
    }
    for (statement = sql->dialect->setup; *statement != NULL; statement++) {
        int changed = 0;
        int error = apr_dbd_query(sql->driver, sql->handle, &changed, *statement);

        if (error != 0 && error != 100) { /* SQLITE_ROW: some PRAGMAs return a row */
            tc_sql_log_error(sql, *statement, error);
            return false;
        }
    }
    apr_hash_set(sql->prepared, SETUP_DONE, APR_HASH_KEY_STRING, sql);
    return true;
}

/* Asks once a child, when the first connection is there. After a failure it is asked again with the next connection. */
static bool fits(tc_dbd_t *store, tc_sql_t *sql, apr_pool_t *pool)
{
    if (!atomic_load(&store->fits) && tc_schema_check(sql, store->store.site->name, pool)) {
        atomic_store(&store->fits, true);
    }
    if (!atomic_load(&store->fits)) {
        atomic_store(&store->shut_until_us, tc_clock_monotonic_us() + SHUT_US);
    }
    return atomic_load(&store->fits);
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

void tc_dbd_rest(tc_dbd_t *store)
{
    end_asking(store);
}

void tc_dbd_resume(tc_dbd_t *store)
{
    begin_asking(store);
}

bool tc_dbd_is_short(tc_dbd_t *store, unsigned kept)
{
    return atomic_load(&store->waiting) > 0 && atomic_load(&store->lent) <= kept;
}

static bool ask_gate(tc_dbd_t *store, tc_sql_t *sql, apr_pool_t *pool)
{
    bool open;

    atomic_fetch_add(&store->waiting, 1);
    open = store->gate->open(store->server, pool, sql);
    atomic_fetch_sub(&store->waiting, 1);
    if (open) {
        atomic_fetch_add(&store->lent, 1);
    }
    return open;
}

static void give_back(tc_dbd_t *store, tc_sql_t *sql)
{
    store->gate->close(store->server, sql);
    atomic_fetch_sub(&store->lent, 1);
    sql->handle = NULL;
}

/*
 * Makes a connection ready. One that was lost since its last use fails here: the next one that mod_dbd gives is perhaps
 * the same, connected again.
 */
static bool make_ready(tc_dbd_t *store, tc_sql_t *sql, apr_pool_t *pool)
{
    int tries;

    for (tries = 1; !set_up(sql); tries++) {
        give_back(store, sql);
        if (tries == TC_STORE_TRIES || !ask_gate(store, sql, pool)) {
            return false;
        }
    }
    return true;
}

/* After a failure nobody asks for a connection for SHUT_US, because mod_dbd logs each failed try. */
bool tc_dbd_open(tc_dbd_t *store, tc_sql_t *sql, apr_pool_t *pool)
{
    sql->handle = NULL;
    if (tc_clock_monotonic_us() < atomic_load(&store->shut_until_us)) {
        return false;
    }
    begin_asking(store);
    if (!ask_gate(store, sql, pool)) {
        end_asking(store);
        atomic_store(&store->shut_until_us, tc_clock_monotonic_us() + SHUT_US);
        return false;
    }
    sql->in_transaction = false;
    sql->dialect = tc_sql_dialect_find(apr_dbd_name(sql->driver));
    if (sql->dialect == NULL) {
        tc_log(TC_LOG_ERR, 0, "TC0011: DBDriver %s is not supported, use pgsql or sqlite3",
               apr_dbd_name(sql->driver));
    }
    if (sql->dialect == NULL || !make_ready(store, sql, pool) || !fits(store, sql, pool)) {
        if (sql->handle != NULL) {
            give_back(store, sql);
        }
        end_asking(store);
        return false;
    }
    atomic_store(&store->dialect, sql->dialect);
    return true;
}

void tc_dbd_close(tc_dbd_t *store, tc_sql_t *sql)
{
    if (sql->handle != NULL) {
        give_back(store, sql);
        end_asking(store);
    }
}

bool tc_dbd_reopen(tc_dbd_t *store, tc_sql_t *sql, apr_pool_t *pool)
{
    tc_sql_forget(sql);
    if (!sql->dialect->remote) {
        return true;
    }
    apr_hash_set(sql->prepared, SETUP_DONE, APR_HASH_KEY_STRING, NULL); /* mod_dbd may connect it again */
    tc_dbd_close(store, sql);
    return tc_dbd_open(store, sql, pool);
}

bool tc_dbd_renew(tc_dbd_t *store, tc_sql_t *sql, apr_pool_t *pool)
{
    tc_sql_rows_t rows;
    const char *why;

    if (sql->dialect->renew == NULL) {
        return false;
    }
    /* Where the connection can write, the statement succeeds with no row. Otherwise the server ends the connection. */
    if (tc_sql_ask(sql, sql->dialect->renew, NULL, 0, &rows, &why, pool) == APR_SUCCESS) {
        return false;
    }
    return tc_dbd_reopen(store, sql, pool);
}

/* True when the database says that the value does not fit the column's type. apr_dbd gives the text, not the code. */
static bool is_no_value(const char *why)
{
    return strstr(why, "invalid input syntax") != NULL || strstr(why, "out of range") != NULL;
}

/*
 * Runs a query that returns one row or none (*row is NULL). If the query fails, it is tried again: the connection may
 * have been lost since its last use, or the schema may have changed. In a transaction it is not tried again, because
 * the transaction is lost with the connection. *why gets the reason of a failure.
 */
static apr_status_t ask_for_one(tc_dbd_t *store, tc_sql_t *sql, const char *statement,
                                const char **args, int count, tc_sql_rows_t *rows,
                                tc_sql_row_t **row, const char **why, apr_pool_t *pool)
{
    apr_status_t rv = tc_sql_ask(sql, statement, args, count, rows, why, pool);
    int tries;

    *row = NULL;
    for (tries = 1; rv != APR_SUCCESS && tries < TC_STORE_TRIES && !sql->in_transaction
                    && !is_no_value(*why); tries++) {
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
        ask_for_one(store, sql, statement, args, count, rows, row, &why, pool);

    if (rv != APR_SUCCESS) {
        tc_sql_log_failure("query failed", why);
    }
    return rv;
}

/* Runs one of the site's own queries. An id that does not fit the column's type finds no row; that is no failure. */
static apr_status_t ask_site(tc_dbd_t *store, tc_sql_t *sql, const tc_sql_query_t *query,
                             const char *trip, const char *user, tc_sql_rows_t *rows,
                             tc_sql_row_t **row, apr_pool_t *pool)
{
    const char *args[TC_SQL_QUERY_PLACES], *why = "no connection";
    apr_status_t rv;

    tc_sql_query_bind(query, trip, user, args);
    rv = ask_for_one(store, sql, query->text, args, query->count, rows, row, &why, pool);
    if (rv == APR_SUCCESS) {
        return rv;
    }
    if (is_no_value(why)) {
        tc_log(TC_LOG_INFO, 0, "TC0013: an id does not fit the type of its column, so it counts as not found");
        return APR_SUCCESS;
    }
    tc_sql_log_failure("query failed", why);
    return rv;
}

apr_status_t tc_dbd_find_user(tc_dbd_t *store, tc_sql_t *sql, const char *user_id,
                              tc_user_t **user, apr_pool_t *pool)
{
    tc_sql_rows_t rows;
    tc_sql_row_t *row;
    apr_status_t rv = ask_site(store, sql, store->user_query, NULL, user_id, &rows, &row, pool);

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

static tc_trip_form_e trip_form(const tc_dbd_t *store)
{
    return store->store.site->rules.trip_form;
}

apr_status_t tc_dbd_check_access(tc_dbd_t *store, tc_sql_t *sql,
                                 const tc_trip_t *trip, const char *user_id,
                                 bool *allowed, apr_pool_t *pool)
{
    char space[TC_TRIP_MAX_BYTES + 1];
    tc_sql_rows_t rows;
    tc_sql_row_t *row;
    apr_status_t rv;

    rv = ask_site(store, sql, store->access_query, tc_trip_to_sql(trip, trip_form(store), space),
                  user_id, &rows, &row, pool);
    *allowed = rv == APR_SUCCESS && row != NULL;
    return rv;
}

/* Finds the room of a trip, and replaces *trip by the text that the room's row has. *found is false if there is none. */
static apr_status_t find_room(tc_dbd_t *store, tc_sql_t *sql, tc_trip_t *trip, tc_uuid_t *room_id,
                              bool *found, apr_pool_t *pool)
{
    char space[TC_TRIP_MAX_BYTES + 1];
    const char *args[] = {tc_trip_to_sql(trip, trip_form(store), space)}, *text;
    tc_sql_rows_t rows;
    tc_sql_row_t *row;
    apr_status_t rv = select_one(store, sql, sql->dialect->room_find, args, 1, &rows, &row, pool);

    *found = false;
    if (rv == APR_SUCCESS && row != NULL) {
        text = tc_sql_text(&rows, row, 0);
        *found = tc_uuid_parse(text, strlen(text), room_id);
        rv = *found ? APR_SUCCESS : APR_EGENERAL;
        (void)tc_trip_from_sql(tc_sql_text(&rows, row, 1), trip_form(store), trip); /* else the asked id stays */
    }
    return rv;
}

apr_status_t tc_dbd_find_trip(tc_dbd_t *store, tc_sql_t *sql, const tc_uuid_t *id,
                              bool of_message, tc_trip_t *trip, bool *found,
                              apr_pool_t *pool)
{
    char text[TC_UUID_CHARS + 1];
    const char *args[] = {text};
    tc_sql_rows_t rows;
    tc_sql_row_t *row;
    apr_status_t rv;

    tc_uuid_format(id, text);
    rv = select_one(store, sql, of_message ? sql->dialect->message_trip : sql->dialect->room_trip,
                    args, 1, &rows, &row, pool);
    *found = false;
    if (rv == APR_SUCCESS && row != NULL) {
        *found = tc_trip_from_sql(tc_sql_text(&rows, row, 0), trip_form(store), trip);
    }
    return rv;
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

/* Runs in a transaction, because that limits the lock wait. */
static apr_status_t create_room(tc_sql_t *sql, const char **args, apr_pool_t *pool)
{
    apr_status_t rv = tc_sql_begin(sql);

    if (rv == APR_SUCCESS) {
        rv = tc_sql_execute(sql, sql->dialect->room_create, args, 3, pool);
    }
    if (rv == APR_SUCCESS) {
        rv = tc_sql_commit(sql);
    }
    if (rv != APR_SUCCESS) {
        (void)tc_sql_rollback(sql);
    }
    return rv;
}

apr_status_t tc_dbd_open_room(tc_dbd_t *store, tc_sql_t *sql, tc_trip_t *trip,
                              tc_uuid_t *room_id, apr_pool_t *pool)
{
    char space[TC_TRIP_MAX_BYTES + 1], id[TC_UUID_CHARS + 1], now[TC_CLOCK_RFC3339_BYTES];
    const char *args[] = {id, tc_trip_to_sql(trip, trip_form(store), space), now};
    bool found;
    apr_status_t rv;

    rv = find_room(store, sql, trip, room_id, &found, pool);
    if (rv != APR_SUCCESS || found) {
        return rv;
    }
    tc_uuid_make_v7(room_id);
    tc_uuid_format(room_id, id);
    tc_clock_rfc3339(tc_clock_wall_us(), now);
    rv = create_room(sql, args, pool);
    if (rv != APR_SUCCESS && tc_dbd_renew(store, sql, pool)) {
        rv = create_room(sql, args, pool);
    }
    if (rv == APR_SUCCESS) {
        rv = find_room(store, sql, trip, room_id, &found, pool);
    }
    return rv == APR_SUCCESS && !found ? APR_EGENERAL : rv;
}
