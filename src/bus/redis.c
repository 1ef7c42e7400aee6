/* The bus over Redis. See redis.h. */
#include "bus/redis.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/thread.h"
#include "bus/redis_channel.h"
#include "bus/redis_link.h"
#include "bus/redis_news.h"
#include "bus/redis_order.h"
#include "bus/spending.h"
#include "codec/envelope.h"
#include "engine/worker_thread.h"

#include <stdlib.h>

struct tc_bus_redis_t {
    tc_worker_thread_t thread;
    tc_redis_exchange_t exchange;
    tc_spending_t *spending; /* bus; NULL: users are not counted */
    apr_hash_t *channels;    /* bus; redis_channel.h */
    tc_redis_door_t *doors;  /* const */
    tc_redis_link_t *links;  /* bus */
    int link_count;          /* const */
    bool overrun;            /* bus; news were dropped since the loop was last told to ask the store */
    unsigned bad;            /* bus; messages that were not valid envelopes */
    unsigned foreign;        /* bus; envelopes of rooms in other databases */
    tc_mail_t begin;
    tc_mail_t quit;
};

/* ---- channels ---- */

static void subscribe_spending(tc_bus_redis_t *redis)
{
    tc_redis_door_t *door;

    for (door = redis->doors; door != NULL && redis->spending != NULL; door = door->next) {
        char *name = tc_channel_of_spending(door);

        tc_channel_subscribe(redis->channels, door, name)->is_spending = true;
        free(name);
    }
}

static void publish_spending(tc_redis_door_t *door, const tc_buf_t *envelope)
{
    char *name = tc_channel_of_spending(door);

    tc_redis_link_publish(door->link, name, envelope->data, envelope->len);
    free(name);
}

static void obey_of_room(tc_bus_redis_t *redis, const tc_redis_order_t *order)
{
    char *name = tc_channel_of_room(order->door, &order->room_id);

    switch (order->what) {
    case TC_REDIS_SUBSCRIBE:
        tc_channel_subscribe(redis->channels, order->door, name)->room_id = order->room_id;
        break;
    case TC_REDIS_UNSUBSCRIBE:
        tc_channel_unsubscribe(redis->channels, order->door, name);
        break;
    case TC_REDIS_PUBLISH:
        tc_redis_link_publish(order->door->link, name, order->data, order->len);
        break;
    case TC_REDIS_SPEND: /* belongs to no room */
        break;
    }
    free(name);
}

static void deliver_order(tc_mail_t *mail, void *context)
{
    tc_bus_redis_t *redis = context;
    tc_redis_order_t *order = (tc_redis_order_t *)mail;

    tc_redis_note_mail(&redis->exchange.outgoing, TC_L_WAY_OUT, false);
    if (order->what != TC_REDIS_SPEND) {
        obey_of_room(redis, order);
    }
    else if (redis->spending != NULL) {
        tc_spending_add(redis->spending, order->door, order->action, (const char *)order->data);
    }
    free(order);
}

/* ---- what links bring ---- */

static void on_state(tc_redis_link_t *link, bool up)
{
    tc_bus_redis_t *redis = link->owner;
    tc_redis_door_t *door;

    (void)up;
    for (door = redis->doors; door != NULL; door = door->next) {
        if (door->link == link) {
            tc_redis_news_state(door, door->link->up);
        }
    }
}

static void on_subscribed(tc_redis_link_t *link, const char *name)
{
    tc_bus_redis_t *redis = link->owner;
    tc_channel_t *channel = tc_channel_find(redis->channels, link, name);
    tc_listener_t *listener;

    if (!link->up || (channel != NULL && channel->is_spending)) {
        return; /* when the link comes up, the loop asks the store about all rooms anyway */
    }
    for (listener = channel ? channel->listeners : NULL; listener != NULL;
         listener = listener->next) {
        tc_redis_news_joined(listener->door, &channel->room_id);
    }
}

