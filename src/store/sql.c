/* SQL over apr_dbd. See sql.h. */
#include "store/sql.h"

#include "base/hash.h"
#include "base/log.h"
#include "codec/utf8.h"
#include "store/encoding.h"

#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>

#define SETUP_DONE "tripchat setup" /* a key in the table of prepared statements, not SQL */
#define STATEMENT_CHARS 80 /* of a statement, in the log */

/* "query failed", with the statement if somebody has to mend it or the schema. */
static const char *name_of(const tc_sql_t *sql, const char *what, const char *statement, apr_pool_t *pool)
{
    bool is_wrong = sql->fault == TC_SQL_FAULT_RIGHT || sql->fault == TC_SQL_FAULT_STATEMENT;

    return is_wrong ? apr_psprintf(pool, "%s: \"%.*s\"", what, STATEMENT_CHARS, statement) : what;
}

void tc_sql_log_failure(const char *what, const char *why)
{
    static tc_log_limit_t limit = TC_LOG_LIMIT(1);
    char more[TC_LOG_MORE_CHARS];

    if (tc_log_may(&limit, more)) {
        /* Only the first line: PostgreSQL's other lines show whole rows, with the texts of messages. */
        tc_log(TC_LOG_ERR, 0, "TC0012: %s: %.*s%s", what, (int)strcspn(why, "\r\n"), why, more);
    }
}

void tc_sql_log_error(const tc_sql_t *sql, const char *what, int error)
{
    tc_sql_log_failure(what, apr_dbd_error(sql->driver, sql->handle, error));
}

/* ---- calls to the driver ---- */

static int call_prepare(tc_sql_t *sql, const char *statement, const char *label, apr_dbd_prepared_t **prepared)
{
    int error;

    tc_calls_begin(sql->calls);
    error = apr_dbd_prepare(sql->driver, sql->pool, sql->handle, statement, label, prepared);
    tc_calls_end(sql->calls);
    return error;
}

/* The 1 asks for random access: the whole result is fetched, and reading may stop anywhere. */
static int call_select(tc_sql_t *sql, apr_dbd_prepared_t *prepared, const char **args, int count,
                       apr_dbd_results_t **results, apr_pool_t *pool)
{
    int error;

    tc_calls_begin(sql->calls);
    error = apr_dbd_pselect(sql->driver, pool, sql->handle, results, prepared, 1, count, args);
    tc_calls_end(sql->calls);
    return error;
}

int tc_sql_call_query(tc_sql_t *sql, const char *command)
{
    int changed = 0, error;

    tc_calls_begin(sql->calls);
    error = apr_dbd_query(sql->driver, sql->handle, &changed, command);
    tc_calls_end(sql->calls);
    return error;
}

/* ---- prepared statements ---- */

typedef struct {
    apr_dbd_prepared_t *prepared;
    bool named; /* the server has it under a name */
} statement_t;

/* The name of a statement: two hashes of its text, FNV-1a and a linear congruence. */
static const char *label_of(const char *statement, apr_pool_t *pool)
{
    apr_uint64_t one = tc_hash_text(TC_HASH_BASIS, statement), two = 1099511628211u;
    const char *at;

    for (at = statement; *at != '\0'; at++) {
        two = (two + (unsigned char)*at) * 6364136223846793005u + 1442695040888963407u;
    }
    return apr_psprintf(pool, "tripchat_%016" APR_UINT64_T_HEX_FMT "%016" APR_UINT64_T_HEX_FMT, one, two);
}

static bool are_names_kept(const tc_sql_t *sql)
{
    return sql->lost_names != NULL && atomic_load(sql->lost_names) < TC_SQL_LOST_NAMES;
}

static bool may_name(const tc_sql_t *sql)
{
    return sql->often && sql->dialect->remote && !sql->in_transaction && are_names_kept(sql);
}

/*
 * Without a label, the driver of a server sends the statement's text each time, and the server infers the types of the
 * arguments. With a label, the driver calls each argument a varchar. So only statements with casts may have one.
 */
