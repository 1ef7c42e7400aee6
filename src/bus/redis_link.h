/*
 * A child's link to one Redis: a connection that subscribes and one that publishes, a heartbeat that goes
 * out on the one and must come back on the other, and what happens when it doesn't: the link is down,
 * and tries again, later each time. Bus.
 */
#ifndef TC_BUS_REDIS_LINK_H
#define TC_BUS_REDIS_LINK_H

#include "base/uuid.h"
#include "bus/redis_conn.h"

#include <apr_hash.h>

struct tc_redis_link_t;

/* What its owner is told. */
typedef struct {
    /* The link has come up or gone down. */
    void (*on_state)(struct tc_redis_link_t *link, bool up);
    /* Redis has confirmed a subscription; after the link was down anew, before it is up again. */
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
    apr_hash_t *channels;     /* subscribed, or to be; keys malloc'ed, their own values */
    tc_uuid_t child;
    char *beat_channel;
    tc_timer_t timer;         /* the next beat, or the next try */
    bool up;
    bool complained;          /* why it is down has been said */
    unsigned tries;           /* since it was up for a while */
    int64_t up_since_us;      /* meaningful while it is up */
    int64_t sub_heard_us;     /* when each connection was opened, or said something last */
    int64_t pub_heard_us;
    int64_t beats;
    uint64_t slots;           /* const after the start: a bit for each that its sites are counted in, base/metrics.h */
    unsigned counted_as;      /* TC_L_LINK_…; TC_L_LINK_COUNT: not yet, or no more */
    int64_t timed_beat;       /* the beat whose return is waited for; 0: none */
    int64_t timed_since_us;   /* when it went out */
    uint64_t said, answered;  /* commands on pub, and replies to them, since it was opened */
    uint64_t info_at;         /* the reply that is INFO's; 0: none is to come */
    int64_t info_due_us;      /* when it is asked for next */
    bool info_refused;        /* it may not be asked for */
} tc_redis_link_t;

/*
 * Fills in a link, which is down; `prefix` is one that the channels may have, `child` who speaks. What is
 * passed must outlive it. tc_redis_link_start() begins to connect.
 */
void tc_redis_link_init(tc_redis_link_t *link, const tc_redis_address_t *address,
                        const char *prefix, const tc_uuid_t *child,
                        const tc_redis_link_events_t *events, void *owner, tc_loop_t *loop,
                        apr_pool_t *pool);
void tc_redis_link_start(tc_redis_link_t *link);
void tc_redis_link_stop(tc_redis_link_t *link);

/* Subscriptions outlive the connection. */
void tc_redis_link_subscribe(tc_redis_link_t *link, const char *channel);
void tc_redis_link_unsubscribe(tc_redis_link_t *link, const char *channel);

/* Publishes if there is a connection. */
void tc_redis_link_publish(tc_redis_link_t *link, const char *channel, const void *data, size_t len);

#endif
