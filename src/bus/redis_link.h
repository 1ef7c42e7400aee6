/*
 * A child's link to one Redis: one connection subscribes, the other one publishes. A heartbeat is published and must
 * come back through the subscription. If it does not, the link is down and reconnects, after a longer wait each time.
 * A replica takes PUBLISH, too, but tells only its own subscribers. So a Redis that says that it is one is not used.
 * Bus.
 */
#ifndef TC_BUS_REDIS_LINK_H
#define TC_BUS_REDIS_LINK_H

#include "base/uuid.h"
#include "bus/redis_conn.h"

#include <apr_hash.h>

struct tc_redis_link_t;

/* What the owner is told. */
typedef struct {
    /* The link has come up or gone down. */
    void (*on_state)(struct tc_redis_link_t *link, bool up);
    /* Redis has confirmed a subscription. After a reconnect all are confirmed again before the link is up. */
    void (*on_subscribed)(struct tc_redis_link_t *link, const char *channel);
    void (*on_message)(struct tc_redis_link_t *link, const char *channel, const char *data,
                       size_t len);
} tc_redis_link_events_t;

typedef struct tc_redis_link_t {
    tc_redis_conn_t sub;
    tc_redis_conn_t pub;
    const tc_redis_address_t *address;
    const tc_redis_link_events_t *events;
    void *owner;
    tc_loop_t *loop;
    apr_hash_t *channels;     /* subscribed, or to be; each malloc'ed name is its key and its value */
    tc_uuid_t child;
    char *beat_channel;
    tc_timer_t timer;         /* the next beat, or the next try */
    bool up;
    bool complained;          /* the reason why it is down has been logged */
    unsigned tries;           /* since it was last up for a while */
    int64_t up_since_us;      /* meaningful while it is up */
    int64_t sub_heard_us;     /* when each connection was opened or last received something */
    int64_t pub_heard_us;
    int64_t beats;
    uint64_t slots;           /* const after the start; a bit for each metrics slot (base/metrics.h) of its sites */
    unsigned counted_as;      /* TC_L_LINK_…; TC_L_LINK_COUNT: not counted */
    int64_t timed_beat;       /* the beat whose return is timed; 0: none */
    int64_t timed_since_us;   /* when that beat was sent */
    uint64_t said, answered;  /* commands sent on pub, and replies to them, since it was opened */
    uint64_t role_at, memory_at; /* the numbers of the replies to INFO; 0: none is expected */
    int64_t role_due_us, memory_due_us; /* when INFO is sent next */
    bool info_refused;        /* our Redis user must not send INFO */
    bool beat_came;           /* a beat has come back since the connections were opened */
} tc_redis_link_t;

/*
 * tc_redis_link_init() fills in a link that is down. `prefix` is the prefix of one of the link's doors. `child` is
 * copied; the objects that the other pointers lead to must outlive the link. tc_redis_link_start() begins to connect.
 * tc_redis_link_stop() sends as many queued bytes as the socket takes, closes the link and frees the link's memory. It
 * may be called twice.
 */
void tc_redis_link_init(tc_redis_link_t *link, const tc_redis_address_t *address,
                        const char *prefix, const tc_uuid_t *child,
                        const tc_redis_link_events_t *events, void *owner, tc_loop_t *loop,
                        apr_pool_t *pool);
void tc_redis_link_start(tc_redis_link_t *link);
void tc_redis_link_stop(tc_redis_link_t *link);

/* Subscribes to a channel, whose name is copied, or unsubscribes. A link that reconnects subscribes again. */
void tc_redis_link_subscribe(tc_redis_link_t *link, const char *channel);
void tc_redis_link_unsubscribe(tc_redis_link_t *link, const char *channel);

/* Publishes `len` bytes, which are copied. Without a connection they are lost. */
void tc_redis_link_publish(tc_redis_link_t *link, const char *channel, const void *data, size_t len);

#endif
