/* The bus over Redis. See redis.h. */
#include "bus/redis.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/thread.h"
#include "bus/redis_channel.h"
#include "bus/redis_link.h"
#include "bus/spending.h"
#include "codec/envelope.h"
#include "domain/typing.h"
#include "engine/worker_thread.h"

#include <stdlib.h>

struct tc_bus_redis_t {
    tc_worker_thread_t thread;
    tc_loop_t *own_loop;    /* bus */
    tc_spending_t *spending; /* bus; NULL: users are not counted */
    apr_hash_t *channels;   /* bus; redis_channel.h */
    tc_redis_door_t *doors; /* const */
    tc_redis_link_t *links; /* bus */
    int link_count;         /* const */
    tc_uuid_t child;        /* const; how this child is called on the bus */
    tc_loop_t *loop;        /* const; the child's */
    tc_hub_t *hub;          /* loop */
    atomic_uint outgoing;   /* orders that the bus has not taken */
    atomic_uint incoming;   /* news that the loop has not taken */
    bool overrun;           /* bus; news were dropped since the loop was last told to look */
    unsigned bad;           /* bus; envelopes that do not parse */
    tc_mail_t begin;
    tc_mail_t quit;
};

/* ---- the loop's side: orders ---- */

typedef enum { ORDER_SUBSCRIBE, ORDER_UNSUBSCRIBE, ORDER_PUBLISH, ORDER_SPEND } order_e;

typedef struct {
    tc_mail_t mail; /* stands first */
    order_e what;
    tc_redis_door_t *door;
    tc_uuid_t room_id;
    tc_action_e action;   /* SPEND */
    size_t len;
    unsigned char data[]; /* PUBLISH: the envelope; SPEND: the user's id with its NUL */
} order_t;

static void deliver_order(tc_mail_t *mail, void *context);

static order_t *make_order(tc_bus_t *bus, order_e what, const void *data, size_t len)
{
    order_t *order = tc_alloc_zero(sizeof(*order) + len);

    order->mail.deliver = deliver_order;
    order->what = what;
    order->door = (tc_redis_door_t *)bus;
    order->len = len;
    if (len > 0) {
        memcpy(order->data, data, len);
    }
    return order;
}

/* One more mail waits, or one less. */
static void note_mail(atomic_uint *waiting, unsigned way, bool more)
{
    if (more) {
        atomic_fetch_add(waiting, 1);
        tc_metrics_add(TC_METRICS_CHILD, TC_M_BUS_MAIL + way, 1);
    }
    else {
        atomic_fetch_sub(waiting, 1);
        tc_metrics_sub(TC_METRICS_CHILD, TC_M_BUS_MAIL + way, 1);
    }
}

static void post_order(order_t *order)
{
    tc_redis_door_t *door = order->door;

    note_mail(&door->redis->outgoing, TC_L_WAY_OUT, true);
    if (!tc_loop_post(door->redis->own_loop, &order->mail)) {
        note_mail(&door->redis->outgoing, TC_L_WAY_OUT, false);
        free(order);
    }
}

/* A bus thread that comes not after gets no more of what can be left out. */
static bool comes_after(const tc_bus_t *bus)
{
    bool comes = atomic_load(&((const tc_redis_door_t *)bus)->redis->outgoing) < TC_BUS_QUEUE_MAILS;

    tc_metrics_add(TC_METRICS_CHILD, TC_M_BUS_DROPPED + TC_L_WAY_OUT, !comes);
    return comes;
}

static void post_of_room(tc_bus_t *bus, const tc_room_t *room, order_e what, const tc_buf_t *data)
{
    order_t *order = make_order(bus, what, data ? data->data : NULL, data ? data->len : 0);

    order->room_id = room->room_id;
    post_order(order);
}

/* Others ask the database every few seconds. */
static void post_envelope(tc_bus_t *bus, const tc_room_t *room, tc_buf_t *envelope)
{
    if (comes_after(bus)) {
        post_of_room(bus, room, ORDER_PUBLISH, envelope);
    }
    tc_buf_free(envelope);
}

static const tc_uuid_t *child_of(const tc_bus_t *bus)
{
    return &((const tc_redis_door_t *)bus)->redis->child;
}

