/* Tries the site's queries and the chat's tables. See check.h. */
#include "store/check.h"

#include "base/clock.h"
#include "base/log.h"

#include <apr_strings.h>
#include <strings.h>

#define AGAIN_US (10 * TC_US_PER_S)
#define PREPARED "tripchat_check"

static const char *const names[] = {"TripChatUserQuery", "TripChatAccessQuery", "chat tables"};

/* A check in progress. */
typedef struct {
    tc_dbd_t *store;
    tc_sql_t *sql;
    apr_pool_t *pool;
    unsigned wrong;   /* a set of 1 << tc_check_e */
    bool interrupted; /* something failed that may pass: nothing is known */
} check_t;

/* ---- statements that touch no row ---- */

/* Notes that `what` failed. It is logged once, when it was not wrong before. */
static void note_failure(check_t *check, tc_check_e what, const char *statement, const char *why)
{
    const char *site = check->store->store.site->name;
    bool known = ((atomic_load(&check->store->wrong) | check->wrong) & (1u << what)) != 0;

    if (check->sql->fault == TC_SQL_FAULT_OTHER) {
        check->interrupted = true;
        return;
    }
    check->wrong |= 1u << what;
    if (!known && what == TC_CHECK_TABLES) {
        tc_log(TC_LOG_ERR, 0, "TC0017: site %s: the database refuses \"%.80s\": %.*s; check the chat's tables and "
               "the rights of httpd's database user (sql/, docs/operations.md)", site, statement,
               (int)strcspn(why, "\r\n"), why);
    }
    else if (!known) {
        tc_log(TC_LOG_ERR, 0, "TC0017: site %s: %s fails, so nobody can connect: %.*s", site, names[what],
               (int)strcspn(why, "\r\n"), why);
    }
}

/* Plans a statement and checks its rights. Both databases have EXPLAIN, which runs nothing. */
static void explain(check_t *check, tc_check_e what, const char *statement)
{
    const char *text = apr_pstrcat(check->pool, "EXPLAIN ", statement, NULL), *why = "no connection";
    tc_sql_rows_t rows;

    if (!check->interrupted && tc_sql_ask(check->sql, text, NULL, 0, &rows, &why, check->pool) != APR_SUCCESS) {
        note_failure(check, what, statement, why);
    }
}

/* A statement with NULL for each argument. */
static const char *with_nulls(const char *statement, apr_pool_t *pool)
{
    char *text = apr_palloc(pool, 2 * strlen(statement) + 1), *to = text;

    while (*statement != '\0') {
        if (statement[0] == '%' && statement[1] == 's') {
            to = (char *)memcpy(to, "NULL", 4) + 4;
            statement += 2;
            continue;
        }
        if (statement[0] == '%' && statement[1] != '\0') {
            *to++ = *statement++;
        }
        *to++ = *statement++;
    }
    *to = '\0';
    return text;
}

static void check_tables(check_t *check)
{
    const tc_sql_dialect_t *dialect = check->sql->dialect;
    const char *const statements[] = {
        dialect->room_create, dialect->room_open,    dialect->room_find,   dialect->head,
        dialect->heads,       dialect->before,       dialect->events,      dialect->store,
        dialect->room_newest, dialect->find_sent,    dialect->find_message, dialect->insert,
        dialect->insert_sent, dialect->insert_person, dialect->update,     dialect->insert_edit,
        dialect->advance,     dialect->mend,         dialect->has_event,   dialect->begin_epoch,
    };
    size_t i;

    for (i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
        if (statements[i] != NULL) {
            explain(check, TC_CHECK_TABLES, with_nulls(statements[i], check->pool));
        }
    }
}

/*
 * PostgreSQL: what chat_store() and chat_mend() do with the rights of httpd's user, which EXPLAIN of a call does not see. Not
 * by EXPLAIN of statements like theirs, which would wait where an index is being made. The functions may have the rights of
 * their owner (SECURITY DEFINER).
 */
static void check_rights_to_store(check_t *check)
{
    static const char query[] =
        "SELECT x.name, x.need FROM (VALUES"
        " ('chat_rooms', 'UPDATE'), ('chat_messages', 'SELECT'), ('chat_messages', 'INSERT'), ('chat_messages', 'UPDATE'),"
        " ('chat_events', 'SELECT'), ('chat_events', 'INSERT'), ('chat_client_ids', 'SELECT'), ('chat_client_ids', 'INSERT'),"
        " ('chat_client_ids', 'DELETE'), ('chat_people', 'SELECT'), ('chat_people', 'INSERT'), ('chat_people', 'UPDATE'))"
        " AS x (name, need) WHERE NOT CASE x.need WHEN 'DELETE' THEN has_table_privilege(x.name, x.need)"
        " ELSE has_any_column_privilege(x.name, x.need) END"
        " AND NOT EXISTS (SELECT FROM pg_proc f WHERE f.prosecdef"
        " AND f.oid = to_regprocedure('chat_store(json, boolean, boolean)'))";
    const char *why = "no connection";
    tc_sql_rows_t rows;
    tc_sql_row_t *row;

    if (check->interrupted || check->sql->dialect->store == NULL) {
        return;
    }
    if (tc_sql_ask(check->sql, query, NULL, 0, &rows, &why, check->pool) != APR_SUCCESS) {
        note_failure(check, TC_CHECK_TABLES, query, why);
        return;
    }
    while ((row = tc_sql_next(&rows)) != NULL) {
        const char *table = tc_sql_text(&rows, row, 0), *need = tc_sql_text(&rows, row, 1);

        check->sql->fault = TC_SQL_FAULT_RIGHT;
        note_failure(check, TC_CHECK_TABLES, apr_pstrcat(check->pool, need, " ON ", table, NULL),
                     apr_pstrcat(check->pool, "permission denied for table ", table, NULL));
    }
}

