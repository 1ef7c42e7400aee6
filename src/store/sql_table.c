/* One statement for many rows. See sql_table.h. */
#include "store/sql_table.h"

#include "codec/json.h"

#include <apr_strings.h>

tc_sql_table_t tc_sql_table(const char *const *columns, apr_pool_t *pool)
{
    tc_sql_table_t table = {columns, 0, apr_array_make(pool, 16, sizeof(char *))};

    while (columns[table.width] != NULL) {
        table.width++;
    }
    return table;
}

void tc_sql_table_add(tc_sql_table_t *table, const char *const *cells)
{
    int i;

    for (i = 0; i < table->width; i++) {
        APR_ARRAY_PUSH(table->cells, const char *) = cells[i];
    }
}

static apr_status_t run_once(tc_sql_t *sql, const char *statement, const char **args, int count,
                             tc_sql_found_fn *found, void *context, apr_pool_t *pool)
{
    tc_sql_rows_t rows;
    tc_sql_row_t *row;
    apr_status_t rv;

    if (found == NULL) {
        return tc_sql_execute(sql, statement, args, count, pool);
    }
    rv = tc_sql_select(sql, statement, args, count, &rows, pool);
    while (rv == APR_SUCCESS && (row = tc_sql_next(&rows)) != NULL) {
        found(context, &rows, row);
    }
    return rv;
}

/* The table as [{"column":"cell", …}, …]. */
static const char *to_json(const tc_sql_table_t *table, apr_pool_t *pool)
{
    tc_buf_t json = TC_BUF_INIT;
    const char *text;
    int i;

    for (i = 0; i < table->cells->nelts; i++) {
        int column = i % table->width;

        tc_buf_append_str(&json, i == 0 ? "[{" : column == 0 ? "},{" : ",");
        tc_json_append_str(&json, table->columns[column]);
        TC_BUF_LIT(&json, ":");
        tc_json_append_str(&json, APR_ARRAY_IDX(table->cells, i, const char *));
    }
    TC_BUF_LIT(&json, "}]");
    text = apr_pstrmemdup(pool, (const char *)json.data, json.len);
    tc_buf_free(&json);
    return text;
}

apr_status_t tc_sql_table_run(const tc_sql_table_t *table, tc_sql_t *sql, const char *statement,
                              tc_sql_found_fn *found, void *context, apr_pool_t *pool)
{
    const char **cells = (const char **)table->cells->elts;
    apr_status_t rv = APR_SUCCESS;
    int i;

    if (sql->dialect->remote && table->cells->nelts > 0) {
        const char *json = to_json(table, pool);

        return run_once(sql, statement, &json, 1, found, context, pool);
    }
    for (i = 0; rv == APR_SUCCESS && i < table->cells->nelts; i += table->width) {
        rv = run_once(sql, statement, cells + i, table->width, found, context, pool);
    }
    return rv;
}
