/*
 * A site: what one virtual host allows and how patient it is. Plain numbers, const after start-up,
 * read by every thread. Rooms of two sites never meet.
 */
#ifndef TC_DOMAIN_SITE_H
#define TC_DOMAIN_SITE_H

#include "codec/chat.h"
#include "domain/rate.h"

#include <stdint.h>

typedef struct tc_site_t {
    const char *name;  /* for logs and metrics: host:port */
    unsigned metrics_slot; /* where it is counted: base/metrics.h */
    unsigned index;    /* unique in this httpd; part of every room's key */
    tc_chat_rules_t rules;
    int history_msgs;          /* newest messages a newcomer gets */
    int resume_events;         /* events that a resume may bring */
    size_t room_cache_bytes;   /* events and frames that a live room keeps */
    int64_t room_linger_us;    /* an empty room is kept this long */
    int64_t token_warning_us;  /* before a token expires its connection is told; 0: not */
    int64_t recheck_us;        /* nobody stays longer who may no longer enter; 0: until he goes */
    int64_t typing_interval_us; /* 0: no limit */
    unsigned typing_max_room;  /* members; 0: typing is off */
    size_t max_message_bytes;
    unsigned inflate_ratio;    /* a compressed message may become so many times as long */
    unsigned send_queue_msgs;
    size_t send_queue_bytes;
    tc_rate_t rates[TC_ACTIONS];      /* of a connection */
    tc_rate_t user_rates[TC_ACTIONS]; /* of a user, over all of his connections */
    tc_rate_t refusal_rate;    /* of a connection: more of them end it */
    unsigned max_pending;      /* jobs in flight of one connection */
    int64_t ping_interval_us;
    int64_t pong_timeout_us;
    int64_t frame_timeout_us;
    int64_t close_timeout_us;
    int connection_log;        /* descriptor of the log of ended connections; 0: there is none */
} tc_site_t;

#endif
