/* A child's link to one Redis. See redis_link.h. */
#include "bus/redis_link.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "codec/envelope.h"

#include <apr_strings.h>
#include <stddef.h>
#include <stdlib.h>

#define BEAT_US (500 * TC_US_PER_MS)
#define RETRY_FIRST_US (100 * TC_US_PER_MS)
#define RETRY_LAST_US (5 * TC_US_PER_S)
#define PATIENCES 4 /* timeouts of silence after which the connections are closed */
#define ROLE_US (2 * TC_US_PER_S)
#define MEMORY_US (10 * TC_US_PER_S)
#define STABLE_US (10 * TC_US_PER_S) /* a link that was up for so long waits for RETRY_FIRST_US again */

static void open_link(tc_redis_link_t *link);

static void set_timer(tc_redis_link_t *link, int64_t in_us)
{
    tc_timer_set(tc_loop_timers(link->loop), &link->timer, tc_loop_now_us(link->loop) + in_us);
}

/* ---- metrics: counted for every site that the link serves ---- */

static void count(const tc_redis_link_t *link, unsigned cell, uint64_t n)
{
    unsigned slot;

    for (slot = 0; slot < TC_METRICS_SLOTS; slot++) {
        if ((link->slots >> slot & 1) != 0) {
            tc_metrics_add(slot, cell, n);
        }
    }
}

static void set_gauge(const tc_redis_link_t *link, unsigned cell, uint64_t value)
{
    unsigned slot;

    for (slot = 0; slot < TC_METRICS_SLOTS; slot++) {
        if ((link->slots >> slot & 1) != 0) {
            tc_metrics_set(slot, cell, value);
        }
    }
}

/* Counts the link in the gauge of a state; TC_L_LINK_COUNT: in none. */
static void count_as(tc_redis_link_t *link, unsigned state)
{
    if (state == link->counted_as) {
        return;
    }
    if (link->counted_as != TC_L_LINK_COUNT) {
        count(link, TC_M_REDIS_LINKS + link->counted_as, UINT64_MAX); /* one less */
    }
    if (state != TC_L_LINK_COUNT) {
        count(link, TC_M_REDIS_LINKS + state, 1);
    }
    link->counted_as = state;
}

/* ---- up and down ---- */

static void set_up(tc_redis_link_t *link)
{
    if (link->up) {
        return;
    }
    link->up = true;
    count_as(link, TC_L_LINK_UP);
    count(link, TC_M_REDIS_CONNECTS, 1);
    link->up_since_us = tc_loop_now_us(link->loop);
    if (link->complained) {
        tc_log(TC_LOG_WARNING, 0, "TC0071: Redis at %s is back", link->address->name);
        link->complained = false;
    }
    link->events->on_state(link, true);
}

static void set_down(tc_redis_link_t *link, const char *why)
{
    count_as(link, TC_L_LINK_DOWN);
    if (!link->complained) {
        tc_log(TC_LOG_WARNING, 0,
               "TC0070: Redis at %s cannot be used: %s; until it is back, children learn of each other's messages "
               "from the database", link->address->name, why);
        link->complained = true;
    }
    if (link->up) {
        link->up = false;
        count(link, TC_M_REDIS_LOSSES, 1);
        link->events->on_state(link, false);
    }
}

/* The time until the next try doubles with each try; it is cut by up to half at random, so that children spread out. */
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
    set_gauge(link, TC_M_REDIS_BEAT, 0); /* no beat is on its way */
    tc_redis_conn_close(&link->sub);
    tc_redis_conn_close(&link->pub);
    set_timer(link, next_try_us(link));
}

/* ---- heartbeat ---- */

static void send_beat(tc_redis_link_t *link)
{
    tc_buf_t beat = TC_BUF_INIT;
    int64_t now_us = tc_loop_now_us(link->loop);

    if (link->timed_beat == 0) {
        link->timed_beat = link->beats + 1;
        link->timed_since_us = now_us;
    }
    else {
        set_gauge(link, TC_M_REDIS_BEAT, (uint64_t)(now_us - link->timed_since_us)); /* so far */
    }
    tc_envelope_encode(&beat, TC_ENVELOPE_BEAT, &link->child, ++link->beats);
    tc_redis_link_publish(link, link->beat_channel, beat.data, beat.len);
    tc_buf_free(&beat);
}

