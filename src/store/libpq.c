/* Functions of libpq. See libpq.h. */
#include "store/libpq.h"

#include <apr_dso.h>

#define CONNECTION_OK 0 /* libpq-fe.h, ConnStatusType */
#define VERBOSE 2       /* libpq-fe.h, PQERRORS_VERBOSE */

typedef union {
    apr_dso_handle_sym_t symbol;
    int (*status)(const void *connection);
    int (*set_verbosity)(void *connection, int verbosity);
} libpq_fn_t;

static libpq_fn_t find(const char *name, apr_pool_t *pool)
{
    apr_dso_handle_t *program;
    libpq_fn_t fn = {NULL};

    if (apr_dso_load(&program, NULL, pool) != APR_SUCCESS || apr_dso_sym(&fn.symbol, program, name) != APR_SUCCESS) {
        fn.symbol = NULL;
    }
    return fn;
}

bool tc_libpq_is_connected(const tc_sql_t *sql, apr_pool_t *pool)
{
    libpq_fn_t fn = find("PQstatus", pool);

    return fn.symbol != NULL && fn.status(apr_dbd_native_handle(sql->driver, sql->handle)) == CONNECTION_OK;
}

void tc_libpq_want_states(const tc_sql_t *sql, apr_pool_t *pool)
{
    libpq_fn_t fn = find("PQsetErrorVerbosity", pool);

    if (fn.symbol != NULL) {
        (void)fn.set_verbosity(apr_dbd_native_handle(sql->driver, sql->handle), VERBOSE);
    }
}