/* ---- the queries on PostgreSQL: their types are asked for first ---- */

/* The query as PREPARE takes it: with $1, $2, … and a plain %. */
static const char *as_prepared(const tc_sql_query_t *query, apr_pool_t *pool)
{
    const char *instead[TC_SQL_QUERY_PLACES] = {NULL};
    char *text, *to;
    const char *from;
    int i;

    for (i = 0; i < query->count; i++) {
        instead[i] = apr_psprintf(pool, "$%d", i + 1);
    }
    text = to = apr_pstrdup(pool, tc_sql_query_put(query, instead, pool));
    for (from = text; *from != '\0'; from++) {
        *to++ = *from;
        from += from[0] == '%' && from[1] == '%';
    }
    *to = '\0';
    return text;
}

static bool read_types(tc_sql_rows_t *rows, int count, char (*types)[TC_SITE_TYPE_CHARS])
{
    tc_sql_row_t *row;
    int at = 0;

    while ((row = tc_sql_next(rows)) != NULL) {
        const char *type = tc_sql_text(rows, row, 0);

        if (at < count && type != NULL && strlen(type) < TC_SITE_TYPE_CHARS && strchr(type, '%') == NULL) {
            apr_cpystrn(types[at++], type, TC_SITE_TYPE_CHARS);
        }
    }
    return at == count;
}

/*
 * Prepares the query and reads which types PostgreSQL inferred. In a transaction, because behind PgBouncer only that
 * stays on one connection. A rollback does not end a prepared statement. `character` and `bit` without a length would
 * cut a value off when they are cast to.
 */
static bool ask_types(check_t *check, tc_check_e what, const tc_sql_query_t *query, char (*types)[TC_SITE_TYPE_CHARS])
{
    static const char *const ask =
        "SELECT CASE t WHEN 'bpchar'::regtype THEN 'bpchar' WHEN 'bit'::regtype THEN 'varbit' ELSE t::text END"
        " FROM pg_prepared_statements p, unnest(p.parameter_types) WITH ORDINALITY AS x(t, n)"
        " WHERE p.name = '" PREPARED "' ORDER BY n";
    const char *text = as_prepared(query, check->pool), *why = "no connection";
    const char *prepare = apr_pstrcat(check->pool, "PREPARE " PREPARED " AS ", text, NULL);
    tc_sql_rows_t rows;
    apr_status_t rv = tc_sql_say(check->sql, "BEGIN", &why, check->pool);
    bool known = false, prepared = false;

    if (rv == APR_SUCCESS) {
        rv = tc_sql_say(check->sql, prepare, &why, check->pool);
        prepared = rv == APR_SUCCESS;
    }
    if (rv == APR_SUCCESS) {
        rv = tc_sql_ask(check->sql, ask, NULL, 0, &rows, &why, check->pool);
        known = rv == APR_SUCCESS && read_types(&rows, query->count, types);
        if (rv == APR_SUCCESS) {
            rv = tc_sql_say(check->sql, "DEALLOCATE " PREPARED, &why, check->pool);
        }
    }
    if (rv != APR_SUCCESS) {
        note_failure(check, what, text, why);
    }
    (void)tc_sql_say(check->sql, "ROLLBACK", &why, check->pool);
    if (prepared && rv != APR_SUCCESS) { /* otherwise the name would be taken at the next check */
        (void)tc_sql_say(check->sql, "DEALLOCATE " PREPARED, &why, check->pool);
    }
    return known;
}

static void check_query(check_t *check, tc_check_e what, const tc_sql_query_t *query,
                        char (*types)[TC_SITE_TYPE_CHARS])
{
    const char *instead[TC_SQL_QUERY_PLACES] = {NULL};
    int i;

    for (i = 0; i < query->count; i++) {
        instead[i] = types ? apr_psprintf(check->pool, "CAST(NULL AS %s)", types[i]) : "NULL";
    }
    explain(check, what, tc_sql_query_put(query, instead, check->pool));
}

