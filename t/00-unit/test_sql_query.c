/* The administrator's queries: named parameters are translated to the form that apr_dbd prepares. */
#include "unit.h"

#include "store/sql_query.h"

#define TRIP (1u << TC_PLACE_TRIP)
#define USER (1u << TC_PLACE_USER)

static apr_pool_t *pool;

/* Returns the translation, followed by its parameters ("T", "U"), or "!" and the error. */
static const char *translate(const char *text, unsigned allowed)
{
    static char out[512];
    tc_sql_query_t query;
    unsigned char *exact = unit_copy(text, strlen(text) + 1);
    const char *wrong = tc_sql_query_parse((char *)exact, allowed, &query, pool);
    int i;

    free(exact);
    if (wrong != NULL) {
        snprintf(out, sizeof(out), "!%s", wrong);
        return out;
    }
    snprintf(out, sizeof(out), "%s|", query.text);
    for (i = 0; i < query.count; i++) {
        strcat(out, query.places[i] == TC_PLACE_TRIP ? "T" : "U");
    }
    return out;
}

START_TEST(places_are_translated_in_their_order)
{
    static const struct {
        const char *text;
        unsigned allowed;
        const char *expected;
    } cases[] = {
        {"SELECT 1 WHERE t = %{trip} AND u = %{user}", TRIP | USER,
         "SELECT 1 WHERE t = %s AND u = %s|TU"},
        {"%{user}%{trip}", TRIP | USER, "%s%s|UT"},
        {"%{user} %{trip} %{user}", TRIP | USER, "%s %s %s|UTU"},
        {"x=%{user}", USER, "x=%s|U"},
        {"no places", 0, "no places|"},
        {"", 0, "|"},
    };
    size_t i;

    pool = unit_pool();
    for (i = 0; i < UNIT_COUNT(cases); i++) {
        ck_assert_str_eq(translate(cases[i].text, cases[i].allowed), cases[i].expected);
    }
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(a_percent_sign_is_doubled_for_the_format_that_apr_dbd_reads)
{
    static const char *const cases[][2] = {
        {"LIKE '%'", "LIKE '%%'|"}, {"%s", "%%s|"},  {"%%", "%%%%|"}, {"%", "%%|"},
        {"100 % {trip}", "100 %% {trip}|"},          {"{user}", "{user}|"},
    };
    size_t i;

    pool = unit_pool();
    for (i = 0; i < UNIT_COUNT(cases); i++) {
        ck_assert_str_eq(translate(cases[i][0], 0), cases[i][1]);
    }
    ck_assert_str_eq(translate("%%{user}%", USER), "%%%s%%|U");
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(an_unknown_place_is_refused)
{
    static const char *const texts[] = {"%{", "%{}", "%{trips}", "%{Trip}", "%{user", "%{ user}",
                                        "a %{tripuser} b", "%{trip"};
    size_t i;

    pool = unit_pool();
    for (i = 0; i < UNIT_COUNT(texts); i++) {
        ck_assert_msg(translate(texts[i], 0)[0] == '!', "%s", texts[i]);
        ck_assert_msg(translate(texts[i], TRIP | USER)[0] == '!', "%s", texts[i]);
    }
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(a_place_that_the_query_has_no_value_for_is_refused)
{
    pool = unit_pool();
    ck_assert_int_eq(translate("%{trip} %{user}", USER)[0], '!');
    ck_assert_int_eq(translate("%{user}", 0)[0], '!');
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(a_place_that_is_missing_is_named)
{
    pool = unit_pool();
    ck_assert_str_eq(translate("%{user}", TRIP | USER), "!must contain %{trip}");
    ck_assert_str_eq(translate("%{trip}", TRIP | USER), "!must contain %{user}");
    ck_assert_str_eq(translate("", USER), "!must contain %{user}");
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(a_query_has_only_so_many_places)
{
    char text[TC_SQL_QUERY_PLACES * 8 + 16] = "";
    int i;

    pool = unit_pool();
    for (i = 0; i < TC_SQL_QUERY_PLACES; i++) {
        strcat(text, "%{user}");
    }
    ck_assert_int_ne(translate(text, USER)[0], '!');
    strcat(text, "%{user}");
    ck_assert_int_eq(translate(text, USER)[0], '!');
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(values_are_bound_in_the_order_of_the_places)
{
    const char *args[TC_SQL_QUERY_PLACES];
    tc_sql_query_t query;

    pool = unit_pool();
    ck_assert_ptr_null(tc_sql_query_parse("%{user}%{trip}%{user}", TRIP | USER, &query, pool));
    tc_sql_query_bind(&query, "t", "u", args);
    ck_assert_str_eq(args[0], "u");
    ck_assert_str_eq(args[1], "t");
    ck_assert_str_eq(args[2], "u");
    apr_pool_destroy(pool);
}
END_TEST

UNIT_MAIN("sql_query", places_are_translated_in_their_order,
          a_percent_sign_is_doubled_for_the_format_that_apr_dbd_reads, an_unknown_place_is_refused,
          a_place_that_the_query_has_no_value_for_is_refused, a_place_that_is_missing_is_named,
          a_query_has_only_so_many_places, values_are_bound_in_the_order_of_the_places)