static statement_t *prepare(tc_sql_t *sql, const char *statement, const char **why, apr_pool_t *pool)
{
    statement_t *kept = apr_hash_get(sql->prepared, statement, APR_HASH_KEY_STRING);
    apr_dbd_prepared_t *prepared = NULL;
    bool named = false;
    int error = 1;

    if (kept != NULL && (!kept->named || are_names_kept(sql))) {
        return kept; /* other connections may have found out meanwhile that names are lost */
    }
    if (may_name(sql)) {
        error = call_prepare(sql, statement, label_of(statement, pool), &prepared);
        named = error == 0;
        prepared = named ? prepared : NULL;
    }
    if (!named) {
        error = call_prepare(sql, statement, NULL, &prepared);
    }
    if (error != 0) {
        *why = apr_pstrcat(pool, "cannot prepare \"", statement, "\": ",
                           apr_dbd_error(sql->driver, sql->handle, error), NULL);
        return NULL;
    }
    kept = apr_palloc(sql->pool, sizeof(*kept));
    *kept = (statement_t){prepared, named};
    apr_hash_set(sql->prepared, apr_pstrdup(sql->pool, statement), APR_HASH_KEY_STRING, kept);
    return kept;
}

/* True if a proxy ended the connection, because it does not know the name of a statement (08P01: protocol violation). */
static bool is_of_bouncer(const char *why)
{
    return strstr(why, "08P01") != NULL && strstr(why, "prepared statement") != NULL;
}

/*
 * True if a statement failed because of its name: the server does not know it, or its result has another form since the
 * schema changed. Nothing was run then. The statement has no name from now on, over this connection. PgBouncer from 1.21
 * on ends the connection instead, with words of its own: then no statement gets a name any more, and the caller asks
 * again over another connection.
 */
static bool is_name_lost(tc_sql_t *sql, statement_t *kept, const char *statement, const char *why)
{
    char state[6];

    tc_sql_fault_state(why, state);
    if (!kept->named || (strcmp(state, "26000") != 0 && strcmp(state, "0A000") != 0)) {
        if (kept->named && sql->lost_names != NULL && is_of_bouncer(why)) {
            atomic_store(sql->lost_names, TC_SQL_LOST_NAMES);
        }
        return false;
    }
    kept->prepared = NULL;
    kept->named = false;
    if (sql->lost_names != NULL) {
        atomic_fetch_add(sql->lost_names, 1);
    }
    return call_prepare(sql, statement, NULL, &kept->prepared) == 0;
}

/*
 * Forgotten statements stay on the connection's pool. The connection stays set up: another PRAGMA would make SQLite refuse
 * every statement that was prepared before. A server has forgotten its statements if the driver connects again.
 */
void tc_sql_forget(tc_sql_t *sql)
{
    bool is_set_up = tc_sql_is_set_up(sql);

    if (sql->handle != NULL) {
        apr_hash_clear(sql->prepared);
        tc_sql_note_set_up(sql, is_set_up);
    }
}

static void note_writes(tc_sql_t *sql, const char *why)
{
    sql->no_writes = sql->no_writes || tc_sql_fault_stops_writes(why);
}

static void note_why(tc_sql_t *sql, const char *why)
{
    sql->fault = tc_sql_fault(why);
    note_writes(sql, why);
}

/*
 * Notes why a statement failed. SQLite refuses a statement that is older than a change of the schema, each time. Prepared
 * anew, it is accepted.
 */
static apr_status_t note_fault(tc_sql_t *sql, const char *statement, const char *why)
{
    note_why(sql, why);
    if (!sql->dialect->remote && sql->fault != TC_SQL_FAULT_VALUE && sql->fault != TC_SQL_FAULT_PARENT) {
        apr_hash_set(sql->prepared, statement, APR_HASH_KEY_STRING, NULL);
    }
    return APR_EGENERAL;
}

bool tc_sql_is_set_up(const tc_sql_t *sql)
{
    return sql->handle != NULL && apr_hash_get(sql->prepared, SETUP_DONE, APR_HASH_KEY_STRING) != NULL;
}

void tc_sql_note_set_up(tc_sql_t *sql, bool is_set_up)
{
    apr_hash_set(sql->prepared, SETUP_DONE, APR_HASH_KEY_STRING, is_set_up ? sql->prepared : NULL);
}

