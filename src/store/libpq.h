/*
 * The two functions of libpq that apr_dbd does not offer. apr_dbd's driver has loaded libpq for all to see, so they are
 * found in the program itself; this module is not linked with libpq. Worker or db.
 */
#ifndef TC_STORE_LIBPQ_H
#define TC_STORE_LIBPQ_H

#include "store/sql.h"

/*
 * False if the connection is lost (PQstatus): a statement that failed on it may have been done. Asks nothing. If libpq
 * is not found, the answer is false.
 */
bool tc_libpq_is_connected(const tc_sql_t *sql, apr_pool_t *pool);

/* Has the connection put the SQLSTATE into the texts of errors (sql_fault.h). Without libpq, nothing is changed. */
void tc_libpq_want_states(const tc_sql_t *sql, apr_pool_t *pool);

#endif
