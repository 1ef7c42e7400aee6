/* The site's queries, put together. See site_sql.h. Names of our own begin with chat_, to stay clear of the site's. */
#include "store/site_sql.h"

#include "base/uuid.h"

#include <apr_strings.h>
#include <string.h>

#define USER_COLUMNS "chat_u(chat_id, chat_email, chat_username, chat_full_name)"

/* The trip of the room or message that a visitor names, or the trip itself, as a column of the trips' own type. */
static const char *const trips[] = {
    [TC_BY_ROOM] = "SELECT (SELECT trip_id FROM chat_rooms WHERE id = %s)",
    [TC_BY_ROOM_OR_TRIP] = "SELECT COALESCE((SELECT trip_id FROM chat_rooms WHERE id = %s), %s)",
    [TC_BY_MESSAGE] = ("SELECT (SELECT chat_r.trip_id FROM chat_messages chat_m JOIN chat_rooms chat_r"
                       " ON chat_r.id = chat_m.room_id WHERE chat_m.id = %s)"),
};

/* The seq of the newest event of the room chat_r. See chat_advance() in sql/chat.pgsql.sql. */
#define HEAD                                                                                                          \
    "CASE WHEN chat_r.lags THEN greatest(chat_r.last_seq,"                                                            \
    " (SELECT max(chat_l.seq) FROM chat_events chat_l WHERE chat_l.room_id = chat_r.id)) ELSE chat_r.last_seq END"

static const char *cast(const char *expression, const char (*types)[TC_SITE_TYPE_CHARS], int place, apr_pool_t *pool)
{
    return types ? apr_psprintf(pool, "CAST(CAST(%s AS text) AS %s)", expression, types[place]) : expression;
}

/* A query with `trip` and `user` in its places; NULL: they stay %s. Behind it is a new line, as it may end in "-- …". */
static const char *put(const tc_sql_query_t *query, const char *trip, const char *user,
                       const char (*types)[TC_SITE_TYPE_CHARS], apr_pool_t *pool)
{
    const char *instead[TC_SQL_QUERY_PLACES] = {NULL};
    int i;

    for (i = 0; i < query->count; i++) {
        const char *what = query->places[i] == TC_PLACE_TRIP ? trip : user;

        instead[i] = what ? cast(what, types, i, pool) : NULL;
    }
    return apr_pstrcat(pool, "(", tc_sql_query_put(query, instead, pool), "\n)", NULL);
}

/*
 * The first row of a query. It is asked for each row before it, with that row's values: without LIMIT, PostgreSQL would
 * sometimes read all members of a trip and then look for the one.
 */
static const char *first_row(const char *query, apr_pool_t *pool)
{
    return apr_pstrcat(pool, "LATERAL (SELECT * FROM ", query, " chat_q LIMIT 1)", NULL);
}

/* Handshakes name a trip, and are many. The less stands in their statement, the faster it is planned. */
static const char *visit_trip(const tc_site_queries_t *queries, bool wants_head, const tc_site_types_t *types,
                              apr_pool_t *pool)
{
    const char *arg = types ? "%s" : NULL;
    const char *user = put(queries->user, NULL, arg, types ? types->user : NULL, pool);
    const char *access = put(queries->access, arg, "chat_u.chat_id", types ? types->access : NULL, pool);
    const char *room = apr_pstrcat(pool, " LEFT JOIN chat_rooms chat_r ON chat_r.trip_id = ",
                                   types ? cast("%s", types->trip, 0, pool) : "%s", " LIMIT 1", NULL);

    if (types == NULL) { /* SQLite has no LATERAL; a subquery among the columns gives its first row */
        return apr_pstrcat(pool, "WITH " USER_COLUMNS " AS ", user, " SELECT chat_u.*, ", access,
                           ", chat_r.trip_id, chat_r.id, chat_r.last_seq, chat_r.epoch FROM chat_u", room, NULL);
    }
    return apr_pstrcat(pool, "SELECT chat_u.chat_id, chat_u.chat_email, chat_u.chat_username, chat_u.chat_full_name,"
                       " chat_a.chat_ok, chat_r.trip_id, chat_r.id, ", wants_head ? HEAD ", chat_r.epoch" : "0, 0", " FROM ", user,
                       " AS " USER_COLUMNS " LEFT JOIN ", first_row(access, pool), " AS chat_a(chat_ok) ON true", room,
                       NULL);
}

