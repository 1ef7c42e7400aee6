/*
 * One statement for many rows: a table of its arguments, and a function that runs it for all of them. If the database
 * is remote, all rows go in one round trip, as JSON; otherwise the statement is run row by row. Db.
 */
#ifndef TC_STORE_SQL_TABLE_H
#define TC_STORE_SQL_TABLE_H

#include "store/sql.h"

#include <apr_tables.h>

typedef struct {
    const char *const *columns; /* names, NULL-terminated; not owned */
    int width;
    apr_array_header_t *cells;  /* const char *, row after row; NULL is SQL's NULL */
} tc_sql_table_t;

/* Called with each row that the statement returns. */
typedef void tc_sql_found_fn(void *context, const tc_sql_rows_t *rows, tc_sql_row_t *row);

/* An empty table on `pool`. */
tc_sql_table_t tc_sql_table(const char *const *columns, apr_pool_t *pool);

/* Adds a row with as many cells as there are columns. The texts are not copied: they must outlive the table. */
void tc_sql_table_add(tc_sql_table_t *table, const char *const *cells);

/*
 * Runs a statement for every row of the table and calls `found` with each row that comes back; NULL: the statement
 * returns no rows. Nothing is run for an empty table. Any status but APR_SUCCESS has been logged.
 */
apr_status_t tc_sql_table_run(const tc_sql_table_t *table, tc_sql_t *sql, const char *statement,
                              tc_sql_found_fn *found, void *context, apr_pool_t *pool);

#endif
