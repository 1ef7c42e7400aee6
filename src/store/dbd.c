/* The store over apr_dbd. See dbd.h. */
#include "store/dbd.h"

#include "base/clock.h"
#include "base/held.h"
#include "base/limits.h"
#include "base/log.h"
#include "store/libpq.h"
#include "store/schema.h"

#include <apr_strings.h>

#define SHUT_US (500 * TC_US_PER_MS)
#define STUCK_US (3 * TC_US_PER_S) /* longer than any lock wait (sql_dialect.c) */
#define WRITTEN_US (5 * TC_US_PER_S)    /* since a batch was stored: no need to try */
#define UNWRITTEN_US (15 * TC_US_PER_S) /* a server that takes no writes counts so */
#define STUCK_MANY_US (500 * TC_US_PER_MS)

static void init_pool(tc_dbd_pool_t *pool)
{
    pool->max_visitors = 0;
    atomic_init(&pool->visitors, 0);
    atomic_init(&pool->visitor_left_us, 0);
    atomic_init(&pool->waiting, 0);
    atomic_init(&pool->lent, 0);
    atomic_init(&pool->kept, 0);
    atomic_init(&pool->resting, 0);
    tc_calls_init(&pool->calls);
}

void tc_dbd_init(tc_dbd_t *store)
{
    int i;

    init_pool(&store->own_pool);
    store->pool = &store->own_pool;
    atomic_init(&store->store.database, 0);
    atomic_init(&store->connects, 0);
    atomic_init(&store->dialect, NULL);
    atomic_init(&store->shut_until_us, 0);
    atomic_init(&store->lost_names, 0);
    atomic_init(&store->written_us, 0);
    atomic_init(&store->unwritten_us, 0);
    atomic_init(&store->fits, false);
    for (i = 0; i < TC_ASK_COUNT; i++) {
        atomic_init(&store->singly_until_us[i], 0);
    }
    atomic_init(&store->unfit_until_us, 0);
    atomic_init(&store->spare_people, NULL);
    atomic_init(&store->has_types, false);
    atomic_init(&store->is_checked, false);
    atomic_init(&store->is_checking, false);
    atomic_init(&store->wrong, 0);
    atomic_init(&store->check_again_us, 0);
}

static bool set_up(tc_dbd_t *store, tc_sql_t *sql)
{
    const char *const *statement;

    if (tc_sql_is_set_up(sql)) {
        return true;
    }
    if (sql->dialect->remote) {
        tc_libpq_want_states(sql, sql->pool);
    }
    for (statement = sql->dialect->setup; *statement != NULL; statement++) {
        int error = tc_sql_call_query(sql, *statement);

        if (error != 0 && error != 100) { /* SQLITE_ROW: some PRAGMAs return a row */
            tc_sql_log_error(sql, *statement, error);
            return false;
        }
    }
    tc_sql_note_set_up(sql, true);
    atomic_fetch_add(&store->connects, 1);
    return true;
}

