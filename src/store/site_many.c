/* Asks the site's own tables about many users at once. See site.h. */
#include "store/site.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "codec/json.h"
#include "store/check.h"
#include "store/site_parts.h"

#include <apr_strings.h>

#define MAX_FAILURES 3 /* rooms without an answer, after which the rest of a job is given up */

/* Texts as a JSON array, which is one argument however many they are. */
static const char *as_json(const char *const *texts, int count, apr_pool_t *pool)
{
    tc_buf_t json = TC_BUF_INIT;
    const char *text;
    int i;

    for (i = 0; i < count; i++) {
        tc_buf_append_str(&json, i == 0 ? "[" : ",");
        tc_json_append_str(&json, texts[i]);
    }
    TC_BUF_LIT(&json, "]");
    text = apr_pstrmemdup(pool, (const char *)json.data, json.len);
    tc_buf_free(&json);
    return text;
}

/* ---- access ---- */

static void judge(tc_access_t *entry, const char *id, bool allowed)
{
    entry->known = id != NULL && tc_site_sql_is_same_id(id, entry->user->id);
    entry->allowed = entry->known && allowed;
}

static const char *trip_of(const tc_dbd_t *store, const tc_access_room_t *room, char space[TC_TRIP_MAX_BYTES + 1])
{
    return tc_trip_to_sql(&room->trip, store->store.site->rules.trip_form, space);
}

/* [claim, trip] of each user. *count: how many there are. */
static const char *as_pairs(const tc_dbd_t *store, const tc_access_room_t *rooms, int room_count,
                            const tc_access_t *users, int *count, apr_pool_t *pool)
{
    char space[TC_TRIP_MAX_BYTES + 1];
    tc_buf_t json = TC_BUF_INIT;
    const char *text;
    int i, left;

    *count = 0;
    for (i = 0; i < room_count; i++) {
        const char *trip = trip_of(store, &rooms[i], space);

        for (left = rooms[i].user_count; left > 0; left--) {
            tc_buf_append_str(&json, *count == 0 ? "[[" : ",[");
            tc_json_append_str(&json, users[(*count)++].user->claim);
            TC_BUF_LIT(&json, ",");
            tc_json_append_str(&json, trip);
            TC_BUF_LIT(&json, "]");
        }
    }
    TC_BUF_LIT(&json, "]");
    text = apr_pstrmemdup(pool, (const char *)json.data, json.len);
    tc_buf_free(&json);
    return text;
}

static apr_status_t check_at_once(tc_dbd_t *store, tc_sql_t *sql, tc_access_room_t *rooms, int room_count,
                                  tc_access_t *users, const char **why, apr_pool_t *pool)
{
    int count, i;
    const char *pairs = as_pairs(store, rooms, room_count, users, &count, pool);
    const char *statement = tc_site_sql_access(&store->queries, tc_check_types(store), pool);
    tc_sql_rows_t rows;
    tc_sql_row_t *row;
    apr_status_t rv = tc_dbd_ask(store, sql, statement, &pairs, 1, &rows, &row, why, pool);

    for (i = 0; i < count; i++) {
        users[i].known = users[i].allowed = false;
    }
    for (i = 0; i < room_count; i++) {
        rooms[i].answered = rv == APR_SUCCESS;
    }
    for (; row != NULL; row = tc_sql_next(&rows)) {
        int64_t n = tc_sql_int(&rows, row, 0) - 1;

        if (n >= 0 && n < count && !users[n].known) {
            judge(&users[n], tc_sql_text(&rows, row, 1), !tc_site_sql_is_no(tc_sql_text(&rows, row, 2)));
        }
    }
    return rv;
}

static apr_status_t check_room_singly(tc_dbd_t *store, tc_sql_t *sql, const tc_access_room_t *room,
                                      tc_access_t *users, apr_pool_t *pool)
{
    char space[TC_TRIP_MAX_BYTES + 1];
    const char *trip = trip_of(store, room, space);
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; rv == APR_SUCCESS && i < room->user_count; i++) {
        tc_user_t *user = NULL;
        bool allowed = false;

        rv = tc_site_find_user(store, sql, users[i].user->claim, &user, pool);
        if (rv == APR_SUCCESS && user != NULL) {
            rv = tc_site_check_access(store, sql, trip, user->id, &allowed, pool);
        }
        judge(&users[i], user ? user->id : NULL, allowed);
        tc_user_unref(user);
    }
    return rv;
}

