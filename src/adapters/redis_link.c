/* A child's link to one Redis. See redis_link.h. */
#include "adapters/redis_link.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "codec/envelope.h"

#include <apr_strings.h>
#include <stddef.h>
#include <stdlib.h>

#define BEAT_US (500 * TC_US_PER_MS)
#define RETRY_FIRST_US (100 * TC_US_PER_MS)
#define RETRY_LAST_US (5 * TC_US_PER_S)
#define PATIENCES 4 /* time-outs of silence after which the connections are given up */
#define STABLE_US (10 * TC_US_PER_S) /* a link that lasts so long starts over with its tries */

static void open_link(tc_redis_link_t *link);

static void set_timer(tc_redis_link_t *link, int64_t in_us)
{
    tc_timer_set(tc_loop_timers(link->loop), &link->timer, tc_loop_now_us(link->loop) + in_us);
}

/* ---- up and down ---- */

static void set_up(tc_redis_link_t *link)
{
    if (link->up) {
        return;
    }
    link->up = true;
    link->up_since_us = tc_loop_now_us(link->loop);
    if (link->complained) {
        tc_log(TC_LOG_WARNING, 0, "TC0071: Redis at %s is there again", link->address->name);
        link->complained = false;
    }
    link->events->on_state(link, true);
}

static void set_down(tc_redis_link_t *link, const char *why)
{
    if (!link->complained) {
        tc_log(TC_LOG_WARNING, 0,
               "TC0070: Redis at %s: %s; children hear of each other through the database until it "
               "is there again", link->address->name, why);
        link->complained = true;
    }
    if (link->up) {
        link->up = false;
        link->events->on_state(link, false);
    }
}

/* Somewhere between half and the whole of twice as long as the last time: not all children at once. */
static int64_t next_try_us(tc_redis_link_t *link)
{
    int64_t wait_us = RETRY_LAST_US;
    tc_uuid_t random;

    if (link->tries < 6) {
        wait_us = RETRY_FIRST_US << link->tries;
    }
    link->tries++;
    tc_uuid_make_v7(&random);
    return wait_us / 2 + wait_us / 2 * random.bytes[TC_UUID_BYTES - 1] / 255;
}

static void give_up(tc_redis_link_t *link, const char *why)
{
    set_down(link, why);
    tc_redis_conn_close(&link->sub);
    tc_redis_conn_close(&link->pub);
    set_timer(link, next_try_us(link));
}

/* ---- heartbeat ---- */

static void send_beat(tc_redis_link_t *link)
{
    tc_buf_t beat = TC_BUF_INIT;

    tc_envelope_encode(&beat, TC_ENVELOPE_BEAT, &link->child, ++link->beats);
    tc_redis_link_publish(link, link->beat_channel, beat.data, beat.len);
    tc_buf_free(&beat);
}

static void on_timer(tc_timer_t *timer, int64_t now_us)
{
    tc_redis_link_t *link = (tc_redis_link_t *)((char *)timer - offsetof(tc_redis_link_t, timer));
    int64_t silence_us;

    if (link->sub.context == NULL) {
        open_link(link);
        return;
    }
    silence_us = now_us - (link->sub_heard_us < link->pub_heard_us ? link->sub_heard_us
                                                                   : link->pub_heard_us);
    if (silence_us > PATIENCES * link->address->timeout_us) {
        give_up(link, "no answer");
        return;
    }
    if (silence_us > link->address->timeout_us + BEAT_US) {
        set_down(link, "silent");
    }
    if (link->up && now_us - link->up_since_us >= STABLE_US) {
        link->tries = 0;
    }
    send_beat(link);
    set_timer(link, BEAT_US);
}

/* ---- connections ---- */

static tc_redis_link_t *link_of_sub(tc_redis_conn_t *conn)
{
    return (tc_redis_link_t *)((char *)conn - offsetof(tc_redis_link_t, sub));
}

static tc_redis_link_t *link_of_pub(tc_redis_conn_t *conn)
{
    return (tc_redis_link_t *)((char *)conn - offsetof(tc_redis_link_t, pub));
}

static void on_sub_broken(tc_redis_conn_t *conn, const char *why)
{
    give_up(link_of_sub(conn), why);
}

static void on_pub_broken(tc_redis_conn_t *conn, const char *why)
{
    give_up(link_of_pub(conn), why);
}

static void on_message(tc_redis_link_t *link, const redisReply *channel, const redisReply *data)
{
    if (strcmp(channel->str, link->beat_channel) == 0) {
        set_up(link);
    }
    else {
        link->events->on_message(link, channel->str, data->str, data->len);
    }
}

/* The heartbeat's own subscription is asked for last: when a beat comes back, the rooms are subscribed. */
static void on_subscribed(tc_redis_link_t *link, const redisReply *channel)
{
    if (strcmp(channel->str, link->beat_channel) == 0) {
        send_beat(link);
    }
    else {
        link->events->on_subscribed(link, channel->str);
    }
}

