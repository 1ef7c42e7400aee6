/* What site.c and site_many.c share. No other file includes this one. Worker or db thread. */
#ifndef TC_STORE_SITE_PARTS_H
#define TC_STORE_SITE_PARTS_H

#include "store/dbd.h"

/* True while something is asked one by one, because it does not work in one statement. */
bool tc_site_asks_singly(tc_dbd_t *store, tc_ask_e what);

/* Has something asked one by one for some time; it has just worked that way. `fault` and `why` say what did not. */
void tc_site_ask_singly(tc_dbd_t *store, tc_ask_e what, tc_sql_fault_e fault, const char *why);

/* After a combined statement failed: is it worth while to ask one by one? Not if the database itself has trouble. */
bool tc_site_may_ask_singly(const tc_sql_t *sql, const char *why);

/*
 * Runs one of the site's own queries, which returns one row or none (*row is NULL). An id that does not fit the column's
 * type finds no row; that is no failure, except inside a transaction, which it has ended. A failure has been logged.
 */
apr_status_t tc_site_ask(tc_dbd_t *store, tc_sql_t *sql, const tc_sql_query_t *query, const char *trip,
                         const char *user, tc_sql_rows_t *rows, tc_sql_row_t **row, apr_pool_t *pool);

/* Asks the access query alone. Nobody is allowed into a trip that does not exist. */
apr_status_t tc_site_check_access(tc_dbd_t *store, tc_sql_t *sql, const char *trip, const char *user_id,
                                  bool *allowed, apr_pool_t *pool);

/* Makes a user of four columns, the first of which is `first`; NULL: its id is NULL. */
tc_user_t *tc_site_read_person(const tc_sql_rows_t *rows, tc_sql_row_t *row, int first);

#endif