static void on_beat(tc_redis_link_t *link, const redisReply *data)
{
    tc_envelope_t envelope;

    if (link->timed_beat != 0 && tc_envelope_decode(data->str, data->len, &envelope)
        && envelope.seq >= link->timed_beat) {
        set_gauge(link, TC_M_REDIS_BEAT, (uint64_t)(tc_loop_now_us(link->loop) - link->timed_since_us));
        link->timed_beat = 0;
    }
    link->beat_came = true;
    if (link->role_at == 0) {
        set_up(link);
    }
}

/* ---- what Redis says of itself: its role, and how much memory it uses ---- */

static uint64_t ask_for_info(tc_redis_link_t *link, const char *section)
{
    const char *words[] = {"INFO", section};

    tc_redis_conn_send(&link->pub, 2, words, NULL);
    return ++link->said;
}

static void ask_for_role(tc_redis_link_t *link, int64_t now_us)
{
    if (!link->info_refused && link->role_at == 0 && now_us >= link->role_due_us) {
        link->role_at = ask_for_info(link, "replication");
        link->role_due_us = now_us + ROLE_US;
    }
}

static void ask_for_memory(tc_redis_link_t *link, int64_t now_us)
{
    if (!link->info_refused && link->up && link->memory_at == 0 && now_us >= link->memory_due_us) {
        link->memory_at = ask_for_info(link, "memory");
        link->memory_due_us = now_us + MEMORY_US;
    }
}

/* If our Redis user must not ask for INFO (NOPERM), the role is not known. */
static void take_role(tc_redis_link_t *link, const redisReply *reply)
{
    link->role_at = 0;
    link->info_refused = reply->type == REDIS_REPLY_ERROR;
    if (reply->type == REDIS_REPLY_STRING && strstr(reply->str, "role:slave") != NULL) {
        give_up(link, "it is a replica, which reaches nobody but its own clients; the address must lead to the primary");
    }
    else if (link->beat_came) {
        set_up(link);
    }
}

/* Without INFO there is no such metric. */
static void take_memory(tc_redis_link_t *link, const redisReply *reply)
{
    static const char field[] = "used_memory:";
    const char *at = reply->type == REDIS_REPLY_STRING ? strstr(reply->str, field) : NULL;

    link->memory_at = 0;
    link->info_refused = reply->type == REDIS_REPLY_ERROR;
    if (at != NULL) {
        set_gauge(link, TC_M_REDIS_MEMORY, strtoull(at + sizeof(field) - 1, NULL, 10));
    }
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
    ask_for_role(link, now_us);
    ask_for_memory(link, now_us);
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
        on_beat(link, data);
    }
    else {
        link->events->on_message(link, channel->str, data->str, data->len);
    }
}

/* The heartbeat's channel is subscribed last. So when a beat comes back, all rooms are subscribed. */
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

/* A reply to PUBLISH or INFO. If PUBLISH is refused (no permission, no memory), the link breaks. */
static void on_pub_reply(tc_redis_conn_t *conn, const redisReply *reply)
{
    tc_redis_link_t *link = link_of_pub(conn);

    link->pub_heard_us = tc_loop_now_us(link->loop);
    if (++link->answered == link->role_at) {
        take_role(link, reply);
    }
    else if (link->answered == link->memory_at) {
        take_memory(link, reply);
    }
    else if (reply->type == REDIS_REPLY_ERROR) {
        give_up(link, reply->str);
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
    link->said = link->answered = link->role_at = link->memory_at = 0;
    link->role_due_us = 0;
    link->beat_came = false;
    link->timed_beat = 0;
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
    ask_for_role(link, tc_loop_now_us(link->loop));
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
    link->counted_as = TC_L_LINK_COUNT;
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
    count_as(link, TC_L_LINK_STARTING);
    open_link(link);
}

void tc_redis_link_stop(tc_redis_link_t *link)
{
    apr_hash_index_t *at;

    count_as(link, TC_L_LINK_COUNT);
    tc_redis_conn_flush(&link->pub);
    tc_timer_clear(tc_loop_timers(link->loop), &link->timer);
    tc_redis_conn_close(&link->sub);
    tc_redis_conn_close(&link->pub);
    while ((at = apr_hash_first(NULL, link->channels)) != NULL) {
        char *kept = apr_hash_this_val(at);

        apr_hash_set(link->channels, kept, APR_HASH_KEY_STRING, NULL); /* before free(): the value is the key, too */
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
    link->said++;
}
