/*
 * Does the database answer? Asked of a store whose driver does nothing, and whose gate asks the question while it opens a
 * connection. Time passes as the test says.
 */
#include "unit.h"

#include "store/dbd.c" /* with the functions of the store that are defined below */

#include <signal.h>

static const tc_sql_dialect_t server_dialect = {.driver = "pgsql", .remote = true};
static const tc_sql_dialect_t file_dialect = {.driver = "sqlite3"};

/* The world of a test. There is one, because the fake functions have no other way to it. */
static struct {
    const tc_sql_dialect_t *dialect;
    unsigned calls_at_gate; /* calls under way while the gate opened the last connection */
    tc_site_t site;
    tc_dbd_t store;
} world;

/* ---- the fakes ---- */

static bool open_gate(void *server, apr_pool_t *pool, tc_sql_t *sql)
{
    static char handle;

    (void)server;
    (void)pool;
    world.calls_at_gate = atomic_load(&world.store.pool->calls.under_way);
    sql->handle = (apr_dbd_t *)&handle;
    return true;
}

static void close_gate(void *server, tc_sql_t *sql)
{
    (void)server;
    (void)sql;
}

static const tc_dbd_gate_t gate = {open_gate, close_gate};

const tc_sql_dialect_t *tc_sql_dialect_find(const char *driver)
{
    (void)driver;
    return world.dialect;
}

const char *apr_dbd_name(const apr_dbd_driver_t *driver)
{
    (void)driver;
    return "";
}

bool tc_sql_is_set_up(const tc_sql_t *sql)
{
    (void)sql;
    return true;
}

bool tc_schema_check(tc_sql_t *sql, const char *site, apr_pool_t *pool)
{
    (void)sql;
    (void)site;
    (void)pool;
    return true;
}

bool tc_schema_identify(tc_sql_t *sql, uint64_t *database, apr_pool_t *pool)
{
    (void)sql;
    (void)pool;
    *database = 7;
    return true;
}

/* ---- never called here ---- */

#define NEVER(type, name, ...)                                                                     \
    type name(__VA_ARGS__)                                                                         \
    {                                                                                              \
        abort();                                                                                   \
    }

/* NOLINTBEGIN(misc-unused-parameters) */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
NEVER(bool, tc_libpq_is_connected, const tc_sql_t *sql, apr_pool_t *pool)
NEVER(void, tc_libpq_want_states, const tc_sql_t *sql, apr_pool_t *pool)
NEVER(apr_status_t, tc_sql_ask, tc_sql_t *sql, const char *statement, const char **args, int count, tc_sql_rows_t *rows,
      const char **why, apr_pool_t *pool)
NEVER(apr_status_t, tc_sql_do, tc_sql_t *sql, const char *statement, const char **args, int count, const char **why,
      apr_pool_t *pool)
NEVER(int, tc_sql_call_query, tc_sql_t *sql, const char *command)
NEVER(apr_status_t, tc_sql_begin, tc_sql_t *sql)
NEVER(apr_status_t, tc_sql_commit, tc_sql_t *sql)
NEVER(apr_status_t, tc_sql_rollback, tc_sql_t *sql)
NEVER(void, tc_sql_forget, tc_sql_t *sql)
NEVER(void, tc_sql_note_set_up, tc_sql_t *sql, bool is_set_up)
NEVER(void, tc_sql_log_failure, const char *what, const char *why)
NEVER(void, tc_sql_log_error, const tc_sql_t *sql, const char *what, int error)
NEVER(tc_sql_row_t *, tc_sql_next, tc_sql_rows_t *rows)
NEVER(const char *, tc_sql_text, const tc_sql_rows_t *rows, tc_sql_row_t *row, int n)
NEVER(int64_t, tc_sql_int, const tc_sql_rows_t *rows, tc_sql_row_t *row, int n)
#pragma GCC diagnostic pop
/* NOLINTEND(misc-unused-parameters) */

/* ---- the tests ---- */

