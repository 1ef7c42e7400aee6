/*
 * SQL over apr_dbd (apr_dbd.h): a connection on loan, its prepared statements, and transactions. A statement is
 * prepared when it is first used and kept with the connection. Arguments are always bound. One thread at a time uses a
 * connection: a db thread or a worker.
 *
 * On PostgreSQL, a statement that runs often is prepared on the server, because it is parsed and planned there in three
 * times the time that it takes to run. Behind PgBouncer in transaction mode, another server gets the next statement.
 * Then the server says that it does not know the name, the statement is sent with its text, and soon nothing is prepared
 * on the server any more. A name is made of the statement's text, so it never means another statement.
 */
#ifndef TC_STORE_SQL_H
#define TC_STORE_SQL_H

#include "store/calls.h"
#include "store/sql_dialect.h"
#include "store/sql_fault.h"

#include <apr_dbd.h>
#include <apr_hash.h>
#include <apr_pools.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define TC_SQL_LOST_NAMES 16 /* so often, and nothing is prepared on the server any more */

/* A connection; the glue fills it in from mod_dbd's ap_dbd_t. */
typedef struct {
    const apr_dbd_driver_t *driver;
    apr_dbd_t *handle;
    const tc_sql_dialect_t *dialect;
    apr_hash_t *prepared; /* the chat's own statements of this connection, by SQL text */
    apr_pool_t *pool;     /* lives as long as the connection */
    bool in_transaction;
    tc_sql_fault_e fault; /* of the last statement that failed */
    bool no_writes;       /* a statement failed because the server takes no writes; the caller clears it before it writes */
    tc_calls_t *calls; /* the store's; NULL: they are not counted */
    atomic_uint *lost_names; /* the store's: how often the server did not know a statement that was prepared there */
    bool often;           /* the caller's: the next statements run often, and each %s in them is cast to its type */
    void *lease;          /* the glue's */
} tc_sql_t;

/* One row of a result. */
typedef apr_dbd_row_t tc_sql_row_t;

typedef struct {
    const tc_sql_t *sql;
    apr_dbd_results_t *results;
    apr_dbd_row_t *row; /* the row read last: some drivers go on from it */
    apr_pool_t *pool;
    const char *encoding; /* of the texts, as the database names it; NULL: UTF-8 */
} tc_sql_rows_t;

/*
 * Runs a statement with `count` text arguments (NULL is SQL's NULL) bound to its %s. tc_sql_select() and tc_sql_ask()
 * fill *rows, whose texts live on `pool`. Any status but APR_SUCCESS has been logged; only tc_sql_ask() logs nothing
 * and puts the reason into *why, on the pool, for tc_sql_log_failure(). Outside a transaction, rows with a character that
 * the server cannot convert to UTF-8 are read as the database has them, and tc_sql_text() converts them.
 */
apr_status_t tc_sql_ask(tc_sql_t *sql, const char *statement, const char **args, int count,
                        tc_sql_rows_t *rows, const char **why, apr_pool_t *pool);
apr_status_t tc_sql_select(tc_sql_t *sql, const char *statement, const char **args, int count,
                           tc_sql_rows_t *rows, apr_pool_t *pool);
apr_status_t tc_sql_execute(tc_sql_t *sql, const char *statement, const char **args, int count,
                            apr_pool_t *pool);

/* Like tc_sql_execute(), but logs nothing and puts the reason of a failure into *why, on the pool. */
apr_status_t tc_sql_do(tc_sql_t *sql, const char *statement, const char **args, int count, const char **why,
                       apr_pool_t *pool);

/* Runs text that is no format and has no arguments. Returns the driver's error; 0: none. */
int tc_sql_call_query(tc_sql_t *sql, const char *command);

/* Runs text that is no format and has no arguments, a command of the session for example. Logs nothing. */
apr_status_t tc_sql_say(tc_sql_t *sql, const char *command, const char **why, apr_pool_t *pool);

/*
 * tc_sql_next() returns the next row, or NULL after the last. The new row replaces the row before. tc_sql_text()
 * returns column `n` (from 0) as a text on the pool; NULL for SQL's NULL. tc_sql_int() returns the column as a number;
 * 0 for SQL's NULL.
 */
tc_sql_row_t *tc_sql_next(tc_sql_rows_t *rows);
const char *tc_sql_text(const tc_sql_rows_t *rows, tc_sql_row_t *row, int n);
int64_t tc_sql_int(const tc_sql_rows_t *rows, tc_sql_row_t *row, int n);

/*
 * A transaction. After a statement failed in it, only tc_sql_rollback() may follow. A status other than APR_SUCCESS has
 * been logged, except for tc_sql_rollback(): there the connection is lost, and the transaction with it.
 */
apr_status_t tc_sql_begin(tc_sql_t *sql);
apr_status_t tc_sql_commit(tc_sql_t *sql);
apr_status_t tc_sql_rollback(tc_sql_t *sql);

/* Forgets prepared statements: after an error they may be older than the schema. */
void tc_sql_forget(tc_sql_t *sql);

/* Whether the connection was made ready for the chat, and that it was now, or is not any more. Outlives tc_sql_forget(). */
bool tc_sql_is_set_up(const tc_sql_t *sql);
void tc_sql_note_set_up(tc_sql_t *sql, bool is_set_up);

/* Logs "TC0012: what: why" at most once a second, with the number of lines left out. Any thread. */
void tc_sql_log_failure(const char *what, const char *why);

/* The same; `why` is the database's text for `error`, which the last call on `sql` returned. */
void tc_sql_log_error(const tc_sql_t *sql, const char *what, int error);

#endif