static void room_opened(tc_bus_t *bus, const tc_room_t *room)
{
    post_of_room(bus, room, ORDER_SUBSCRIBE, NULL);
}

static void room_closed(tc_bus_t *bus, const tc_room_t *room)
{
    post_of_room(bus, room, ORDER_UNSUBSCRIBE, NULL);
}

static void publish(tc_bus_t *bus, const tc_room_t *room, const tc_event_t *event)
{
    bool is_message = event->kind == TC_EVENT_MESSAGE;
    tc_buf_t envelope = TC_BUF_INIT;

    if (event->object_len > TC_BUS_ENVELOPE_BYTES / 2) { /* too long for the bus: the others read it */
        tc_envelope_encode(&envelope, TC_ENVELOPE_HEAD, child_of(bus), event->seq);
    }
    else {
        tc_envelope_encode_event(&envelope, is_message ? TC_ENVELOPE_MESSAGE : TC_ENVELOPE_EDIT,
                                 child_of(bus), event->seq, event->wire->data + event->object_at,
                                 event->object_len);
    }
    post_envelope(bus, room, &envelope);
}

static void publish_head(tc_bus_t *bus, const tc_room_t *room)
{
    tc_buf_t envelope = TC_BUF_INIT;

    tc_envelope_encode(&envelope, TC_ENVELOPE_HEAD, child_of(bus), room->timeline.last_seq);
    post_envelope(bus, room, &envelope);
}

static void publish_typing(tc_bus_t *bus, const tc_room_t *room, const tc_user_t *user,
                           bool is_typing)
{
    tc_buf_t envelope = TC_BUF_INIT;

    tc_envelope_encode_typing(&envelope, child_of(bus), user->id, user->email, is_typing);
    post_envelope(bus, room, &envelope);
}

/* Others count a little less then. */
static void spend(tc_bus_t *bus, tc_action_e action, const tc_user_t *user)
{
    if (comes_after(bus)) {
        order_t *order = make_order(bus, ORDER_SPEND, user->id, strlen(user->id) + 1);

        order->action = action;
        post_order(order);
    }
}

void tc_redis_door_init(tc_redis_door_t *door)
{
    door->bus = (tc_bus_t){TC_BUS_DOWN, room_opened, room_closed, publish, publish_head,
                           publish_typing, spend};
}

/* ---- the bus's side: news for the loop ---- */

typedef enum { NEWS_JOINED, NEWS_EVENT, NEWS_HEAD, NEWS_TYPING, NEWS_STATE } news_e;

typedef struct {
    tc_mail_t mail; /* stands first */
    news_e what;
    tc_redis_door_t *door;
    tc_uuid_t room_id;
    int64_t seq;            /* HEAD */
    tc_event_t *event;      /* EVENT: a reference, the news' */
    tc_blob_t *frame;       /* TYPING: a reference, the news' */
    tc_bus_state_e state;   /* STATE */
    char user_id[];         /* TYPING */
} news_t;

static void free_news(news_t *news)
{
    tc_event_unref(news->event);
    tc_blob_unref(news->frame);
    free(news);
}

/* Loop. */
static void deliver_news(tc_mail_t *mail, void *context)
{
    news_t *news = (news_t *)mail;
    tc_bus_redis_t *redis = news->door->redis;
    const tc_site_t *site = news->door->site;

    (void)context;
    note_mail(&redis->incoming, TC_L_WAY_IN, false);
    switch (news->what) {
    case NEWS_JOINED:
        tc_hub_on_bus_joined(redis->hub, site, &news->room_id);
        break;
    case NEWS_EVENT:
        tc_hub_on_bus_event(redis->hub, site, &news->room_id, news->event);
        break;
    case NEWS_HEAD:
        tc_hub_on_bus_head(redis->hub, site, &news->room_id, news->seq);
        break;
    case NEWS_TYPING:
        tc_hub_on_bus_typing(redis->hub, site, &news->room_id, news->user_id, news->frame);
        break;
    case NEWS_STATE:
        tc_hub_on_bus_state(redis->hub, &news->door->bus, news->state,
                            tc_loop_now_us(redis->loop));
        break;
    }
    free_news(news);
}