static bool are_ascii(const char **args, int count)
{
    int i;

    for (i = 0; i < count; i++) {
        if (args[i] != NULL && !tc_utf8_is_ascii(args[i])) {
            return false;
        }
    }
    return true;
}

/* True if the server has a text that UTF-8 has not, and may be asked for it in another way. */
static bool is_untranslatable(const tc_sql_t *sql, const char *why, const char **args, int count)
{
    char state[6];

    tc_sql_fault_state(why, state);
    return strcmp(state, "22P05") == 0 && sql->dialect->as_stored != NULL && !sql->in_transaction && are_ascii(args, count);
}

/* The encoding of the database, in which the session now gets its texts. NULL: the database did not say. */
static const char *find_encoding(tc_sql_t *sql, apr_pool_t *pool)
{
    tc_sql_rows_t rows = {.sql = sql, .pool = pool};
    const char *why;
    statement_t *kept = prepare(sql, sql->dialect->encoding, &why, pool);
    tc_sql_row_t *row = NULL;

    if (kept != NULL && call_select(sql, kept->prepared, NULL, 0, &rows.results, pool) == 0) {
        row = tc_sql_next(&rows);
    }
    return row ? tc_sql_text(&rows, row, 0) : NULL;
}

/* Selects rows whose texts come as they are stored. Returns the driver's error. */
static int select_as_stored(tc_sql_t *sql, const statement_t *kept, const char **args, int count, tc_sql_rows_t *rows)
{
    int error = tc_sql_call_query(sql, sql->dialect->as_stored), i;

    if (error == 0) {
        rows->results = NULL;
        error = call_select(sql, kept->prepared, args, count, &rows->results, rows->pool);
        rows->encoding = find_encoding(sql, rows->pool);
    }
    for (i = 0; sql->dialect->setup[i] != NULL; i++) {
        if (tc_sql_call_query(sql, sql->dialect->setup[i]) != 0) {
            tc_sql_note_set_up(sql, false);
        }
    }
    return error;
}

apr_status_t tc_sql_ask(tc_sql_t *sql, const char *statement, const char **args, int count,
                        tc_sql_rows_t *rows, const char **why, apr_pool_t *pool)
{
    statement_t *kept = prepare(sql, statement, why, pool);
    int error;

    rows->sql = sql;
    rows->results = NULL;
    rows->row = NULL;
    rows->pool = pool;
    rows->encoding = NULL;
    if (kept == NULL) {
        return note_fault(sql, statement, *why);
    }
    error = call_select(sql, kept->prepared, args, count, &rows->results, pool);
    if (error != 0 && is_name_lost(sql, kept, statement, apr_dbd_error(sql->driver, sql->handle, error))) {
        rows->results = NULL;
        error = call_select(sql, kept->prepared, args, count, &rows->results, pool);
    }
    if (error != 0 && is_untranslatable(sql, apr_dbd_error(sql->driver, sql->handle, error), args, count)) {
        error = select_as_stored(sql, kept, args, count, rows);
    }
    if (error != 0) {
        *why = apr_pstrdup(pool, apr_dbd_error(sql->driver, sql->handle, error));
        return note_fault(sql, statement, *why);
    }
    return APR_SUCCESS;
}

apr_status_t tc_sql_select(tc_sql_t *sql, const char *statement, const char **args, int count,
                           tc_sql_rows_t *rows, apr_pool_t *pool)
{
    const char *why = "the driver gives no reason";
    apr_status_t rv = tc_sql_ask(sql, statement, args, count, rows, &why, pool);

    if (rv != APR_SUCCESS && !is_of_bouncer(why)) { /* which is found out once a child */
        tc_sql_log_failure(name_of(sql, "query failed", statement, pool), why);
    }
    return rv;
}

apr_status_t tc_sql_do(tc_sql_t *sql, const char *statement, const char **args, int count, const char **why,
                       apr_pool_t *pool)
{
    statement_t *kept = prepare(sql, statement, why, pool);
    int error = 0, changed = 0;

    if (kept != NULL) {
        tc_calls_begin(sql->calls);
        error = apr_dbd_pquery(sql->driver, pool, sql->handle, &changed, kept->prepared, count, args);
        tc_calls_end(sql->calls);
    }
    if (error != 0) {
        *why = apr_pstrdup(pool, apr_dbd_error(sql->driver, sql->handle, error));
    }
    return kept == NULL || error != 0 ? note_fault(sql, statement, *why) : APR_SUCCESS;
}