static tc_dbd_t *new_store(const tc_sql_dialect_t *dialect)
{
    tc_dbd_t *store = &world.store;
    tc_sql_t sql;

    world.dialect = dialect;
    store->store.site = &world.site;
    store->gate = &gate;
    tc_dbd_init(store);
    ck_assert(tc_dbd_open(store, &sql, NULL));
    tc_dbd_close(store, &sql);
    return store;
}

/* The last answer of the database was so long ago. */
static void let_pass(tc_dbd_t *store, int64_t ms)
{
    atomic_store(&store->pool->calls.answered_us, tc_clock_monotonic_us() - ms * TC_US_PER_MS);
}

START_TEST(a_call_that_does_not_come_back_means_that_the_database_hangs)
{
    tc_dbd_t *store = new_store(&server_dialect);

    let_pass(store, 100000);
    ck_assert(tc_dbd_answers(store, 2));
    tc_calls_begin(&store->pool->calls);
    ck_assert_msg(tc_dbd_answers(store, 2), "a call that has just begun is not old");
    let_pass(store, 2900);
    ck_assert(tc_dbd_answers(store, 2));
    let_pass(store, 3001);
    ck_assert(!tc_dbd_answers(store, 2));
    tc_calls_begin(&store->pool->calls);
    let_pass(store, 501);
    ck_assert(!tc_dbd_answers(store, 2));
    ck_assert(tc_dbd_answers(store, 3));
    ck_assert(tc_dbd_answers(store, 0));
    tc_calls_end(&store->pool->calls);
    ck_assert_msg(tc_dbd_answers(store, 1), "one of the two has come back");
    tc_calls_end(&store->pool->calls);
    let_pass(store, 100000);
    ck_assert(tc_dbd_answers(store, 1));
}
END_TEST

START_TEST(a_connection_that_nobody_uses_is_no_sign_of_that)
{
    tc_dbd_t *store = new_store(&server_dialect);
    tc_sql_t sql;

    ck_assert(tc_dbd_open(store, &sql, NULL));
    let_pass(store, 100000);
    ck_assert(tc_dbd_answers(store, 1));
    tc_dbd_close(store, &sql);
}
END_TEST

START_TEST(who_waits_for_a_connection_of_others_is_no_sign_of_that)
{
    tc_dbd_t *store = new_store(&server_dialect);
    tc_sql_t one, other;

    ck_assert_msg(world.calls_at_gate == 1, "nobody else has a connection, so the driver connects");
    ck_assert(tc_dbd_open(store, &one, NULL));
    ck_assert(tc_dbd_open(store, &other, NULL));
    ck_assert_msg(world.calls_at_gate == 0, "the wait may be for the connection of somebody else");
    tc_dbd_close(store, &other);
    tc_dbd_rest(store);
    ck_assert(tc_dbd_open(store, &other, NULL));
    ck_assert_msg(world.calls_at_gate == 1, "a connection that is kept for later is nobody's reason to wait");
    tc_dbd_close(store, &other);
    tc_dbd_resume(store);
    tc_dbd_close(store, &one);
    ck_assert_uint_eq(atomic_load(&store->pool->calls.under_way), 0);
}
END_TEST

START_TEST(a_file_always_answers)
{
    tc_dbd_t *store = new_store(&file_dialect);

    tc_calls_begin(&store->pool->calls);
    let_pass(store, 100000);
    ck_assert(tc_dbd_answers(store, 1));
}
END_TEST

static void reply_while_holding(void)
{
    tc_held_add();
    tc_held_assert_nothing(__func__);
}

START_TEST(who_holds_a_connection_may_not_wait_for_a_client)
{
    tc_dbd_t *store = new_store(&server_dialect);
    tc_sql_t sql;

    ck_assert(tc_dbd_open(store, &sql, NULL));
    tc_dbd_close(store, &sql);
    TC_ASSERT_NOTHING_HELD();
    ck_assert_int_eq(unit_signal_of(reply_while_holding), SIGABRT);
}
END_TEST

UNIT_MAIN("a database that may hang", a_call_that_does_not_come_back_means_that_the_database_hangs,
          a_connection_that_nobody_uses_is_no_sign_of_that, who_waits_for_a_connection_of_others_is_no_sign_of_that,
          a_file_always_answers, who_holds_a_connection_may_not_wait_for_a_client)