/* Counts. True for the 1st, 2nd, 4th, 8th …, which are logged, so that the administrator can find their sender. */
static bool count_one(unsigned *count)
{
    ++*count;
    return (*count & (*count - 1)) == 0;
}

static void count_bad(tc_bus_redis_t *redis, const char *name)
{
    if (count_one(&redis->bad)) {
        tc_log(TC_LOG_WARNING, 0, "TC0072: dropped an invalid message on Redis channel %s (%u so far); another program "
               "publishes there, or another version of mod_tripchat", name, redis->bad);
    }
}

/* If the loop does not keep up, news are dropped. Later the loop is told to ask the store for what it missed. */
static bool is_overrun(tc_bus_redis_t *redis)
{
    tc_redis_door_t *door;
    unsigned waiting = atomic_load(&redis->exchange.incoming);

    if (waiting >= TC_BUS_QUEUE_MAILS) {
        redis->overrun = true;
        tc_metrics_add(TC_METRICS_CHILD, TC_M_BUS_DROPPED + TC_L_WAY_IN, 1);
        return true;
    }
    if (redis->overrun && waiting < TC_BUS_QUEUE_MAILS / 2) {
        redis->overrun = false;
        for (door = redis->doors; door != NULL; door = door->next) {
            tc_redis_news_state(door, door->link->up);
        }
    }
    return false;
}

/* False when the envelope is not valid on this channel; the same for pass_on(). */
static bool take_in_spending(tc_bus_redis_t *redis, const tc_channel_t *channel, const tc_envelope_t *envelope)
{
    const tc_listener_t *listener;

    for (listener = channel->listeners; listener != NULL; listener = listener->next) {
        if (envelope->kind != TC_ENVELOPE_SPENT
            || !tc_spending_take_in(redis->spending, listener->door, envelope)) {
            return false;
        }
    }
    return true;
}

/* A copy of a database has rooms of the same ids. */
static void count_foreign(tc_bus_redis_t *redis, const tc_redis_door_t *door)
{
    if (count_one(&redis->foreign)) {
        tc_log(TC_LOG_WARNING, 0, "TC0111: dropped an event on Redis that is of another database than site %s has (%u so far); "
               "is one a copy of the other? Give each of them a TripChatRedisPrefix of its own", door->site->name,
               redis->foreign);
    }
}

static bool pass_on(tc_bus_redis_t *redis, const tc_channel_t *channel, const tc_envelope_t *envelope)
{
    const tc_listener_t *listener;

    for (listener = channel->listeners; listener != NULL; listener = listener->next) {
        if (!tc_envelope_may_be_of(envelope, tc_site_database(listener->door->site))) {
            count_foreign(redis, listener->door);
        }
        else if (!tc_redis_news_envelope(listener->door, &channel->room_id, envelope)) {
            return false;
        }
    }
    return true;
}

static void on_message(tc_redis_link_t *link, const char *name, const char *data, size_t len)
{
    tc_bus_redis_t *redis = link->owner;
    const tc_channel_t *channel = tc_channel_find(redis->channels, link, name);
    tc_envelope_t envelope;
    bool good;

    if (channel == NULL || is_overrun(redis)) {
        return;
    }
    if (len > TC_BUS_ENVELOPE_BYTES || !tc_envelope_decode(data, len, &envelope)) {
        count_bad(redis, name);
        return;
    }
    if (tc_envelope_is_from(&envelope, &redis->exchange.child)) {
        return; /* our own event, which the loop knows already */
    }
    good = channel->is_spending ? take_in_spending(redis, channel, &envelope) : pass_on(redis, channel, &envelope);
    if (!good) {
        count_bad(redis, name);
    }
}

static const tc_redis_link_events_t link_events = {on_state, on_subscribed, on_message};

/* ---- the thread ---- */

static void deliver_begin(tc_mail_t *mail, void *context)
{
    tc_bus_redis_t *redis = context;
    int i;

    (void)mail;
    subscribe_spending(redis);
    for (i = 0; i < redis->link_count; i++) {
        tc_redis_link_start(&redis->links[i]);
    }
}

