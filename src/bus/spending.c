/* Users' rates over several httpds. See spending.h. */
#include "bus/spending.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"

#include <apr_hash.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define TELL_US (200 * TC_US_PER_MS)
#define ENVELOPE_BYTES (TC_BUS_ENVELOPE_BYTES / 2) /* after that many bytes another envelope begins */

/* What a user has spent since the others were last told. */
typedef struct spent_t {
    struct spent_t *next; /* in a list that is being told */
    tc_redis_door_t *door;
    tc_action_e action;
    unsigned count;
    const char *user_id; /* in key[] */
    char key[];
} spent_t;

struct tc_spending_t {
    tc_shared_meter_t *meter;
    tc_uuid_t child;
    uint64_t server;   /* stands for this httpd, whose children ignore its envelopes: they share the meter */
    int64_t envelopes; /* sent so far */
    tc_loop_t *loop;
    tc_spending_publish_fn *publish;
    apr_hash_t *spent; /* by key */
    tc_timer_t timer;  /* set while there is something to tell */
};

/* ---- telling ---- */

/* Takes all that is to be told, as a list, which the caller owns. */
static spent_t *take_all(tc_spending_t *spending)
{
    apr_hash_index_t *at;
    spent_t *list = NULL;

    for (at = apr_hash_first(NULL, spending->spent); at != NULL; at = apr_hash_next(at)) {
        spent_t *spent = apr_hash_this_val(at);

        spent->next = list;
        list = spent;
    }
    apr_hash_clear(spending->spent);
    return list;
}

static void publish(tc_spending_t *spending, tc_redis_door_t *door, tc_buf_t *envelope)
{
    if (envelope->len > 0) {
        tc_envelope_end_spent(envelope);
        spending->publish(door, envelope);
        tc_buf_free(envelope);
    }
}

/* Tells the entries of a list that belong to a door, and takes them out of the list. Its users are its database's. */
static void tell_of_door(tc_spending_t *spending, tc_redis_door_t *door, spent_t **list)
{
    tc_buf_t envelope = TC_BUF_INIT;
    uint64_t database = tc_site_database(door->site);

    while (*list != NULL) {
        spent_t *spent = *list;

        if (spent->door != door) {
            list = &spent->next;
            continue;
        }
        if (envelope.len > ENVELOPE_BYTES) {
            publish(spending, door, &envelope);
        }
        if (envelope.len == 0) {
            tc_envelope_begin_spent(&envelope, &spending->child, ++spending->envelopes, spending->server, database);
        }
        tc_envelope_add_spent(&envelope, spent->user_id, (int)spent->action, spent->count);
        *list = spent->next;
        free(spent);
    }
    publish(spending, door, &envelope);
}

static void on_timer(tc_timer_t *timer, int64_t now_us)
{
    tc_spending_t *spending = (tc_spending_t *)((char *)timer - offsetof(tc_spending_t, timer));
    spent_t *list = take_all(spending);

    (void)now_us;
    while (list != NULL) {
        tell_of_door(spending, list->door, &list);
    }
}

void tc_spending_add(tc_spending_t *spending, tc_redis_door_t *door, tc_action_e action,
                     const char *user_id)
{
    size_t prefix = 32, size = prefix + strlen(user_id) + 1;
    spent_t *added = tc_alloc(sizeof(*added) + size), *spent;
    int head = snprintf(added->key, size, "%p %d ", (void *)door, (int)action);

    memcpy(added->key + head, user_id, strlen(user_id) + 1);
    spent = apr_hash_get(spending->spent, added->key, APR_HASH_KEY_STRING);
    if (spent != NULL) {
        free(added);
        spent->count++;
        return;
    }
    added->door = door;
    added->action = action;
    added->count = 1;
    added->user_id = added->key + head;
    apr_hash_set(spending->spent, added->key, APR_HASH_KEY_STRING, added);
    if (spending->timer.link == NULL) {
        tc_timer_set(tc_loop_timers(spending->loop), &spending->timer,
                     tc_loop_now_us(spending->loop) + TELL_US);
    }
}

/* ---- hearing ---- */

/* All children of this httpd hear each envelope, each over all of its doors. The first one takes it in for all of them. */
static bool is_first(tc_spending_t *spending, uint64_t database, const tc_envelope_t *envelope)
{
    static const tc_rate_t once = {1, 60 * TC_US_PER_S};
    char child[TC_UUID_CHARS + 1], name[TC_UUID_CHARS + 24];

    tc_uuid_format(&envelope->child, child);
    snprintf(name, sizeof(name), "%s %lld", child, (long long)envelope->seq);
    return tc_meter_take(spending->meter, &once, tc_meter_database_key(spending->meter, database, TC_KEY_SPENT, name),
                         tc_clock_monotonic_us()) == 0;
}

/*
 * On one Redis there may be other sites, with other users of the same ids. Before a child has asked its site's database
 * anything, it does not know which users are its own. So it takes in what is said of others, who have keys of their own.
 */
static bool may_be_ours(const tc_redis_door_t *door, uint64_t database)
{
    uint64_t own = tc_site_database(door->site);

    return database != 0 && (own == 0 || own == database);
}

bool tc_spending_take_in(tc_spending_t *spending, const tc_redis_door_t *door,
                         const tc_envelope_t *envelope)
{
    tc_meter_t *meter = &spending->meter->meter;
    tc_envelope_spent_t spent;
    bool good = tc_envelope_decode_spent(envelope, &spent);
    bool is_news = good && spent.server != spending->server && may_be_ours(door, spent.database)
                   && is_first(spending, spent.database, envelope);
    const char *user_id;
    int action, count;

    while (is_news && tc_envelope_next_spent(&spent, &user_id, &action, &count)) {
        if (action < TC_ACTIONS && door->site->user_rates[action].tokens > 0) {
            meter->spend(meter, door->site, spent.database, (tc_action_e)action, user_id, (unsigned)count,
                         tc_clock_monotonic_us());
        }
    }
    tc_envelope_spent_free(&spent);
    return good;
}

/* ---- life ---- */

tc_spending_t *tc_spending_create(tc_shared_meter_t *meter, const tc_uuid_t *child, tc_loop_t *loop,
                                  tc_spending_publish_fn *publish_fn, apr_pool_t *pool)
{
    static const tc_site_t none = {.name = ""};
    tc_spending_t *spending = apr_pcalloc(pool, sizeof(*spending));

    spending->meter = meter;
    spending->child = *child;
    spending->server = tc_meter_key(meter, &none, TC_KEY_SPENT, "this httpd");
    spending->loop = loop;
    spending->publish = publish_fn;
    spending->spent = apr_hash_make(pool);
    spending->timer.fire = on_timer;
    return spending;
}

void tc_spending_free(tc_spending_t *spending)
{
    spent_t *list = take_all(spending);

    tc_timer_clear(tc_loop_timers(spending->loop), &spending->timer);
    while (list != NULL) {
        spent_t *next = list->next;

        free(list);
        list = next;
    }
}
