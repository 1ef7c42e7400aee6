/*
 * How the sites and children of one httpd take in the tokens that users spend on other httpds. The codec writes the
 * envelopes. This httpd publishes nothing.
 */
#include "unit.h"

#include "base/clock.h"
#include "bus/spending.h"

#include <stdlib.h>

#define SECOND INT64_C(1000000)
#define RATE 3

/* Sites on the same Redis, with the same prefix. The first and the last are on one database. */
enum { ONE, OTHER, UNKNOWN, COPY, SITES };

static const _Atomic uint64_t databases[] = {7, 8, 0};
static const tc_site_t sites[SITES] = {
    {.name = "one", .database = &databases[0], .user_rates = {{RATE, 3600 * SECOND}}},
    {.name = "other", .database = &databases[1], .user_rates = {{RATE, 3600 * SECOND}}},
    {.name = "not asked yet", .database = &databases[2], .user_rates = {{RATE, 3600 * SECOND}}},
    {.name = "copy of one", .database = &databases[0], .user_rates = {{RATE, 3600 * SECOND}}},
};
static const tc_redis_door_t doors[SITES] = {{.site = &sites[0]}, {.site = &sites[1]}, {.site = &sites[2]}, {.site = &sites[3]}};

/* An httpd with two children. */
typedef struct {
    apr_pool_t *pool;
    tc_shared_meter_t meter;
    tc_spending_t *children[2];
    void *memory;
} fixture_t;

static void set_up(fixture_t *f)
{
    int i;

    f->pool = unit_pool();
    f->memory = calloc(1, tc_meter_size());
    tc_meter_init(&f->meter, f->memory, (const unsigned char *)"sixteen bytes!!!");
    for (i = 0; i < 2; i++) {
        tc_uuid_t child;

        tc_uuid_make_v7(&child);
        f->children[i] = tc_spending_create(&f->meter, &child, NULL, NULL, f->pool);
    }
}

static void tear_down(fixture_t *f)
{
    free(f->memory);
    apr_pool_destroy(f->pool);
}

/* A child receives over a door the envelope number `count` of another httpd: ann of a database has spent `tokens`. */
static void hear_of(fixture_t *f, int child, int door, int64_t count, unsigned tokens, uint64_t database)
{
    static const tc_uuid_t stranger = {{1}};
    tc_buf_t buf = TC_BUF_INIT;
    tc_envelope_t envelope;

    tc_envelope_begin_spent(&buf, &stranger, count, 1, database);
    tc_envelope_add_spent(&buf, "ann", TC_ACTION_MESSAGE, tokens);
    tc_envelope_end_spent(&buf);
    ck_assert(tc_envelope_decode((const char *)buf.data, buf.len, &envelope));
    ck_assert(tc_spending_take_in(f->children[child], &doors[door], &envelope));
    tc_buf_free(&buf);
}

static void hear(fixture_t *f, int child, int door, int64_t count, unsigned tokens)
{
    hear_of(f, child, door, count, tokens, atomic_load(&databases[0]));
}

/* Takes all tokens that ann has left in a site. Returns their number. */
static int left(fixture_t *f, int site)
{
    tc_meter_t *meter = &f->meter.meter;
    int64_t now_us = tc_clock_monotonic_us();
    int tokens = 0;

    while (meter->wait_us(meter, &sites[site], TC_ACTION_MESSAGE, "ann", now_us) == 0) {
        meter->take(meter, &sites[site], TC_ACTION_MESSAGE, "ann", now_us);
        tokens++;
    }
    return tokens;
}

START_TEST(the_children_take_an_envelope_in_once)
{
    fixture_t f;

    set_up(&f);
    hear(&f, 0, 0, 1, 1);
    hear(&f, 1, 0, 1, 1);
    ck_assert_int_eq(left(&f, 0), RATE - 1);
    tear_down(&f);
}
END_TEST

START_TEST(each_envelope_counts)
{
    fixture_t f;

    set_up(&f);
    hear(&f, 0, 0, 1, 1);
    hear(&f, 1, 0, 2, 1);
    ck_assert_int_eq(left(&f, 0), RATE - 2);
    tear_down(&f);
}
END_TEST

/* Ids of users are numbers, most often. */
START_TEST(users_of_other_databases_spend_nothing_here)
{
    fixture_t f;

    set_up(&f);
    hear(&f, 0, OTHER, 1, 1);
    hear(&f, 1, OTHER, 2, 1);
    hear(&f, 0, ONE, 1, 1);
    ck_assert_int_eq(left(&f, OTHER), RATE);
    ck_assert_int_eq(left(&f, ONE), RATE - 1);
    tear_down(&f);
}
END_TEST

START_TEST(an_older_version_which_names_no_database_is_heard_and_counts_nothing)
{
    fixture_t f;
    int door;

    set_up(&f);
    for (door = 0; door < SITES; door++) {
        hear_of(&f, 0, door, 1, 1, 0);
    }
    ck_assert_int_eq(left(&f, ONE), RATE);
    ck_assert_int_eq(left(&f, UNKNOWN), RATE);
    tear_down(&f);
}
END_TEST

START_TEST(sites_on_one_database_count_a_users_tokens_together_and_once)
{
    fixture_t f;

    set_up(&f);
    hear(&f, 0, COPY, 1, 1);
    hear(&f, 0, ONE, 1, 1);
    hear(&f, 1, COPY, 1, 1);
    ck_assert_int_eq(left(&f, ONE), RATE - 1);
    ck_assert_int_eq(left(&f, COPY), 0);
    tear_down(&f);
}
END_TEST

/* A server to which nobody has come yet. */
START_TEST(what_is_spent_before_a_site_knows_its_database_counts_afterwards)
{
    fixture_t f;

    set_up(&f);
    hear(&f, 0, UNKNOWN, 1, 2);
    hear_of(&f, 0, UNKNOWN, 2, 1, atomic_load(&databases[1]));
    ck_assert_int_eq(left(&f, ONE), RATE - 2);
    ck_assert_int_eq(left(&f, OTHER), RATE - 1);
    ck_assert_int_eq(left(&f, UNKNOWN), RATE);
    tear_down(&f);
}
END_TEST

UNIT_MAIN("spending", the_children_take_an_envelope_in_once, each_envelope_counts,
          users_of_other_databases_spend_nothing_here,
          an_older_version_which_names_no_database_is_heard_and_counts_nothing,
          sites_on_one_database_count_a_users_tokens_together_and_once,
          what_is_spent_before_a_site_knows_its_database_counts_afterwards)
