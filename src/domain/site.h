/*
 * A site: the limits and timeouts of one virtual host. Plain numbers, const after start-up, read by every thread. Rooms
 * of two sites are always separate.
 */
#ifndef TC_DOMAIN_SITE_H
#define TC_DOMAIN_SITE_H

#include "codec/chat.h"
#include "domain/rate.h"

#include <stdatomic.h>
#include <stdint.h>

typedef struct tc_site_t {
    const char *name;  /* unique in this httpd, and the same after a reload: for logs, metrics and keys of shared counts */
    const void *log_server; /* whose log has the lines about the site (base/log.h) */
    const _Atomic uint64_t *database; /* of its store (tc_store_t), for whoever has no store; NULL: it has none */
    unsigned metrics_slot; /* the slot of its counts: base/metrics.h */
    unsigned index;    /* unique in this process, but another one after a reload; part of every room's key */
    tc_chat_rules_t rules;
    int history_msgs;          /* newest messages that a newcomer gets */
    int resume_events;         /* events that a resume may bring at most */
    size_t room_cache_bytes;   /* bytes of events that a live room keeps */
    int64_t room_linger_us;    /* an empty room is kept this long */
    int64_t token_warning_us;  /* a client is told this long before its token expires; 0: it is not told */
    bool by_token;             /* tokens say who is a user and on which trips; the site's own tables are not asked */
    int64_t recheck_us;        /* a user who is removed is disconnected within this time; 0: not checked */
    int64_t typing_interval_us; /* between two typing messages of a user; 0: no limit */
    unsigned typing_max_room;  /* typing is off in rooms with more members; 0: off everywhere */
    size_t max_message_bytes;
    unsigned inflate_ratio;    /* a compressed message may become this many times as long */
    unsigned send_queue_msgs;
    size_t send_queue_bytes;
    tc_rate_t rates[TC_ACTIONS];      /* of a connection */
    tc_rate_t user_rates[TC_ACTIONS]; /* of a user, over all of their connections */
    tc_rate_t refusal_rate;    /* refusals of a connection; beyond this rate, it is closed */
    tc_rate_t control_rate;    /* of a connection: control frames and empty fragments */
    unsigned max_pending;      /* jobs in flight of one connection; then its socket is not read */
    int64_t ping_interval_us;
    int64_t pong_timeout_us;
    int64_t frame_timeout_us;
    int64_t close_timeout_us;
    int connection_log;        /* descriptor of the log of ended connections; 0: there is none */
} tc_site_t;

/* Which database the site is on: equal for sites on one database, whatever their names; 0: not known yet. Any thread. */
static inline uint64_t tc_site_database(const tc_site_t *site)
{
    return site->database ? atomic_load(site->database) : 0;
}

#endif
