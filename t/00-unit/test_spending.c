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

/* Two sites on the same Redis, with the same prefix. */
static const tc_site_t sites[] = {
    {.index = 0, .user_rates = {{RATE, 3600 * SECOND}}},
    {.index = 1, .user_rates = {{RATE, 3600 * SECOND}}},
};
static const tc_redis_door_t doors[] = {{.site = &sites[0]}, {.site = &sites[1]}};

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

/* A child receives over a door the envelope number `count` of another httpd: ann has spent `tokens` tokens. */
static void hear(fixture_t *f, int child, int door, int64_t count, unsigned tokens)
{
    static const tc_uuid_t stranger = {{1}};
    tc_buf_t buf = TC_BUF_INIT;
    tc_envelope_t envelope;

    tc_envelope_begin_spent(&buf, &stranger, count, 1);
    tc_envelope_add_spent(&buf, "ann", TC_ACTION_MESSAGE, tokens);
    tc_envelope_end_spent(&buf);
    ck_assert(tc_envelope_decode((const char *)buf.data, buf.len, &envelope));
    ck_assert(tc_spending_take_in(f->children[child], &doors[door], &envelope));
    tc_buf_free(&buf);
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

START_TEST(each_site_on_the_channel_takes_an_envelope_in)
{
    fixture_t f;

    set_up(&f);
    hear(&f, 0, 1, 1, 1);
    hear(&f, 0, 0, 1, 1);
    hear(&f, 1, 1, 1, 1);
    hear(&f, 1, 0, 1, 1);
    ck_assert_int_eq(left(&f, 0), RATE - 1);
    ck_assert_int_eq(left(&f, 1), RATE - 1);
    tear_down(&f);
}
END_TEST

UNIT_MAIN("spending", the_children_take_an_envelope_in_once, each_envelope_counts,
          each_site_on_the_channel_takes_an_envelope_in)