static void deliver_quit(tc_mail_t *mail, void *context)
{
    tc_bus_redis_t *redis = context;
    int i;

    (void)mail;
    for (i = 0; i < redis->link_count; i++) {
        tc_redis_link_stop(&redis->links[i]);
    }
    tc_loop_quit(redis->exchange.bus_loop);
}

static void bus_main(void *context)
{
    tc_bus_redis_t *redis = context;
    int i;

    tc_thread_set_role(TC_THREAD_BUS);
    tc_loop_run(redis->exchange.bus_loop, redis);
    tc_loop_close(redis->exchange.bus_loop, redis);
    for (i = 0; i < redis->link_count; i++) {
        tc_redis_link_stop(&redis->links[i]);
    }
    if (redis->spending != NULL) {
        tc_spending_free(redis->spending);
    }
    tc_channel_forget_all(redis->channels);
}

/* Doors with the same address share a link. */
static void make_links(tc_bus_redis_t *redis, apr_pool_t *pool)
{
    tc_redis_door_t *door;
    int count = 0, i;

    for (door = redis->doors; door != NULL; door = door->next) {
        count++;
    }
    redis->links = apr_pcalloc(pool, (size_t)count * sizeof(*redis->links));
    for (door = redis->doors; door != NULL; door = door->next) {
        for (i = 0; i < redis->link_count; i++) {
            if (tc_redis_address_equal(redis->links[i].address, &door->address)) {
                break;
            }
        }
        if (i == redis->link_count) {
            tc_redis_link_init(&redis->links[i], &door->address, door->prefix, &redis->exchange.child,
                               &link_events, redis, redis->exchange.bus_loop, pool);
            redis->link_count++;
        }
        redis->links[i].slots |= UINT64_C(1) << door->site->metrics_slot;
        door->link = &redis->links[i];
        door->exchange = &redis->exchange;
    }
}

apr_status_t tc_bus_redis_start(tc_bus_redis_t **out, tc_redis_door_t *doors, tc_loop_t *loop,
                                tc_hub_t *hub, tc_shared_meter_t *meter, apr_pool_t *pool)
{
    tc_bus_redis_t *redis = apr_pcalloc(pool, sizeof(*redis));
    apr_pool_t *own_pool;
    apr_status_t rv = tc_worker_thread_init(&redis->thread);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    own_pool = tc_worker_thread_pool(&redis->thread);
    atomic_init(&redis->exchange.outgoing, 0);
    atomic_init(&redis->exchange.incoming, 0);
    redis->doors = doors;
    redis->exchange.loop = loop;
    redis->exchange.hub = hub;
    redis->exchange.obey = deliver_order;
    redis->begin.deliver = deliver_begin;
    redis->quit.deliver = deliver_quit;
    redis->channels = apr_hash_make(own_pool);
    tc_uuid_make_v7(&redis->exchange.child);
    rv = tc_loop_create(&redis->exchange.bus_loop, 0, own_pool);
    if (rv != APR_SUCCESS) {
        tc_worker_thread_free(&redis->thread);
        return rv;
    }
    make_links(redis, own_pool);
    if (meter != NULL) {
        redis->spending = tc_spending_create(meter, &redis->exchange.child, redis->exchange.bus_loop, publish_spending, own_pool);
    }
    (void)tc_loop_post(redis->exchange.bus_loop, &redis->begin);
    rv = tc_worker_thread_start(&redis->thread, bus_main, redis, pool);
    if (rv == APR_SUCCESS) {
        *out = redis;
    }
    return rv;
}

bool tc_bus_redis_stop(tc_bus_redis_t *redis, int64_t timeout_us)
{
    (void)tc_loop_post(redis->exchange.bus_loop, &redis->quit);
    return tc_worker_thread_join(&redis->thread, timeout_us);
}