const char *tc_site_sql_visit(const tc_site_queries_t *queries, tc_visit_by_e by, bool wants_head,
                              const tc_site_types_t *types, apr_pool_t *pool)
{
    const char *room = " LEFT JOIN chat_rooms chat_r ON chat_r.trip_id = chat_t.chat_trip LIMIT 1", *user, *access;

    if (by == TC_BY_TRIP) {
        return visit_trip(queries, wants_head, types, pool);
    }
    user = put(queries->user, NULL, NULL, NULL, pool);
    access = put(queries->access, "chat_t.chat_trip", "chat_u.chat_id", types ? types->access : NULL, pool);
    if (types == NULL) {
        return apr_pstrcat(pool, "WITH chat_t(chat_trip) AS (", trips[by], "), " USER_COLUMNS " AS ", user,
                           " SELECT chat_u.*, ", access, ", coalesce(chat_r.trip_id, chat_t.chat_trip), chat_r.id, chat_r.last_seq, chat_r.epoch"
                           " FROM chat_t CROSS JOIN chat_u", room, NULL);
    }
    return apr_pstrcat(pool, "SELECT chat_u.chat_id, chat_u.chat_email, chat_u.chat_username, chat_u.chat_full_name,"
                       " chat_a.chat_ok, coalesce(chat_r.trip_id, chat_t.chat_trip), chat_r.id, " HEAD ", chat_r.epoch FROM (", trips[by],
                       " AS chat_trip) chat_t CROSS JOIN ", first_row(user, pool), " AS " USER_COLUMNS " LEFT JOIN ",
                       first_row(access, pool), " AS chat_a(chat_ok) ON true", room, NULL);
}

const char *tc_site_sql_room(tc_visit_by_e by, bool wants_head, bool remote, const tc_site_types_t *types,
                             apr_pool_t *pool)
{
    const char *trip = by == TC_BY_TRIP ? cast("%s", types ? types->trip : NULL, 0, pool)
                                        : apr_pstrcat(pool, "(", trips[by], ")", NULL);

    return apr_pstrcat(pool, "SELECT chat_r.trip_id, chat_r.id, ", !wants_head ? "0" : remote ? HEAD : "chat_r.last_seq",
                       ", chat_r.epoch FROM chat_rooms chat_r WHERE chat_r.trip_id = ", trip, NULL);
}

/* The elements of a JSON array as rows with numbers. */
#define ELEMENTS "json_array_elements_text(%s::json) WITH ORDINALITY AS chat_v(chat_claim, chat_n)"

const char *tc_site_sql_access(const tc_site_queries_t *queries, const tc_site_types_t *types, apr_pool_t *pool)
{
    const char *user = put(queries->user, NULL, "chat_v.chat_pair->>0", types->user, pool);
    const char *access = put(queries->access, "chat_v.chat_pair->>1", "chat_u.chat_id", types->access, pool);

    return apr_pstrcat(pool, "SELECT chat_v.chat_n, chat_u.chat_id, chat_a.chat_ok"
                       " FROM json_array_elements(%s::json) WITH ORDINALITY AS chat_v(chat_pair, chat_n) CROSS JOIN ",
                       first_row(user, pool), " AS chat_u(chat_id) LEFT JOIN ", first_row(access, pool),
                       " AS chat_a(chat_ok) ON true", NULL);
}

const char *tc_site_sql_people(const tc_site_queries_t *queries, const tc_site_types_t *types, apr_pool_t *pool)
{
    return apr_pstrcat(pool, "SELECT chat_v.chat_n, chat_u.chat_id, chat_u.chat_email, chat_u.chat_username,"
                       " chat_u.chat_full_name FROM " ELEMENTS " CROSS JOIN ",
                       first_row(put(queries->user, NULL, "chat_v.chat_claim", types->user, pool), pool),
                       " AS " USER_COLUMNS, NULL);
}

int tc_site_sql_is_no(const char *value)
{
    if (value == NULL || *value == '\0' || strcmp(value, "f") == 0 || strcmp(value, "false") == 0) {
        return 1;
    }
    if (value[0] != '0') {
        return 0;
    }
    return value[1] == '\0' || (value[1] == '.' && strspn(value + 2, "0") == strlen(value + 2)); /* 0, 0.00 */
}

bool tc_site_sql_is_same_id(const char *a, const char *b)
{
    tc_uuid_t one, other;

    return strcmp(a, b) == 0
           || (tc_uuid_parse_any(a, strlen(a), &one) && tc_uuid_parse_any(b, strlen(b), &other)
               && tc_uuid_equal(&one, &other));
}
