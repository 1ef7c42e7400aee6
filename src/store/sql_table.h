/*
 * One statement for many rows: its arguments as a table, and how it is run for all of them. Where the
 * database is remote all rows go in one journey, as JSON; else row by row.
 */
#ifndef TC_STORE_SQL_TABLE_H
#define TC_STORE_SQL_TABLE_H

#include "store/sql.h"

#include <apr_tables.h>

typedef struct {
    const char *const *columns; /* names, NULL-terminated; not owned */
    int width;
    apr_array_header_t *cells;  /* const char *, row after row; NULL is SQL's */
} tc_sql_table_t;

/* What to do with a row that the statement has found. */
typedef void tc_sql_found_fn(void *context, const tc_sql_rows_t *rows, tc_sql_row_t *row);

/* An empty table on `pool`. */
tc_sql_table_t tc_sql_table(const char *const *columns, apr_pool_t *pool);

/* Adds a row of as many cells as there are columns; keeps the pointers. */
void tc_sql_table_add(tc_sql_table_t *table, const char *const *cells);

/*
 * Runs a statement for every row and calls `found` (NULL: it finds nothing) with what it gives. Nothing
 * is run for an empty table. Any result but APR_SUCCESS has been logged.
 */
apr_status_t tc_sql_table_run(const tc_sql_table_t *table, tc_sql_t *sql, const char *statement,
                              tc_sql_found_fn *found, void *context, apr_pool_t *pool);

#endif
