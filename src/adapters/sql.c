/* SQL over apr_dbd. See sql.h. */
#include "adapters/sql.h"

#include "base/clock.h"
#include "base/log.h"

#include <apr_strings.h>
#include <stdatomic.h>
#include <stdlib.h>

static atomic_llong last_logged_us;
static atomic_uint left_out;

void tc_sql_log_error(const tc_sql_t *sql, const char *what, int error)
{
    long long now_us = tc_clock_monotonic_us();
    long long last_us = atomic_load(&last_logged_us);
    unsigned skipped;

    if ((last_us != 0 && now_us - last_us < TC_US_PER_S)
        || !atomic_compare_exchange_strong(&last_logged_us, &last_us, now_us)) {
        atomic_fetch_add(&left_out, 1);
        return;
    }
    skipped = atomic_exchange(&left_out, 0);
    tc_log(TC_LOG_ERR, 0, "TC0012: %s: %s (%u more errors since the last line)", what,
           apr_dbd_error(sql->driver, sql->handle, error), skipped);
}

/* Statements are named after their number on this connection; drivers that keep them on the server
 * want a name. */
static apr_dbd_prepared_t *prepare(tc_sql_t *sql, const char *statement)
{
    apr_dbd_prepared_t *prepared = apr_hash_get(sql->prepared, statement, APR_HASH_KEY_STRING);
    const char *label;
    int error;

    if (prepared != NULL) {
        return prepared;
    }
    label = apr_psprintf(sql->pool, "tripchat_%u", apr_hash_count(sql->prepared));
    error = apr_dbd_prepare(sql->driver, sql->pool, sql->handle, statement, label, &prepared);
    if (error != 0) {
        tc_sql_log_error(sql, apr_pstrcat(sql->pool, "cannot prepare \"", statement, "\"", NULL),
                         error);
        return NULL;
    }
    apr_hash_set(sql->prepared, apr_pstrdup(sql->pool, statement), APR_HASH_KEY_STRING, prepared);
    return prepared;
}

void tc_sql_forget(tc_sql_t *sql)
{
    apr_hash_clear(sql->prepared);
}

apr_status_t tc_sql_select(tc_sql_t *sql, const char *statement, const char **args, int count,
                           tc_sql_rows_t *rows, apr_pool_t *pool)
{
    apr_dbd_prepared_t *prepared = prepare(sql, statement);
    int error; /* random access: the whole result is here, so nobody need read it to the end */

    rows->sql = sql;
    rows->results = NULL;
    rows->pool = pool;
    if (prepared == NULL) {
        return APR_EGENERAL;
    }
    error = apr_dbd_pselect(sql->driver, pool, sql->handle, &rows->results, prepared, 1, count,
                            args);
    if (error != 0) {
        tc_sql_log_error(sql, "query failed", error);
        return APR_EGENERAL;
    }
    return APR_SUCCESS;
}

apr_status_t tc_sql_execute(tc_sql_t *sql, const char *statement, const char **args, int count,
                            apr_pool_t *pool)
{
    apr_dbd_prepared_t *prepared = prepare(sql, statement);
    int error, changed = 0;

    if (prepared == NULL) {
        return APR_EGENERAL;
    }
    error = apr_dbd_pquery(sql->driver, pool, sql->handle, &changed, prepared, count, args);
    if (error != 0) {
        tc_sql_log_error(sql, "statement failed", error);
        return APR_EGENERAL;
    }
    return APR_SUCCESS;
}

tc_sql_row_t *tc_sql_next(tc_sql_rows_t *rows)
{
    apr_dbd_row_t *row = NULL;

    return apr_dbd_get_row(rows->sql->driver, rows->pool, rows->results, &row, -1) == 0 ? row
                                                                                        : NULL;
}

const char *tc_sql_text(const tc_sql_rows_t *rows, tc_sql_row_t *row, int n)
{
    return apr_dbd_get_entry(rows->sql->driver, row, n);
}

int64_t tc_sql_int(const tc_sql_rows_t *rows, tc_sql_row_t *row, int n)
{
    const char *text = tc_sql_text(rows, row, n);

    return text ? apr_atoi64(text) : 0;
}

apr_status_t tc_sql_begin(tc_sql_t *sql, apr_pool_t *pool)
{
    int error = apr_dbd_transaction_start(sql->driver, pool, sql->handle, &sql->transaction);

    if (error == 0) {
        return APR_SUCCESS;
    }
    tc_sql_log_error(sql, "cannot begin a transaction", error);
    if (sql->transaction != NULL) {
        /* The driver has noted a transaction that never began; only its end takes the note away. */
        (void)tc_sql_end(sql, false, pool);
    }
    return APR_EGENERAL;
}

apr_status_t tc_sql_end(tc_sql_t *sql, bool commit, apr_pool_t *pool)
{
    apr_dbd_transaction_t *transaction = sql->transaction;
    int mode = commit ? APR_DBD_TRANSACTION_COMMIT : APR_DBD_TRANSACTION_ROLLBACK;
    int error;

    sql->transaction = NULL;
    apr_dbd_transaction_mode_set(sql->driver, transaction, mode);
    error = apr_dbd_transaction_end(sql->driver, pool, transaction);
    if (error != 0 && commit) {
        int changed;

        tc_sql_log_error(sql, "cannot commit", error);
        /* SQLite leaves a transaction open whose COMMIT failed; nothing could begin after it. */
        (void)apr_dbd_query(sql->driver, sql->handle, &changed, "ROLLBACK");
    }
    return error == 0 ? APR_SUCCESS : APR_EGENERAL;
}
