/* Functions of libpq. See libpq.h. */
#include "store/libpq.h"

#include <apr_dso.h>

#define CONNECTION_OK 0 /* libpq-fe.h, ConnStatusType */

typedef union {
    apr_dso_handle_sym_t symbol;
    int (*status)(const void *connection);
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