/* PostgreSQL. False: something is not known, and why has been noted. */
static bool ask_all_types(check_t *check, tc_site_types_t *types)
{
    const tc_site_queries_t *queries = &check->store->queries;
    const tc_sql_query_t find_room = {check->sql->dialect->room_find, 1, {TC_PLACE_TRIP}};
    bool known = ask_types(check, TC_CHECK_TABLES, &find_room, types->trip);

    if (!check->store->store.site->by_token) {
        known = ask_types(check, TC_CHECK_USER_QUERY, queries->user, types->user) && known;
        known = ask_types(check, TC_CHECK_ACCESS_QUERY, queries->access, types->access) && known;
    }
    return known;
}

static void check_queries(check_t *check)
{
    tc_dbd_t *store = check->store;
    const tc_site_queries_t *queries = &store->queries;
    tc_site_types_t types;
    bool known = false;

    memset(&types, 0, sizeof(types));
    if (check->sql->dialect->remote) {
        known = ask_all_types(check, &types);
        if (!known) {
            return;
        }
    }
    if (!store->store.site->by_token) {
        check_query(check, TC_CHECK_USER_QUERY, queries->user, known ? types.user : NULL);
        check_query(check, TC_CHECK_ACCESS_QUERY, queries->access, known ? types.access : NULL);
    }
    if (known && !check->interrupted && !atomic_load(&store->has_types)) {
        store->types = types;
        atomic_store(&store->has_types, true);
    }
}

/* ---- the form of the trips' ids ---- */

static bool is_one_of(const char *word, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (strcasecmp(word, *words) == 0) {
            return true;
        }
    }
    return false;
}

/* Which form the column wants; -1: it takes any. */
static int form_of_type(const char *type)
{
    static const char *const integers[] = {"smallint", "integer", "int", "bigint", "numeric", "decimal", NULL};
    static const char *const uuids[] = {"uuid", NULL};

    return is_one_of(type, integers) ? TC_TRIP_INTEGER : is_one_of(type, uuids) ? TC_TRIP_UUID : -1;
}

/* An id of the other form is no value of the column, so every trip would seem not to exist. */
static void check_trip_form(check_t *check)
{
    const tc_site_t *site = check->store->store.site;
    tc_trip_form_e form = site->rules.trip_form == TC_TRIP_UUID_HEX ? TC_TRIP_UUID : site->rules.trip_form;
    const char *why = "no connection", *type;
    tc_sql_rows_t rows;
    tc_sql_row_t *row;
    int wanted;

    if (check->interrupted
        || tc_sql_ask(check->sql, check->sql->dialect->trip_type, NULL, 0, &rows, &why, check->pool) != APR_SUCCESS) {
        return;
    }
    row = tc_sql_next(&rows);
    type = row ? tc_sql_text(&rows, row, 0) : NULL;
    wanted = type ? form_of_type(type) : -1;
    if (wanted >= 0 && form != TC_TRIP_TEXT && form != (tc_trip_form_e)wanted) {
        tc_log(TC_LOG_ERR, 0, "TC0010: site %s: a trip is %s for TripChatTripKey, but chat_rooms.trip_id has the type %s, "
               "so nobody can enter a trip; write TripChatTripKey %s", site->name,
               tc_trip_form_words(site->rules.trip_form), type, wanted == TC_TRIP_INTEGER ? "integer" : "uuid");
    }
}

/* ---- when ---- */

static bool is_due(tc_dbd_t *store)
{
    return (!atomic_load(&store->is_checked) || atomic_load(&store->wrong) != 0)
           && tc_clock_monotonic_us() >= atomic_load(&store->check_again_us);
}

void tc_check_if_due(tc_dbd_t *store, tc_sql_t *sql, apr_pool_t *pool)
{
    check_t check = {store, sql, NULL, 0, false};
    unsigned before;

    if (!is_due(store) || atomic_exchange(&store->is_checking, true)) {
        return;
    }
    if (is_due(store)) {
        apr_pool_create(&check.pool, pool);
        check_queries(&check);
        check_tables(&check);
        check_rights_to_store(&check);
        if (!atomic_load(&store->is_checked)) {
            check_trip_form(&check);
        }
        apr_pool_destroy(check.pool);
        before = check.interrupted ? 0 : atomic_exchange(&store->wrong, check.wrong);
        if (before != 0 && check.wrong == 0) {
            tc_log(TC_LOG_INFO, 0, "TC0018: site %s: the queries and the chat's tables work now",
                   store->store.site->name);
        }
        atomic_store(&store->is_checked, !check.interrupted);
        atomic_store(&store->check_again_us, tc_clock_monotonic_us() + AGAIN_US);
    }
    atomic_store(&store->is_checking, false);
}

const tc_site_types_t *tc_check_types(tc_dbd_t *store)
{
    return atomic_load(&store->has_types) ? &store->types : NULL;
}

const char *tc_check_wrong(tc_dbd_t *store, tc_check_e what)
{
    return (atomic_load(&store->wrong) & (1u << what)) != 0 ? names[what] : NULL;
}
