/* The administrator's queries: named parameters are translated to the form that apr_dbd prepares. */
#include "unit.h"

#include "store/sql_query.h"

#include <apr_strings.h>

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

/* A place in quotes would be bound, but not replaced: today's databases would count one argument too many. */
START_TEST(a_place_inside_quotes_or_a_comment_is_refused_by_name)
{
    static const char *const texts[] = {
        "SELECT 1 WHERE a = '%{user}' AND b = %{user}",
        "SELECT 1 WHERE a = %{user} AND b = '%{user}'",
        "SELECT 1 WHERE a = 'it''s %{user}' AND b = %{user}",
        "SELECT 1 AS \"%{user}\" WHERE b = %{user}",
        "SELECT 1 WHERE a = $$%{user}$$ AND b = %{user}",
        "SELECT 1 WHERE a = $x$ $y$ %{user} $x$ AND b = %{user}",
        "SELECT 1 WHERE a = E'\\' %{user}' AND b = %{user}",
        "SELECT 1 -- %{user}\n WHERE b = %{user}",
        "SELECT 1 /* /* */ %{user} */ WHERE b = %{user}",
        "SELECT 1 WHERE b = %{user} -- or %{user}",
    };
    size_t i;

    pool = unit_pool();
    for (i = 0; i < UNIT_COUNT(texts); i++) {
        const char *out = translate(texts[i], USER);

        ck_assert_msg(strncmp(out, "!%{user} stands inside ", 23) == 0, "%s: %s", texts[i], out);
    }
    ck_assert_str_eq(translate("SELECT '%{trip}' WHERE b = %{user}", USER),
                     "!%{trip} stands inside a text in quotes, where it would not be replaced; write it outside, "
                     "without quotes");
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(quotes_and_comments_without_a_place_stay_as_they_are)
{
    static const char *const texts[] = {
        "SELECT 'a;b' WHERE b = ", "SELECT \"a;\"\"b\" WHERE b = ", "SELECT $$ ' ; $$ WHERE b = ",
        "SELECT a$b, c$ FROM t WHERE b = ", "SELECT E'\\';' WHERE b = ", "SELECT 'E\\' WHERE b = ",
        "SELECT 1 -- it's; (\n WHERE b = ", "SELECT 1 /* ; ' /* ( */ */ WHERE b = ", "SELECT (a)[1] WHERE b = ",
        "SELECT 1 - -1 WHERE b = ", "SELECT 'x'')' WHERE b = ",
    };
    size_t i;

    pool = unit_pool();
    for (i = 0; i < UNIT_COUNT(texts); i++) {
        ck_assert_str_eq(translate(apr_pstrcat(pool, texts[i], "%{user}", NULL), USER),
                         apr_pstrcat(pool, texts[i], "%s|U", NULL));
    }
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(a_semicolon_at_the_end_is_taken_off)
{
    static const char *const ends[] = {";", " ; ", ";;", ";\n", "; -- done", " /* x */ ; /* y; */", " -- x\n;"};
    size_t i;

    pool = unit_pool();
    for (i = 0; i < UNIT_COUNT(ends); i++) {
        ck_assert_str_eq(translate(apr_pstrcat(pool, "SELECT %{user}", ends[i], NULL), USER), "SELECT %s|U");
    }
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(what_is_not_one_whole_statement_is_refused)
{
    static const char *const cases[][2] = {
        {"SELECT %{user}; SELECT 2", "!has more than one statement; write one"},
        {"SELECT 1; SELECT %{user}", "!has more than one statement; write one"},
        {"SELECT 1; %{user}", "!has more than one statement; write one"},
        {"SELECT %{user}; 'x'", "!has more than one statement; write one"},
        {"SELECT %{user} WHERE a = 'x", "!a text in quotes is not closed"},
        {"SELECT %{user} AS \"x", "!a text in quotes is not closed"},
        {"SELECT %{user} /* x", "!a comment is not closed"},
        {"SELECT %{user}, $a$ x $b$", "!a text in dollar quotes is not closed"},
        {"SELECT (%{user}", "!opens a parenthesis that is not closed"},
        {"SELECT %{user}) UNION (SELECT 1", "!closes a parenthesis that is not open"},
    };
    size_t i;

    pool = unit_pool();
    for (i = 0; i < UNIT_COUNT(cases); i++) {
        ck_assert_str_eq(translate(cases[i][0], USER), cases[i][1]);
    }
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(other_text_is_put_into_the_places)
{
    static const char *const instead[] = {"u.id::int", NULL, "\"%%\""};
    tc_sql_query_t query;

    pool = unit_pool();
    ck_assert_ptr_null(tc_sql_query_parse("a%s = %{user} %% %{trip} LIKE '%' %{user}.", TRIP | USER, &query, pool));
    ck_assert_str_eq(tc_sql_query_put(&query, instead, pool), "a%%s = u.id::int %%%% %s LIKE '%%' \"%%\".");
    apr_pool_destroy(pool);
}
END_TEST

UNIT_MAIN("sql_query", a_place_inside_quotes_or_a_comment_is_refused_by_name,
          quotes_and_comments_without_a_place_stay_as_they_are, a_semicolon_at_the_end_is_taken_off,
          what_is_not_one_whole_statement_is_refused, other_text_is_put_into_the_places, places_are_translated_in_their_order,
          a_percent_sign_is_doubled_for_the_format_that_apr_dbd_reads, an_unknown_place_is_refused,
          a_place_that_the_query_has_no_value_for_is_refused, a_place_that_is_missing_is_named,
          a_query_has_only_so_many_places, values_are_bound_in_the_order_of_the_places)
