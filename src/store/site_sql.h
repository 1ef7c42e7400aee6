/*
 * The site's two queries, put together into one statement where a round trip is expensive. The user query turns the
 * claim of a token into the database's id, and the access query is asked with that id. Pure: only text is made.
 *
 * On PostgreSQL, an id goes from one query into the other as text with a cast. The cast names the type that PostgreSQL
 * would give to a bound argument in that place, so the queries mean what they mean alone.
 */
#ifndef TC_STORE_SITE_SQL_H
#define TC_STORE_SITE_SQL_H

#include "store/sql_query.h"

#include <stdbool.h>

#define TC_SITE_TYPE_CHARS 64

/* The types of the queries' places, as SQL writes them. */
typedef struct {
    char user[TC_SQL_QUERY_PLACES][TC_SITE_TYPE_CHARS];
    char access[TC_SQL_QUERY_PLACES][TC_SITE_TYPE_CHARS];
    char trip[1][TC_SITE_TYPE_CHARS]; /* of chat_rooms.trip_id */
} tc_site_types_t;

typedef struct {
    const tc_sql_query_t *user;
    const tc_sql_query_t *access;
} tc_site_queries_t;

/* What a visitor names. */
typedef enum { TC_BY_TRIP, TC_BY_ROOM, TC_BY_ROOM_OR_TRIP, TC_BY_MESSAGE } tc_visit_by_e;

/* Columns of tc_site_sql_visit(). */
typedef enum {
    TC_VISIT_USER,    /* id, email, username, full_name */
    TC_VISIT_ALLOWED = 4, /* the access query's first column; NULL: it has no row */
    TC_VISIT_TRIP,    /* as the room's row has it; NULL, if not by trip: there is no such room or message */
    TC_VISIT_ROOM,    /* NULL: the trip has no room yet */
    TC_VISIT_LAST_SEQ,
    TC_VISIT_EPOCH
} tc_visit_column_e;

/*
 * User, access and room of a visitor: one row, or none if there is no such user. Arguments by trip: the claim for each
 * place of the user query, the trip for each trip of the access query, and the trip. Otherwise: the id of the room or
 * message, the trip if `by` names one, and the claims. By trip, the room's last_seq may be left out, and each argument is
 * cast to its type, so that the statement can be prepared (sql.h). `types` is NULL for a database that needs no casts. On
 * `pool`, as all below.
 */
const char *tc_site_sql_visit(const tc_site_queries_t *queries, tc_visit_by_e by, bool wants_head,
                              const tc_site_types_t *types, apr_pool_t *pool);

/*
 * Trip, room, last_seq and epoch of what a visitor names, for a site whose tables are not asked: one row, or none if there is no
 * such room. Arguments: the id of the room or message, and the trip, if `by` names them. last_seq may be left out.
 * `remote`: PostgreSQL. By trip, the argument is cast to its type, if `types` is not NULL.
 */
const char *tc_site_sql_room(tc_visit_by_e by, bool wants_head, bool remote, const tc_site_types_t *types,
                             apr_pool_t *pool);

/*
 * Access of many users: number, id, access query's first column; no row for a user who is gone. Numbers begin with 1.
 * Argument: a JSON array with [claim, trip] for each user. PostgreSQL.
 */
const char *tc_site_sql_access(const tc_site_queries_t *queries, const tc_site_types_t *types, apr_pool_t *pool);

/* Records of many users: number, then the user query's columns. Argument: the ids as a JSON array. PostgreSQL. */
const char *tc_site_sql_people(const tc_site_queries_t *queries, const tc_site_types_t *types, apr_pool_t *pool);

/* True if the first column of an access query, as a driver gives it, is a no: NULL, '', false or 0. */
int tc_site_sql_is_no(const char *value);

/*
 * True if two texts name the same row. A UUID may come back in another form: in upper case, or without hyphens. Any other
 * id comes back as it was bound. This tells a user from another one whom the site calls by this id in its tokens.
 */
bool tc_site_sql_is_same_id(const char *a, const char *b);

#endif
