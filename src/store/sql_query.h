/*
 * The administrator's queries: SQL with the placeholders %{trip} and %{user}, each of which may occur several times. A
 * query is translated once, when the configuration is read, into the text that apr_dbd prepares. Const from then on;
 * any thread.
 */
#ifndef TC_STORE_SQL_QUERY_H
#define TC_STORE_SQL_QUERY_H

#include <apr_pools.h>

#define TC_SQL_QUERY_PLACES 16 /* in one query */

typedef enum { TC_PLACE_TRIP, TC_PLACE_USER } tc_sql_place_e;

typedef struct {
    const char *text; /* with %s; a literal % is doubled */
    int count;
    tc_sql_place_e places[TC_SQL_QUERY_PLACES];
} tc_sql_query_t;

/*
 * Translates `text` and fills *out, whose text is on `pool`. Returns NULL, or what is wrong, for an error message.
 * `allowed` is a set of 1 << tc_sql_place_e; each of these placeholders must be used. A placeholder inside quotes or a
 * comment is refused, and so are several statements. Semicolons at the end are left out.
 */
const char *tc_sql_query_parse(const char *text, unsigned allowed, tc_sql_query_t *out,
                               apr_pool_t *pool);

/* Fills `args`, which has room for query->count pointers, with `trip` and `user` themselves, for one run. */
void tc_sql_query_bind(const tc_sql_query_t *query, const char *trip, const char *user,
                       const char **args);

/*
 * The query's text on `pool` with other text in its places: the one at `i` becomes instead[i]; where that is NULL, it
 * stays %s.
 */
const char *tc_sql_query_put(const tc_sql_query_t *query, const char *const *instead, apr_pool_t *pool);

#endif
