/* What the claims of a token say about its user: an id, names and trips, and what is wrong with any of them. */
#include "unit.h"

#include "token/claims.h"

#include <apr_strings.h>

#define UUID "550e8400-e29b-41d4-a716-446655440000"
#define HEX "550E8400E29B41D4A716446655440000"

static const tc_claim_names_t by_uuid = {"email", "username", "full_name", "trips", TC_TRIP_UUID};
static const tc_claim_names_t by_integer = {"email", "username", "full_name", "trips", TC_TRIP_INTEGER};
static const tc_claim_names_t by_text = {"email", "username", "full_name", "trips", TC_TRIP_TEXT};

static json_object *parse(const char *text)
{
    json_object *claims = NULL;

    ck_assert_msg(tc_json_parse_object(text, strlen(text), 8, 100, &claims) == TC_JSON_OK, "%s", text);
    return claims;
}

/* Reads the claims. Returns the trips with blanks between them, or why the claims are refused. */
static const char *trips_of(const char *text, const tc_claim_names_t *names, bool *good, apr_pool_t *pool)
{
    json_object *claims = parse(text);
    tc_claimed_t claimed;
    const char *why = tc_claims_read(claims, names, &claimed, pool);
    tc_buf_t trips = TC_BUF_INIT;
    size_t i;

    tc_json_free(claims); /* nothing may point into it */
    *good = why == NULL;
    if (why != NULL) {
        return why;
    }
    unit_append_text(&trips, "%s", "");
    for (i = 0; claimed.trips[i] != NULL; i++) {
        unit_append_text(&trips, "%s%s", i > 0 ? " " : "", claimed.trips[i]);
    }
    why = apr_pstrmemdup(pool, (char *)trips.data, trips.len);
    tc_buf_free(&trips);
    return why;
}

static void expect_trips(const tc_claim_names_t *names, const char *value, const char *expected)
{
    apr_pool_t *pool = unit_pool();
    bool good;
    const char *got = trips_of(apr_psprintf(pool, "{\"trips\":%s}", value), names, &good, pool);

    ck_assert_msg(good, "%s: %s", value, got);
    ck_assert_str_eq(got, expected);
    apr_pool_destroy(pool);
}

static void expect_refusal(const tc_claim_names_t *names, const char *text, const char *claim)
{
    apr_pool_t *pool = unit_pool();
    bool good;
    const char *got = trips_of(text, names, &good, pool);

    ck_assert_msg(!good, "%s", text);
    ck_assert_msg(strncmp(got, apr_psprintf(pool, "the claim %s ", claim), strlen(claim) + 11) == 0, "%s: %s", text, got);
    apr_pool_destroy(pool);
}

START_TEST(trips_are_a_string_a_number_or_a_list)
{
    expect_trips(&by_uuid, "\"" UUID "\"", UUID);
    expect_trips(&by_uuid, "[\"" UUID "\",\"" HEX "\"]", UUID " " UUID);
    expect_trips(&by_uuid, "[]", "");
    expect_trips(&by_integer, "42", "42");
    expect_trips(&by_integer, "[42,\"042\",0,9223372036854775807,\"9223372036854775807\"]",
                 "42 42 0 9223372036854775807 9223372036854775807");
    expect_trips(&by_text, "[\"a:1\",7,-7,\"\xc3\xbc\",\"\\u00fc\"]", "a:1 7 -7 \xc3\xbc \xc3\xbc");
}
END_TEST