static news_t *make_news(news_e what, tc_redis_door_t *door, const tc_uuid_t *room_id,
                         const char *user_id)
{
    size_t size = user_id ? strlen(user_id) + 1 : 0;
    news_t *news = tc_alloc_zero(sizeof(*news) + size);

    news->mail.deliver = deliver_news;
    news->what = what;
    news->door = door;
    if (room_id != NULL) {
        news->room_id = *room_id;
    }
    if (user_id != NULL) {
        memcpy(news->user_id, user_id, size);
    }
    return news;
}

static void post_news(tc_bus_redis_t *redis, news_t *news)
{
    note_mail(&redis->incoming, TC_L_WAY_IN, true);
    if (!tc_loop_post(redis->loop, &news->mail)) {
        note_mail(&redis->incoming, TC_L_WAY_IN, false);
        free_news(news);
    }
}

static void post_state(tc_bus_redis_t *redis, tc_redis_door_t *door)
{
    news_t *news = make_news(NEWS_STATE, door, NULL, NULL);

    news->state = door->link->up ? TC_BUS_UP : TC_BUS_DOWN;
    post_news(redis, news);
}

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

static void obey_of_room(tc_bus_redis_t *redis, const order_t *order)
{
    char *name = tc_channel_of_room(order->door, &order->room_id);

    switch (order->what) {
    case ORDER_SUBSCRIBE:
        tc_channel_subscribe(redis->channels, order->door, name)->room_id = order->room_id;
        break;
    case ORDER_UNSUBSCRIBE:
        tc_channel_unsubscribe(redis->channels, order->door, name);
        break;
    case ORDER_PUBLISH:
        tc_redis_link_publish(order->door->link, name, order->data, order->len);
        break;
    case ORDER_SPEND: /* of no room */
        break;
    }
    free(name);
}

static void deliver_order(tc_mail_t *mail, void *context)
{
    tc_bus_redis_t *redis = context;
    order_t *order = (order_t *)mail;

    note_mail(&redis->outgoing, TC_L_WAY_OUT, false);
    if (order->what != ORDER_SPEND) {
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
            post_state(redis, door);
        }
    }
}

static void on_subscribed(tc_redis_link_t *link, const char *name)
{
    tc_bus_redis_t *redis = link->owner;
    tc_channel_t *channel = tc_channel_find(redis->channels, link, name);
    tc_listener_t *listener;

    if (!link->up || (channel != NULL && channel->is_spending)) {
        return; /* when it is, the loop looks at all rooms anyway */
    }
    for (listener = channel ? channel->listeners : NULL; listener != NULL;
         listener = listener->next) {
        post_news(redis, make_news(NEWS_JOINED, listener->door, &channel->room_id, NULL));
    }
}

/* Said once in a while: strangers on the bus are the administrator's to find. */
static void count_bad(tc_bus_redis_t *redis, const char *name)
{
    redis->bad++;
    if ((redis->bad & (redis->bad - 1)) == 0) {
        tc_log(TC_LOG_WARNING, 0, "TC0072: dropped what is no envelope on channel %s (%u so far)",
               name, redis->bad);
    }
}

static bool read_event(news_t *news, const tc_envelope_t *envelope)
{
    tc_event_kind_e kind =
        envelope->kind == TC_ENVELOPE_MESSAGE ? TC_EVENT_MESSAGE : TC_EVENT_EDIT;
    tc_envelope_event_t body;
    bool good = tc_envelope_decode_event(envelope, &news->room_id, &body);

    if (good) {
        news->event = tc_event_wrap(kind, envelope->seq, &body.message_id, body.object,
                                    body.object_len, &body.message);
    }
    tc_envelope_event_free(&body);
    return good;
}