apr_status_t tc_sql_execute(tc_sql_t *sql, const char *statement, const char **args, int count,
                            apr_pool_t *pool)
{
    const char *why = "the driver gives no reason";
    apr_status_t rv = tc_sql_do(sql, statement, args, count, &why, pool);

    if (rv != APR_SUCCESS) {
        tc_sql_log_failure(name_of(sql, "statement failed", statement, pool), why);
    }
    return rv;
}

tc_sql_row_t *tc_sql_next(tc_sql_rows_t *rows)
{
    int error =
        apr_dbd_get_row(rows->sql->driver, rows->pool, rows->results, &rows->row, -1);

    return error == 0 ? rows->row : NULL;
}

/* In UTF-8, whatever other programs have written: one bad row must not close a room. */
static const char *mend(const char *text, const char *encoding, apr_pool_t *pool)
{
    const char *decoded = encoding ? tc_encoding_decode(text, encoding, pool) : NULL;
    size_t len = strlen(text);
    char *mended = apr_palloc(pool, tc_utf8_mended_max(len) + 1);

    if (decoded != NULL && tc_utf8_is_valid(decoded, strlen(decoded))) {
        return decoded;
    }
    mended[tc_utf8_mend(text, len, mended)] = '\0';
    return mended;
}

const char *tc_sql_text(const tc_sql_rows_t *rows, tc_sql_row_t *row, int n)
{
    char *text = NULL;

    /* Not apr_dbd_get_entry(), which returns an empty text for SQL's NULL with some drivers. */
    if (apr_dbd_datum_get(rows->sql->driver, row, n, APR_DBD_TYPE_STRING, &text) != APR_SUCCESS) {
        return NULL;
    }
    if (!tc_utf8_is_valid(text, strlen(text)) || (rows->encoding != NULL && !tc_utf8_is_ascii(text))) {
        return mend(text, rows->encoding, rows->pool);
    }
    /* With pgsql, the texts are freed when the last row has been read. */
    return rows->sql->dialect->remote ? apr_pstrdup(rows->pool, text) : text;
}

int64_t tc_sql_int(const tc_sql_rows_t *rows, tc_sql_row_t *row, int n)
{
    const char *text = tc_sql_text(rows, row, n);

    return text ? apr_atoi64(text) : 0;
}

/* Transactions are plain statements, because apr_dbd's crash in pgsql when the connection is lost. */

apr_status_t tc_sql_say(tc_sql_t *sql, const char *command, const char **why, apr_pool_t *pool)
{
    int error = tc_sql_call_query(sql, command);

    if (error != 0) {
        *why = apr_pstrdup(pool, apr_dbd_error(sql->driver, sql->handle, error));
        note_why(sql, *why);
    }
    return error == 0 ? APR_SUCCESS : APR_EGENERAL;
}

apr_status_t tc_sql_begin(tc_sql_t *sql)
{
    int error = tc_sql_call_query(sql, sql->dialect->begin);

    if (error != 0) {
        note_writes(sql, apr_dbd_error(sql->driver, sql->handle, error));
        tc_sql_log_error(sql, "cannot begin a transaction", error);
    }
    sql->in_transaction = error == 0;
    return error == 0 ? APR_SUCCESS : APR_EGENERAL;
}

apr_status_t tc_sql_commit(tc_sql_t *sql)
{
    int error = tc_sql_call_query(sql, "COMMIT");

    if (error != 0) {
        note_writes(sql, apr_dbd_error(sql->driver, sql->handle, error));
        tc_sql_log_error(sql, "cannot commit", error);
    }
    sql->in_transaction = error != 0;
    return error == 0 ? APR_SUCCESS : APR_EGENERAL;
}

apr_status_t tc_sql_rollback(tc_sql_t *sql)
{
    sql->in_transaction = false;
    return tc_sql_call_query(sql, "ROLLBACK") == 0 ? APR_SUCCESS : APR_EGENERAL;
}