START_TEST(one_wrong_trip_refuses_the_token)
{
    static const char *const values[] = {"null", "true", "{}", "1.5", "1e1", "\"\"", "\"x\"", "-1", "\"-1\"", "[null]", "[[1]]",
                                         "[1,[]]", "[1,{}]", "[1,\"x\"]", "[1,1.0]", "\"1\\u0000\"", "[\"\\u0000\"]",
                                         "\"9223372036854775808\""};
    apr_pool_t *pool = unit_pool();
    size_t i;

    for (i = 0; i < UNIT_COUNT(values); i++) {
        expect_refusal(&by_integer, apr_psprintf(pool, "{\"trips\":%s}", values[i]), "trips");
    }
    expect_refusal(&by_integer, "{}", "trips");
    expect_refusal(&by_uuid, "{\"trips\":[\"" UUID "\",7]}", "trips");
    expect_refusal(&by_text, "{\"trips\":[\"a b\"]}", "trips");
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(a_name_is_a_string_or_is_missing)
{
    static const char *const names[] = {"email", "username", "full_name"};
    static const char *const values[] = {"1", "true", "[]", "{}", "1.5", "\"a\\u0000\"", "[\"Ann\"]"};
    apr_pool_t *pool = unit_pool();
    json_object *claims = parse("{\"email\":\"a@b\",\"username\":null,\"full_name\":\"\",\"trips\":[]}");
    tc_claimed_t claimed;
    size_t i, j;

    ck_assert_ptr_null(tc_claims_read(claims, &by_uuid, &claimed, pool));
    tc_json_free(claims);
    ck_assert_str_eq(claimed.email, "a@b");
    ck_assert_ptr_null(claimed.username);
    ck_assert_str_eq(claimed.full_name, "");
    for (i = 0; i < UNIT_COUNT(names); i++) {
        for (j = 0; j < UNIT_COUNT(values); j++) {
            expect_refusal(&by_uuid, apr_psprintf(pool, "{\"trips\":[],\"%s\":%s}", names[i], values[j]), names[i]);
        }
    }
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(a_name_with_dots_is_a_claim_or_a_path)
{
    static const struct {
        const char *claims;
        const char *user; /* NULL: refused */
    } cases[] = {
        {"{\"a.b.c\":\"1\"}", "1"},
        {"{\"a\":{\"b\":{\"c\":\"1\"}}}", "1"},
        {"{\"a\":{\"b.c\":\"1\"}}", "1"},
        {"{\"a.b.c\":\"1\",\"a\":{\"b\":{\"c\":\"2\"}}}", "1"},
        {"{\"a\":{\"b\":{\"c\":7}}}", "7"},
        {"{\"a.b\":{\"c\":\"1\"}}", NULL},
        {"{\"a.b.c\":null,\"a\":{\"b\":{\"c\":\"2\"}}}", NULL},
        {"{\"a\":{\"b\":[\"c\"]}}", NULL},
        {"{\"a\":\"b\"}", NULL},
        {"{\"a\":null}", NULL},
        {"{}", NULL},
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        apr_pool_t *pool = unit_pool();
        json_object *claims = parse(cases[i].claims);
        const char *user = NULL, *why = tc_claims_read_user(claims, "a.b.c", 0, &user, pool);

        tc_json_free(claims);
        ck_assert_msg((why == NULL) == (cases[i].user != NULL), "%s: %s", cases[i].claims, why ? why : user);
        if (why == NULL) {
            ck_assert_str_eq(user, cases[i].user);
        }
        else {
            ck_assert_ptr_nonnull(strstr(why, "the claim a.b.c "));
        }
        apr_pool_destroy(pool);
    }
}
END_TEST

START_TEST(an_id_may_have_a_bound)
{
    apr_pool_t *pool = unit_pool();
    json_object *claims = parse("{\"id\":\"abc\",\"n\":123}");
    const char *user;

    ck_assert_ptr_null(tc_claims_read_user(claims, "id", 3, &user, pool));
    ck_assert_ptr_null(tc_claims_read_user(claims, "n", 3, &user, pool));
    ck_assert_ptr_nonnull(tc_claims_read_user(claims, "id", 2, &user, pool));
    ck_assert_ptr_nonnull(tc_claims_read_user(claims, "n", 2, &user, pool));
    tc_json_free(claims);
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(a_trip_is_among_those_that_are_claimed)
{
    static const char *const trips[] = {"42", "7", NULL};
    static const tc_claimed_t some = {.trips = trips}, none = {.trips = trips + 2};

    ck_assert(tc_claims_have_trip(&some, &(tc_trip_t){"42"}));
    ck_assert(tc_claims_have_trip(&some, &(tc_trip_t){"7"}));
    ck_assert(!tc_claims_have_trip(&some, &(tc_trip_t){"4"}));
    ck_assert(!tc_claims_have_trip(&some, &(tc_trip_t){""}));
    ck_assert(!tc_claims_have_trip(&none, &(tc_trip_t){"42"}));
}
END_TEST

UNIT_MAIN("claims", trips_are_a_string_a_number_or_a_list, one_wrong_trip_refuses_the_token, a_name_is_a_string_or_is_missing,
          a_name_with_dots_is_a_claim_or_a_path, an_id_may_have_a_bound, a_trip_is_among_those_that_are_claimed)
