/*
 * SQL over apr_dbd: a connection on loan, statements prepared when first used and kept with the
 * connection, transactions. Arguments are always bound. A connection is used by one thread at a time.
 */
#ifndef TC_ADAPTERS_SQL_H
#define TC_ADAPTERS_SQL_H

#include <apr_dbd.h>
#include <apr_hash.h>
#include <apr_pools.h>
#include <stdbool.h>
#include <stdint.h>

/* A connection, filled by the glue out of mod_dbd's ap_dbd_t. */
typedef struct {
    const apr_dbd_driver_t *driver;
    apr_dbd_t *handle;
    apr_hash_t *prepared; /* the chat's own statements of this connection, by SQL text */
    apr_pool_t *pool;     /* lives as long as the connection */
    void *lease;          /* the glue's */
    apr_dbd_transaction_t *transaction; /* NULL outside one */
} tc_sql_t;

/* One row of a result, good until the pool it was read with goes. */
typedef apr_dbd_row_t tc_sql_row_t;

typedef struct {
    const tc_sql_t *sql;
    apr_dbd_results_t *results;
    apr_pool_t *pool;
} tc_sql_rows_t;

/*
 * Runs a statement with `count` text arguments (NULL is SQL's) bound to its %s. Any result but
 * APR_SUCCESS has been logged. tc_sql_select() fills *rows.
 */
apr_status_t tc_sql_select(tc_sql_t *sql, const char *statement, const char **args, int count,
                           tc_sql_rows_t *rows, apr_pool_t *pool);
apr_status_t tc_sql_execute(tc_sql_t *sql, const char *statement, const char **args, int count,
                            apr_pool_t *pool);

/* The next row, or NULL; column `n` of it as text, NULL for SQL's. */
tc_sql_row_t *tc_sql_next(tc_sql_rows_t *rows);
const char *tc_sql_text(const tc_sql_rows_t *rows, tc_sql_row_t *row, int n);
int64_t tc_sql_int(const tc_sql_rows_t *rows, tc_sql_row_t *row, int n);

/* A transaction that takes the writer's place at once. tc_sql_end() commits, or rolls back when
 * `commit` is false or a statement failed; APR_SUCCESS says that it did what it was asked. */
apr_status_t tc_sql_begin(tc_sql_t *sql, apr_pool_t *pool);
apr_status_t tc_sql_end(tc_sql_t *sql, bool commit, apr_pool_t *pool);

/* Forgets prepared statements: after an error they may be of another time than the schema. */
void tc_sql_forget(tc_sql_t *sql);

/* Says "TC0012: what: the database's words", at most once a second; counts what it left out. */
void tc_sql_log_error(const tc_sql_t *sql, const char *what, int error);

#endif