/* A query that fails for some rooms is not tried for all the others. */
static apr_status_t check_singly(tc_dbd_t *store, tc_sql_t *sql, tc_access_room_t *rooms, int room_count,
                                 tc_access_t *users, apr_pool_t *pool)
{
    apr_status_t rv = APR_SUCCESS;
    int i, failures = 0, answers = 0;

    for (i = 0; i < room_count && failures < MAX_FAILURES && sql->handle != NULL; i++) {
        rv = check_room_singly(store, sql, &rooms[i], users, pool);
        rooms[i].answered = rv == APR_SUCCESS;
        answers += rooms[i].answered;
        failures += !rooms[i].answered;
        users += rooms[i].user_count;
    }
    return answers > 0 ? APR_SUCCESS : rv == APR_SUCCESS ? APR_EGENERAL : rv;
}

/* A database in this process (SQLite) is asked once for each user: there is no round trip to save. */
apr_status_t tc_site_check_users(tc_dbd_t *store, tc_sql_t *sql, tc_access_room_t *rooms, int room_count,
                                 tc_access_t *users, apr_pool_t *pool)
{
    const char *why = NULL;
    tc_sql_fault_e fault = TC_SQL_FAULT_NONE;
    apr_status_t rv;

    tc_check_if_due(store, sql, pool);
    if (tc_check_types(store) != NULL && !tc_site_asks_singly(store, TC_ASK_ACCESS)) {
        rv = check_at_once(store, sql, rooms, room_count, users, &why, pool);
        if (rv == APR_SUCCESS) {
            return rv;
        }
        fault = sql->fault;
        if (why != NULL && !tc_site_may_ask_singly(sql, why)) {
            tc_sql_log_failure("cannot check who may stay", why);
            return rv;
        }
    }
    rv = check_singly(store, sql, rooms, room_count, users, pool);
    if (rv == APR_SUCCESS && why != NULL) {
        tc_site_ask_singly(store, TC_ASK_ACCESS, fault, why);
    }
    return rv;
}

/* ---- names ---- */

/* Takes the user over, if it is the one of ids[n] and that is not known yet. */
static void keep_person(const char *const *ids, int count, int64_t n, tc_user_t *user, tc_user_t **users)
{
    if (user != NULL && n >= 0 && n < count && users[n] == NULL && tc_site_sql_is_same_id(user->id, ids[n])) {
        users[n] = user;
    }
    else {
        tc_user_unref(user);
    }
}

/* Runs a statement that returns a number and four columns for some of the ids. */
static apr_status_t find_at_once(tc_dbd_t *store, tc_sql_t *sql, const char *statement, const char *const *ids,
                                 int count, tc_user_t **users, const char **why, apr_pool_t *pool)
{
    const char *json = as_json(ids, count, pool);
    tc_sql_rows_t rows;
    tc_sql_row_t *row;
    apr_status_t rv = tc_dbd_ask(store, sql, statement, &json, 1, &rows, &row, why, pool);

    for (; row != NULL; row = tc_sql_next(&rows)) {
        keep_person(ids, count, tc_sql_int(&rows, row, 0) - 1, tc_site_read_person(&rows, row, 1), users);
    }
    return rv;
}

static apr_status_t find_singly(tc_dbd_t *store, tc_sql_t *sql, const char *const *ids, int count, tc_user_t **users,
                                apr_pool_t *pool)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; rv == APR_SUCCESS && i < count; i++) {
        tc_sql_rows_t rows;
        tc_sql_row_t *row;

        rv = tc_site_ask(store, sql, store->queries.user, NULL, ids[i], &rows, &row, pool);
        if (rv == APR_SUCCESS && row != NULL) {
            keep_person(ids, count, i, tc_site_read_person(&rows, row, 0), users);
        }
    }
    return rv;
}

/*
 * If ids do not even fit the user query's place, tokens name users by something else than their id. Then the query
 * cannot find any of them.
 */
static apr_status_t ask_user_query(tc_dbd_t *store, tc_sql_t *sql, const char *const *ids, int count,
                                   tc_user_t **users, apr_pool_t *pool)
{
    const tc_site_types_t *types = tc_check_types(store);
    const char *why = NULL;
    tc_sql_fault_e fault = TC_SQL_FAULT_NONE;
    apr_status_t rv;

    if (tc_clock_monotonic_us() < atomic_load(&store->unfit_until_us)) {
        return APR_SUCCESS;
    }
    if (types != NULL && !tc_site_asks_singly(store, TC_ASK_PEOPLE)) {
        rv = find_at_once(store, sql, tc_site_sql_people(&store->queries, types, pool), ids, count, users, &why, pool);
        if (rv == APR_SUCCESS) {
            return rv;
        }
        fault = sql->fault;
        if (fault == TC_SQL_FAULT_VALUE) {
            atomic_store(&store->unfit_until_us,
                         tc_clock_monotonic_us() + TC_STORE_SINGLY_SOON_S * TC_US_PER_S);
            return APR_SUCCESS;
        }
        if (why != NULL && !tc_site_may_ask_singly(sql, why)) {
            tc_sql_log_failure("cannot ask for users", why);
            return rv;
        }
    }
    rv = find_singly(store, sql, ids, count, users, pool);
    if (rv == APR_SUCCESS && why != NULL) {
        tc_site_ask_singly(store, TC_ASK_PEOPLE, fault, why);
    }
    return rv;
}

