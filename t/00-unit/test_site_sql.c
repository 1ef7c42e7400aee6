/* The site's queries in one statement: what stands where, and what the first column of the access query says. */
#include "unit.h"

#include "store/site_sql.h"

#include <apr_strings.h>

static apr_pool_t *pool;
static tc_sql_query_t user_query, access_query;
static const tc_site_queries_t queries = {&user_query, &access_query};

static void parse(const char *user_text, const char *access_text)
{
    pool = unit_pool();
    ck_assert_ptr_null(tc_sql_query_parse(user_text, 1u << TC_PLACE_USER, &user_query, pool));
    ck_assert_ptr_null(tc_sql_query_parse(access_text, 1u << TC_PLACE_USER | 1u << TC_PLACE_TRIP, &access_query, pool));
}

static int count(const char *text, const char *what)
{
    int times = 0;

    for (; (text = strstr(text, what)) != NULL; text += strlen(what)) {
        times++;
    }
    return times;
}

START_TEST(a_visit_binds_the_named_id_and_then_the_claim)
{
    static const tc_site_types_t types = {{"integer", "text"}, {"uuid", "bigint"}, {"oid"}};
    const char *text;

    parse("SELECT id, e, n, NULL FROM u WHERE id = %{user} OR e = %{user}", "SELECT 1 WHERE t = %{trip} AND m = %{user}");
    text = tc_site_sql_visit(&queries, TC_BY_ROOM_OR_TRIP, true, &types, pool);
    ck_assert_int_eq(count(text, "%s"), 2 + user_query.count);
    ck_assert_int_eq(count(text, "t = CAST(CAST(chat_t.chat_trip AS text) AS uuid)"), 1);
    ck_assert_int_eq(count(text, "m = CAST(CAST(chat_u.chat_id AS text) AS bigint)"), 1);
    ck_assert(strstr(text, "WHERE id = %s), %s)") < strstr(text, "e = %s"));
    text = tc_site_sql_visit(&queries, TC_BY_MESSAGE, true, NULL, pool);
    ck_assert_int_eq(count(text, "%s"), 1 + user_query.count);
    ck_assert_int_eq(count(text, "CAST"), 0);
    ck_assert_int_eq(count(text, "m = chat_u.chat_id"), 1);
    text = tc_site_sql_visit(&queries, TC_BY_TRIP, false, &types, pool);
    ck_assert_int_eq(count(text, "%s"), user_query.count + 1 + 1);
    ck_assert_int_eq(count(text, "e = CAST(CAST(%s AS text) AS text)"), 1);
    ck_assert_int_eq(count(text, "t = CAST(CAST(%s AS text) AS uuid)"), 1);
    ck_assert_int_eq(count(text, "trip_id = CAST(CAST(%s AS text) AS oid)"), 1);
    ck_assert_int_eq(count(text, "lags"), 0);
    ck_assert_int_eq(count(tc_site_sql_visit(&queries, TC_BY_TRIP, true, &types, pool), "lags"), 1);
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(where_the_token_says_the_rest_the_room_alone_is_asked_for)
{
    static const tc_visit_by_e ways[] = {TC_BY_TRIP, TC_BY_ROOM, TC_BY_ROOM_OR_TRIP, TC_BY_MESSAGE};
    static const tc_site_types_t types = {.trip = {"bigint"}};
    const char *text;
    size_t i;

    pool = unit_pool();
    for (i = 0; i < UNIT_COUNT(ways); i++) {
        text = tc_site_sql_room(ways[i], true, false, NULL, pool);
        ck_assert_int_eq(count(text, "%s"), ways[i] == TC_BY_ROOM_OR_TRIP ? 2 : 1);
        ck_assert_int_eq(count(text, "lags"), 0);
        text = tc_site_sql_room(ways[i], true, true, NULL, pool);
        ck_assert_int_eq(count(text, "lags"), 1);
        ck_assert_int_eq(count(text, "CAST"), 0);
        text = tc_site_sql_room(ways[i], false, true, &types, pool);
        ck_assert_int_eq(count(text, "lags"), 0);
        ck_assert_int_eq(count(text, "CAST(CAST(%s AS text) AS bigint)"), ways[i] == TC_BY_TRIP);
    }
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(many_users_are_one_argument)
{
    static const tc_site_types_t types = {.user = {"integer"}, .access = {"uuid", "bigint"}};
    const char *text;

    parse("SELECT id, e, n, f FROM u WHERE id = %{user} -- it's the key", "SELECT 1 WHERE t = %{trip} AND m = %{user}");
    text = tc_site_sql_access(&queries, &types, pool);
    ck_assert_int_eq(count(text, "%s"), 1);
    ck_assert_int_eq(count(text, "id = CAST(CAST(chat_v.chat_pair->>0 AS text) AS integer)"), 1);
    ck_assert_int_eq(count(text, "t = CAST(CAST(chat_v.chat_pair->>1 AS text) AS uuid)"), 1);
    ck_assert_int_eq(count(text, "m = CAST(CAST(chat_u.chat_id AS text) AS bigint)"), 1);
    text = tc_site_sql_people(&queries, &types, pool);
    ck_assert_int_eq(count(text, "%s"), 1);
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(false_zero_null_and_nothing_are_a_no)
{
    static const char *const noes[] = {"", "f", "false", "0", "0.00", "0.", NULL};
    static const char *const yesses[] = {"1", "t", "true", "no", "F", "2", "-1", "0.01", "00", "0 ", "0a", "x", " "};
    size_t i;

    for (i = 0; i < UNIT_COUNT(noes); i++) {
        ck_assert_msg(tc_site_sql_is_no(noes[i]), "%s", noes[i] ? noes[i] : "NULL");
    }
    for (i = 0; i < UNIT_COUNT(yesses); i++) {
        ck_assert_msg(!tc_site_sql_is_no(yesses[i]), "%s", yesses[i]);
    }
}
END_TEST

START_TEST(an_id_is_the_same_as_itself_and_as_its_uuid_in_another_form)
{
    static const char *const same[][2] = {
        {"550e8400-e29b-41d4-a716-446655440000", "550E8400-E29B-41D4-A716-446655440000"},
        {"550e8400-e29b-41d4-a716-446655440000", "550e8400e29b41d4a716446655440000"},
        {"550E8400e29b41d4a716446655440000", "550e8400e29b41d4a716446655440000"},
        {"7", "7"}, {"", ""}, {"a-b", "a-b"}, {"J\xc3\xb6", "J\xc3\xb6"},
    };
    static const char *const others[][2] = {
        {"a-b", "ab"}, {"ab", "a-b"}, {"-", ""}, {"Ann", "ann"}, {"7", "07"}, {"7", "7 "}, {"1-23", "12-3"},
        {"550e8400-e29b-41d4-a716-446655440000", "550e8400-e29b-41d4-a716-446655440001"},
        {"550e8400-e29b-41d4-a716-446655440000", "550e8400-e29b-41d4-a716-44665544-0000"},
        {"550e8400-e29b-41d4-a716-446655440000", "550e8400-e29b-41d4-a716-446655440000 "},
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(same); i++) {
        ck_assert_msg(tc_site_sql_is_same_id(same[i][0], same[i][1]), "%s", same[i][0]);
    }
    for (i = 0; i < UNIT_COUNT(others); i++) {
        ck_assert_msg(!tc_site_sql_is_same_id(others[i][0], others[i][1]), "%s, %s", others[i][0], others[i][1]);
    }
}
END_TEST

UNIT_MAIN("site_sql", a_visit_binds_the_named_id_and_then_the_claim,
          where_the_token_says_the_rest_the_room_alone_is_asked_for, many_users_are_one_argument,
          false_zero_null_and_nothing_are_a_no, an_id_is_the_same_as_itself_and_as_its_uuid_in_another_form)