/* The news of an envelope; NULL when it is none. */
static news_t *read_news(const tc_envelope_t *envelope, tc_redis_door_t *door,
                         const tc_uuid_t *room_id)
{
    tc_envelope_typing_t typing;
    news_t *news = NULL;

    switch (envelope->kind) {
    case TC_ENVELOPE_MESSAGE:
    case TC_ENVELOPE_EDIT:
        news = make_news(NEWS_EVENT, door, room_id, NULL);
        if (!read_event(news, envelope)) {
            free_news(news);
            news = NULL;
        }
        break;
    case TC_ENVELOPE_HEAD:
        news = make_news(NEWS_HEAD, door, room_id, NULL);
        news->seq = envelope->seq;
        break;
    case TC_ENVELOPE_TYPING:
        if (tc_envelope_decode_typing(envelope, &typing)) {
            news = make_news(NEWS_TYPING, door, room_id, typing.user_id);
            news->frame = tc_typing_frame(typing.user_id, typing.user_email, typing.is_typing);
        }
        tc_envelope_typing_free(&typing);
        break;
    case TC_ENVELOPE_BEAT:
    case TC_ENVELOPE_SPENT:
        break;
    }
    return news;
}

/* When the loop does not come after, news are dropped, and it is told to look for itself later. */
static bool is_overrun(tc_bus_redis_t *redis)
{
    tc_redis_door_t *door;
    unsigned waiting = atomic_load(&redis->incoming);

    if (waiting >= TC_BUS_QUEUE_MAILS) {
        redis->overrun = true;
        tc_metrics_add(TC_METRICS_CHILD, TC_M_BUS_DROPPED + TC_L_WAY_IN, 1);
        return true;
    }
    if (redis->overrun && waiting < TC_BUS_QUEUE_MAILS / 2) {
        redis->overrun = false;
        for (door = redis->doors; door != NULL; door = door->next) {
            post_state(redis, door);
        }
    }
    return false;
}

/* False, as below, when the envelope is none of the kind that comes on the channel. */
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

static bool pass_on(tc_bus_redis_t *redis, const tc_channel_t *channel, const tc_envelope_t *envelope)
{
    const tc_listener_t *listener;

    for (listener = channel->listeners; listener != NULL; listener = listener->next) {
        news_t *news = read_news(envelope, listener->door, &channel->room_id);

        if (news == NULL) {
            return false;
        }
        post_news(redis, news);
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
    if (tc_uuid_equal(&envelope.child, &redis->child)) {
        return; /* the loop knew before the bus did */
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
    tc_loop_quit(redis->own_loop);
}

static void bus_main(void *context)
{
    tc_bus_redis_t *redis = context;
    int i;

    tc_thread_set_role(TC_THREAD_BUS);
    tc_loop_run(redis->own_loop, redis);
    tc_loop_close(redis->own_loop, redis);
    for (i = 0; i < redis->link_count; i++) {
        tc_redis_link_stop(&redis->links[i]);
    }
    if (redis->spending != NULL) {
        tc_spending_free(redis->spending);
    }
    tc_channel_forget_all(redis->channels);
}

/* Doors to the same Redis share a link. */
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
            tc_redis_link_init(&redis->links[i], &door->address, door->prefix, &redis->child,
                               &link_events, redis, redis->own_loop, pool);
            redis->link_count++;
        }
        redis->links[i].slots |= UINT64_C(1) << door->site->metrics_slot;
        door->link = &redis->links[i];
        door->redis = redis;
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
    atomic_init(&redis->outgoing, 0);
    atomic_init(&redis->incoming, 0);
    redis->doors = doors;
    redis->loop = loop;
    redis->hub = hub;
    redis->begin.deliver = deliver_begin;
    redis->quit.deliver = deliver_quit;
    redis->channels = apr_hash_make(own_pool);
    tc_uuid_make_v7(&redis->child);
    rv = tc_loop_create(&redis->own_loop, 0, own_pool);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    make_links(redis, own_pool);
    if (meter != NULL) {
        redis->spending = tc_spending_create(meter, &redis->child, redis->own_loop, publish_spending, own_pool);
    }
    (void)tc_loop_post(redis->own_loop, &redis->begin);
    rv = tc_worker_thread_start(&redis->thread, bus_main, redis, pool);
    if (rv == APR_SUCCESS) {
        *out = redis;
    }
    return rv;
}

bool tc_bus_redis_stop(tc_bus_redis_t *redis, int64_t timeout_us)
{
    (void)tc_loop_post(redis->own_loop, &redis->quit);
    return tc_worker_thread_join(&redis->thread, timeout_us);
}