static apr_status_t ask_chat_people(tc_dbd_t *store, tc_sql_t *sql, const char *const *ids, int count,
                                    tc_user_t **users, const char **why, apr_pool_t *pool)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    if (sql->dialect->remote) {
        return find_at_once(store, sql,
                            "SELECT chat_v.chat_n, p.id, p.email, p.username, p.full_name"
                            " FROM json_array_elements_text(%s::json) WITH ORDINALITY AS chat_v(chat_id, chat_n)"
                            " JOIN chat_people p ON p.id = chat_v.chat_id", ids, count, users, why, pool);
    }
    for (i = 0; rv == APR_SUCCESS && i < count; i++) {
        const char *arg = ids[i];
        tc_sql_rows_t rows;
        tc_sql_row_t *row;

        rv = tc_dbd_ask(store, sql, "SELECT id, email, username, full_name FROM chat_people WHERE id = %s", &arg, 1,
                        &rows, &row, why, pool);
        if (rv == APR_SUCCESS && row != NULL) {
            keep_person(ids, count, i, tc_site_read_person(&rows, row, 0), users);
        }
    }
    return rv;
}

/* The names under which people wrote last. */
static apr_status_t find_former(tc_dbd_t *store, tc_sql_t *sql, const char *const *ids, int count,
                                tc_user_t **users, apr_pool_t *pool)
{
    const char *why = "no connection";
    apr_status_t rv = ask_chat_people(store, sql, ids, count, users, &why, pool);

    if (rv != APR_SUCCESS) {
        tc_sql_log_failure("cannot read chat_people", why);
    }
    return rv;
}

/* The site's user query, where the site is asked at all. */
static apr_status_t find_present(tc_dbd_t *store, tc_sql_t *sql, const char *const *ids, int count, tc_user_t **users,
                                 apr_pool_t *pool)
{
    tc_check_if_due(store, sql, pool);
    return store->store.site->by_token ? APR_SUCCESS : ask_user_query(store, sql, ids, count, users, pool);
}

/* Asks for those who are not found yet. */
static apr_status_t find_missing(tc_site_find_t *find, tc_dbd_t *store, tc_sql_t *sql, const char *const *ids, int count,
                                 tc_user_t **users, apr_pool_t *pool)
{
    const char **missing = apr_palloc(pool, (apr_size_t)count * sizeof(*missing));
    tc_user_t **found = apr_pcalloc(pool, (apr_size_t)count * sizeof(tc_user_t *));
    apr_status_t rv = APR_SUCCESS;
    int i, left = 0, at = 0;

    for (i = 0; i < count; i++) {
        if (users[i] == NULL) {
            missing[left++] = ids[i];
        }
    }
    if (left > 0) {
        rv = find(store, sql, missing, left, found, pool);
    }
    for (i = 0; i < count && left > 0; i++) {
        if (users[i] == NULL) {
            users[i] = found[at++];
        }
    }
    return rv;
}

/* Asks `second` for those whom `first` has not found. */
static apr_status_t find_in_turn(tc_site_find_t *first, tc_site_find_t *second, tc_dbd_t *store, tc_sql_t *sql,
                                 const char *const *ids, int count, tc_user_t **users, apr_pool_t *pool)
{
    apr_status_t rv;

    memset(users, 0, (size_t)count * sizeof(tc_user_t *));
    rv = find_missing(first, store, sql, ids, count, users, pool);
    return rv == APR_SUCCESS ? find_missing(second, store, sql, ids, count, users, pool) : rv;
}

apr_status_t tc_site_find_people(tc_dbd_t *store, tc_sql_t *sql, const char *const *ids, int count,
                                 tc_user_t **users, apr_pool_t *pool)
{
    return find_in_turn(find_present, find_former, store, sql, ids, count, users, pool);
}

apr_status_t tc_site_find_former(tc_dbd_t *store, tc_sql_t *sql, const char *const *ids, int count,
                                 tc_user_t **users, apr_pool_t *pool)
{
    return find_in_turn(find_former, find_present, store, sql, ids, count, users, pool);
}