static void on_sub_reply(tc_redis_conn_t *conn, const redisReply *reply)
{
    tc_redis_link_t *link = link_of_sub(conn);

    link->sub_heard_us = tc_loop_now_us(link->loop);
    if (reply->type == REDIS_REPLY_ERROR) {
        give_up(link, reply->str);
        return;
    }
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3
        || reply->element[0]->type != REDIS_REPLY_STRING
        || reply->element[1]->type != REDIS_REPLY_STRING) {
        return;
    }
    if (strcmp(reply->element[0]->str, "message") == 0
        && reply->element[2]->type == REDIS_REPLY_STRING) {
        on_message(link, reply->element[1], reply->element[2]);
    }
    else if (strcmp(reply->element[0]->str, "subscribe") == 0) {
        on_subscribed(link, reply->element[1]);
    }
}

/* Replies to PUBLISH. One that is refused (no permission, a read-only copy, no memory) is as good as lost. */
static void on_pub_reply(tc_redis_conn_t *conn, const redisReply *reply)
{
    link_of_pub(conn)->pub_heard_us = tc_loop_now_us(link_of_pub(conn)->loop);
    if (reply->type == REDIS_REPLY_ERROR) {
        give_up(link_of_pub(conn), reply->str);
    }
}

static const tc_redis_conn_events_t sub_events = {on_sub_reply, on_sub_broken};
static const tc_redis_conn_events_t pub_events = {on_pub_reply, on_pub_broken};

static void say(tc_redis_link_t *link, const char *command, const char *channel)
{
    const char *words[] = {command, channel};

    tc_redis_conn_send(&link->sub, 2, words, NULL);
}

static void open_link(tc_redis_link_t *link)
{
    apr_hash_index_t *at;

    link->sub_heard_us = link->pub_heard_us = tc_loop_now_us(link->loop);
    set_timer(link, BEAT_US);
    tc_redis_conn_open(&link->sub, link->address);
    if (link->sub.context != NULL) {
        tc_redis_conn_open(&link->pub, link->address);
    }
    if (link->pub.context == NULL) {
        return; /* on_broken() has closed both and set the timer */
    }
    for (at = apr_hash_first(NULL, link->channels); at != NULL; at = apr_hash_next(at)) {
        say(link, "SUBSCRIBE", apr_hash_this_key(at));
    }
    say(link, "SUBSCRIBE", link->beat_channel);
}

/* ---- the owner's side ---- */

void tc_redis_link_init(tc_redis_link_t *link, const tc_redis_address_t *address,
                        const char *prefix, const tc_uuid_t *child,
                        const tc_redis_link_events_t *events, void *owner, tc_loop_t *loop,
                        apr_pool_t *pool)
{
    char id[TC_UUID_CHARS + 1];

    memset(link, 0, sizeof(*link));
    tc_uuid_format(child, id);
    link->address = address;
    link->events = events;
    link->owner = owner;
    link->loop = loop;
    link->channels = apr_hash_make(pool);
    link->child = *child;
    link->beat_channel = apr_pstrcat(pool, prefix, "beat:", id, NULL);
    link->timer.fire = on_timer;
    tc_redis_conn_init(&link->sub, loop, &sub_events);
    tc_redis_conn_init(&link->pub, loop, &pub_events);
}

void tc_redis_link_start(tc_redis_link_t *link)
{
    open_link(link);
}

void tc_redis_link_stop(tc_redis_link_t *link)
{
    apr_hash_index_t *at;

    tc_redis_conn_flush(&link->pub);
    tc_timer_clear(tc_loop_timers(link->loop), &link->timer);
    tc_redis_conn_close(&link->sub);
    tc_redis_conn_close(&link->pub);
    while ((at = apr_hash_first(NULL, link->channels)) != NULL) {
        char *kept = apr_hash_this_val(at);

        apr_hash_set(link->channels, kept, APR_HASH_KEY_STRING, NULL); /* it is the key, too */
        free(kept);
    }
}

void tc_redis_link_subscribe(tc_redis_link_t *link, const char *channel)
{
    size_t size = strlen(channel) + 1;
    char *kept = memcpy(tc_alloc(size), channel, size);

    apr_hash_set(link->channels, kept, APR_HASH_KEY_STRING, kept);
    say(link, "SUBSCRIBE", channel);
}

void tc_redis_link_unsubscribe(tc_redis_link_t *link, const char *channel)
{
    char *kept = apr_hash_get(link->channels, channel, APR_HASH_KEY_STRING);

    apr_hash_set(link->channels, channel, APR_HASH_KEY_STRING, NULL);
    free(kept);
    say(link, "UNSUBSCRIBE", channel);
}

void tc_redis_link_publish(tc_redis_link_t *link, const char *channel, const void *data, size_t len)
{
    const char *words[] = {"PUBLISH", channel, data};
    const size_t lens[] = {7, strlen(channel), len};

    tc_redis_conn_send(&link->pub, 3, words, lens);
}
