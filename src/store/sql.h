/*
 * SQL over apr_dbd: a connection on loan, statements prepared when first used and kept with the
 * connection, transactions. Arguments are always bound. A connection is used by one thread at a time.
 */
#ifndef TC_STORE_SQL_H
#define TC_STORE_SQL_H

#include "store/sql_dialect.h"

#include <apr_dbd.h>
#include <apr_hash.h>
#include <apr_pools.h>
#include <stdbool.h>
#include <stdint.h>

/* A connection, filled by the glue out of mod_dbd's ap_dbd_t. */
typedef struct {
    const apr_dbd_driver_t *driver;
    apr_dbd_t *handle;
    const tc_sql_dialect_t *dialect;
    apr_hash_t *prepared; /* the chat's own statements of this connection, by SQL text */
    apr_pool_t *pool;     /* lives as long as the connection */
    bool in_transaction;
    void *lease;          /* the glue's */
} tc_sql_t;

/* One row of a result. */
typedef apr_dbd_row_t tc_sql_row_t;

typedef struct {
    const tc_sql_t *sql;
    apr_dbd_results_t *results;
    apr_dbd_row_t *row; /* the one read last: some drivers go on from it */
    apr_pool_t *pool;
} tc_sql_rows_t;

/*
 * Runs a statement with `count` text arguments (NULL is SQL's) bound to its %s. Any result but
 * APR_SUCCESS has been logged. tc_sql_select() fills *rows. tc_sql_ask() is the same and says nothing in
 * the log: *why, on the pool, is for tc_sql_log_failure().
 */
apr_status_t tc_sql_ask(tc_sql_t *sql, const char *statement, const char **args, int count,
                        tc_sql_rows_t *rows, const char **why, apr_pool_t *pool);
apr_status_t tc_sql_select(tc_sql_t *sql, const char *statement, const char **args, int count,
                           tc_sql_rows_t *rows, apr_pool_t *pool);
apr_status_t tc_sql_execute(tc_sql_t *sql, const char *statement, const char **args, int count,
                            apr_pool_t *pool);

/* The next row, or NULL; it takes the place of the one before. Column `n` of it as text, which lives as
 * long as the pool; NULL for SQL's. */
tc_sql_row_t *tc_sql_next(tc_sql_rows_t *rows);
const char *tc_sql_text(const tc_sql_rows_t *rows, tc_sql_row_t *row, int n);
int64_t tc_sql_int(const tc_sql_rows_t *rows, tc_sql_row_t *row, int n);

/*
 * A transaction. A statement that fails in one leaves tc_sql_rollback() as the only way on. All of them
 * say APR_SUCCESS when the database did what it was asked; else the reason has been logged, but for
 * tc_sql_rollback(): there it means that the connection is gone, and the transaction with it.
 */
apr_status_t tc_sql_begin(tc_sql_t *sql);
apr_status_t tc_sql_commit(tc_sql_t *sql);
apr_status_t tc_sql_rollback(tc_sql_t *sql);

/* Forgets prepared statements: after an error they may be of another time than the schema. */
void tc_sql_forget(tc_sql_t *sql);

/* Says "TC0012: what: why" at most once a second; counts what it left out. */
void tc_sql_log_failure(const char *what, const char *why);

/* The same, `why` in the database's words for what the last call on `sql` ended with. */
void tc_sql_log_error(const tc_sql_t *sql, const char *what, int error);

#endif