/* Asks once a child, when the first connection is there. After a failure it is asked again with the next connection. */
static bool fits(tc_dbd_t *store, tc_sql_t *sql, apr_pool_t *pool)
{
    uint64_t database;

    if (!atomic_load(&store->fits) && tc_schema_check(sql, store->store.site->name, pool)
        && tc_schema_identify(sql, &database, pool)) {
        atomic_store(&store->store.database, database);
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
    unsigned asking = atomic_load(&store->pool->calls.under_way) + atomic_load(&store->pool->waiting);

    return dialect == NULL || !dialect->remote
           || !tc_calls_are_silent(&store->pool->calls, many > 0 && asking >= many ? STUCK_MANY_US : STUCK_US);
}

void tc_dbd_share_pool(tc_dbd_t *store, const tc_dbd_t *other)
{
    store->pool = other->pool;
}

void tc_dbd_limit(tc_dbd_t *store, unsigned max_visitors)
{
    unsigned i;

    tc_semaphore_init(&store->pool->places);
    for (i = 0; i < max_visitors; i++) {
        tc_semaphore_post(&store->pool->places);
    }
    store->pool->max_visitors = max_visitors;
}

/* Messages may be stored while every query of a newcomer waits for a lock: visitors count by themselves. */
static bool is_stuck(tc_dbd_t *store, unsigned many)
{
    return many > 0 && atomic_load(&store->pool->visitors) >= many
           && tc_clock_monotonic_us() - atomic_load(&store->pool->visitor_left_us) >= STUCK_MANY_US;
}

bool tc_dbd_enter(tc_dbd_t *store, unsigned many)
{
    if (!tc_dbd_answers(store, many) || is_stuck(store, many)) {
        return false;
    }
    if (atomic_fetch_add(&store->pool->visitors, 1) == 0) {
        atomic_store(&store->pool->visitor_left_us, tc_clock_monotonic_us());
    }
    if (store->pool->max_visitors == 0 || tc_semaphore_wait_for(&store->pool->places, STUCK_US)) {
        return true;
    }
    (void)atomic_fetch_sub(&store->pool->visitors, 1);
    return false;
}

void tc_dbd_leave(tc_dbd_t *store)
{
    atomic_store(&store->pool->visitor_left_us, tc_clock_monotonic_us());
    (void)atomic_fetch_sub(&store->pool->visitors, 1);
    if (store->pool->max_visitors > 0) {
        tc_semaphore_post(&store->pool->places);
    }
}

void tc_dbd_keep(tc_dbd_t *store)
{
    atomic_fetch_add(&store->pool->kept, 1);
}

void tc_dbd_unkeep(tc_dbd_t *store)
{
    atomic_fetch_sub(&store->pool->kept, 1);
}

void tc_dbd_rest(tc_dbd_t *store)
{
    atomic_fetch_add(&store->pool->resting, 1);
}

void tc_dbd_resume(tc_dbd_t *store)
{
    atomic_fetch_sub(&store->pool->resting, 1);
}

bool tc_dbd_is_short(const tc_dbd_t *store)
{
    return atomic_load(&store->pool->waiting) > 0 && atomic_load(&store->pool->lent) <= atomic_load(&store->pool->kept);
}

/*
 * Asks for a connection. While threads of the child use connections, the wait may be for one of theirs, and what they wait
 * for tells whether the database hangs. Otherwise it is the driver that connects.
 */
static bool ask_gate(tc_dbd_t *store, tc_sql_t *sql, apr_pool_t *pool)
{
    bool may_wait_for_others = atomic_load(&store->pool->lent) > atomic_load(&store->pool->resting);
    tc_calls_t *calls = may_wait_for_others ? NULL : &store->pool->calls;
    bool open;

    atomic_fetch_add(&store->pool->waiting, 1);
    tc_calls_begin(calls);
    open = store->gate->open(store->server, pool, sql);
    tc_calls_end(calls);
    atomic_fetch_sub(&store->pool->waiting, 1);
    if (open) {
        atomic_fetch_add(&store->pool->lent, 1);
        TC_HOLD();
    }
    return open;
}

static void give_back(tc_dbd_t *store, tc_sql_t *sql)
{
    store->gate->close(store->server, sql);
    atomic_fetch_sub(&store->pool->lent, 1);
    TC_LET_GO();
    sql->handle = NULL;
}

/*
 * Makes a connection ready. One that was lost since its last use fails here: the next one that mod_dbd gives is perhaps
 * the same, connected again.
 */
static bool make_ready(tc_dbd_t *store, tc_sql_t *sql, apr_pool_t *pool)
{
    int tries;

    for (tries = 1; !set_up(store, sql); tries++) {
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
    tc_log_serve(store->store.site->log_server);
    sql->handle = NULL;
    if (tc_clock_monotonic_us() < atomic_load(&store->shut_until_us)) {
        return false;
    }
    if (!ask_gate(store, sql, pool)) {
        atomic_store(&store->shut_until_us, tc_clock_monotonic_us() + SHUT_US);
        return false;
    }
    sql->in_transaction = false;
    sql->fault = TC_SQL_FAULT_NONE;
    sql->calls = &store->pool->calls;
    sql->lost_names = &store->lost_names;
    sql->often = false;
    sql->dialect = tc_sql_dialect_find(apr_dbd_name(sql->driver));
    if (sql->dialect == NULL) {
        tc_log(TC_LOG_ERR, 0, "TC0011: DBDriver %s is not supported, use pgsql or sqlite3",
               apr_dbd_name(sql->driver));
    }
    if (sql->dialect == NULL || !make_ready(store, sql, pool) || !fits(store, sql, pool)) {
        if (sql->handle != NULL) {
            give_back(store, sql);
        }
        return false;
    }
    atomic_store(&store->dialect, sql->dialect);
    return true;
}

void tc_dbd_close(tc_dbd_t *store, tc_sql_t *sql)
{
    if (sql->handle != NULL) {
        give_back(store, sql);
    }
}

bool tc_dbd_reopen(tc_dbd_t *store, tc_sql_t *sql, apr_pool_t *pool)
{
    bool often = sql->often, open;

    tc_sql_forget(sql);
    if (!sql->dialect->remote) {
        return true;
    }
    tc_sql_note_set_up(sql, false); /* mod_dbd may connect it again */
    tc_dbd_close(store, sql);
    open = tc_dbd_open(store, sql, pool);
    sql->often = often;
    return open;
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

void tc_dbd_note_writes(tc_dbd_t *store, bool stored)
{
    atomic_store(stored ? &store->written_us : &store->unwritten_us, tc_clock_monotonic_us());
}

bool tc_dbd_takes_writes(tc_dbd_t *store)
{
    long long unwritten_us = atomic_load(&store->unwritten_us);

    return unwritten_us == 0 || unwritten_us < atomic_load(&store->written_us)
           || tc_clock_monotonic_us() - unwritten_us > UNWRITTEN_US;
}

static bool can_write(tc_sql_t *sql, const char **why, apr_pool_t *pool)
{
    sql->no_writes = false;
    return tc_sql_do(sql, sql->dialect->writable, NULL, 0, why, pool) == APR_SUCCESS || !sql->no_writes;
}

void tc_dbd_try_writes(tc_dbd_t *store, tc_sql_t *sql, apr_pool_t *pool)
{
    static tc_log_limit_t limit = TC_LOG_LIMIT(1);
    long long written_us = atomic_load(&store->written_us);
    const char *why = "";

    if ((written_us != 0 && tc_clock_monotonic_us() - written_us < WRITTEN_US) || can_write(sql, &why, pool)
        || (tc_dbd_renew(store, sql, pool) && can_write(sql, &why, pool))) {
        return;
    }
    tc_dbd_note_writes(store, false);
    tc_log_about(NULL, &limit, TC_LOG_WARNING, 0, "TC0101: site %s: the database takes no writes, so the health page says so: %.*s",
                 store->store.site->name, (int)strcspn(why, "\r\n"), why);
}

/* When a server was started again, each connection in mod_dbd's pool turns out to be lost when it is next used. */
static int max_tries(const tc_sql_t *sql, apr_pool_t *pool)
{
    return sql->dialect->remote && !tc_libpq_is_connected(sql, pool) ? TC_STORE_LOST_TRIES : TC_STORE_TRIES;
}

apr_status_t tc_dbd_ask(tc_dbd_t *store, tc_sql_t *sql, const char *statement, const char **args, int count,
                        tc_sql_rows_t *rows, tc_sql_row_t **row, const char **why, apr_pool_t *pool)
{
    apr_status_t rv = tc_sql_ask(sql, statement, args, count, rows, why, pool);
    int tries;

    *row = NULL;
    for (tries = 1; rv != APR_SUCCESS && tries < max_tries(sql, pool) && !sql->in_transaction
                    && sql->fault != TC_SQL_FAULT_VALUE; tries++) {
        if (!tc_dbd_reopen(store, sql, pool)) {
            return APR_EGENERAL;
        }
        rv = tc_sql_ask(sql, statement, args, count, rows, why, pool);
    }
    *row = rv == APR_SUCCESS ? tc_sql_next(rows) : NULL;
    return rv;
}

apr_status_t tc_dbd_select(tc_dbd_t *store, tc_sql_t *sql, const char *statement, const char **args, int count,
                           tc_sql_rows_t *rows, tc_sql_row_t **row, apr_pool_t *pool)
{
    const char *why = "no connection";
    apr_status_t rv =
        tc_dbd_ask(store, sql, statement, args, count, rows, row, &why, pool);

    if (rv != APR_SUCCESS) {
        tc_sql_log_failure("query failed", why);
    }
    return rv;
}

static tc_trip_form_e trip_form(const tc_dbd_t *store)
{
    return store->store.site->rules.trip_form;
}

/* Reads id and trip of a room. False: the id is not a UUID. */
static bool read_room(const tc_dbd_t *store, const tc_sql_rows_t *rows, tc_sql_row_t *row, tc_trip_t *trip,
                      tc_uuid_t *room_id)
{
    const char *text = tc_sql_text(rows, row, 0);

    (void)tc_trip_from_sql(tc_sql_text(rows, row, 1), trip_form(store), trip); /* else the asked id stays */
    return tc_uuid_parse(text, strlen(text), room_id);
}

apr_status_t tc_dbd_find_room(tc_dbd_t *store, tc_sql_t *sql, tc_trip_t *trip, tc_uuid_t *room_id,
                              bool *found, apr_pool_t *pool)
{
    char space[TC_TRIP_MAX_BYTES + 1];
    const char *args[] = {tc_trip_to_sql(trip, trip_form(store), space)};
    tc_sql_rows_t rows;
    tc_sql_row_t *row;
    apr_status_t rv = tc_dbd_select(store, sql, sql->dialect->room_find, args, 1, &rows, &row, pool);

    *found = false;
    if (rv == APR_SUCCESS && row != NULL) {
        *found = read_room(store, &rows, row, trip, room_id);
        rv = *found ? APR_SUCCESS : APR_EGENERAL;
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
    rv = tc_dbd_select(store, sql, of_message ? sql->dialect->message_trip : sql->dialect->room_trip,
                    args, 1, &rows, &row, pool);
    *found = false;
    if (rv == APR_SUCCESS && row != NULL) {
        *found = tc_trip_from_sql(tc_sql_text(&rows, row, 0), trip_form(store), trip);
    }
    return rv;
}

apr_status_t tc_dbd_find_head(tc_dbd_t *store, tc_sql_t *sql, const tc_uuid_t *room_id,
                              int64_t *last_seq, int32_t *epoch, apr_pool_t *pool)
{
    char room[TC_UUID_CHARS + 1];
    const char *args[] = {room};
    tc_sql_rows_t rows;
    tc_sql_row_t *row;
    apr_status_t rv;

    tc_uuid_format(room_id, room);
    rv = tc_dbd_select(store, sql, sql->dialect->head, args, 1, &rows, &row, pool);
    if (rv == APR_SUCCESS) {
        *last_seq = row ? tc_sql_int(&rows, row, 0) : -1;
        if (epoch != NULL) {
            *epoch = row ? (int32_t)tc_sql_int(&rows, row, 1) : -1;
        }
    }
    return rv;
}

/*
 * A room could not be made. APR_NOTFOUND: the trip does not exist. The access query may let users into such a trip, and
 * then no later try succeeds.
 */
static apr_status_t judge_no_room(const tc_sql_t *sql, const char *statement, const char *why, apr_pool_t *pool)
{
    if (sql->fault == TC_SQL_FAULT_PARENT) {
        return APR_NOTFOUND;
    }
    tc_sql_log_failure(apr_psprintf(pool, "cannot make a room: \"%.60s\"", statement), why);
    return APR_EGENERAL;
}

/* Where there is no room_open. */
static apr_status_t create_room(tc_sql_t *sql, const char **args, apr_pool_t *pool)
{
    const char *statement = sql->dialect->room_create, *why = "the driver gives no reason";
    apr_status_t rv = tc_sql_begin(sql);

    if (rv == APR_SUCCESS) {
        rv = tc_sql_do(sql, statement, args, 3, &why, pool);
        rv = rv == APR_SUCCESS ? tc_sql_commit(sql) : judge_no_room(sql, statement, why, pool);
    }
    if (rv != APR_SUCCESS) {
        (void)tc_sql_rollback(sql);
    }
    return rv;
}

/* Makes the trip's room. `args` are room_create's, which begin with room_open's. *found: the room has been read, too. */
static apr_status_t make_room(tc_dbd_t *store, tc_sql_t *sql, const char **args, tc_trip_t *trip, tc_uuid_t *room_id,
                              bool *found, apr_pool_t *pool)
{
    const char *statement = sql->dialect->room_open, *why = "the driver gives no reason";
    tc_sql_rows_t rows;
    tc_sql_row_t *row;

    if (statement == NULL) {
        return create_room(sql, args, pool);
    }
    if (tc_sql_ask(sql, statement, args, 2, &rows, &why, pool) != APR_SUCCESS) {
        return judge_no_room(sql, statement, why, pool);
    }
    row = tc_sql_next(&rows);
    *found = row != NULL && read_room(store, &rows, row, trip, room_id);
    return APR_SUCCESS;
}

apr_status_t tc_dbd_open_room(tc_dbd_t *store, tc_sql_t *sql, tc_trip_t *trip,
                              tc_uuid_t *room_id, apr_pool_t *pool)
{
    char space[TC_TRIP_MAX_BYTES + 1], id[TC_UUID_CHARS + 1], now[TC_CLOCK_RFC3339_BYTES];
    const char *args[] = {id, tc_trip_to_sql(trip, trip_form(store), space), now};
    bool found = false;
    apr_status_t rv;

    tc_uuid_make_v7(room_id);
    tc_uuid_format(room_id, id);
    tc_clock_rfc3339(tc_clock_wall_us(), now);
    rv = make_room(store, sql, args, trip, room_id, &found, pool);
    if (rv != APR_SUCCESS && rv != APR_NOTFOUND && tc_dbd_renew(store, sql, pool)) {
        rv = make_room(store, sql, args, trip, room_id, &found, pool);
    }
    if (rv == APR_SUCCESS && !found) {
        rv = tc_dbd_find_room(store, sql, trip, room_id, &found, pool);
    }
    return rv == APR_SUCCESS && !found ? APR_EGENERAL : rv;
}
