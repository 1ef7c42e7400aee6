/*
 * A door: a site's way to its Redis, made at start-up. The exchange: what the loop and the bus thread of a child share.
 * The loop makes orders for the thread (redis_order.h), the thread makes news for the loop (redis_news.h).
 */
#ifndef TC_BUS_REDIS_DOOR_H
#define TC_BUS_REDIS_DOOR_H

#include "base/mail.h"
#include "bus/redis_url.h"
#include "domain/hub.h"
#include "engine/loop.h"

#include <stdatomic.h>

struct tc_redis_link_t;

/* What the loop and the bus thread of a child share. */
typedef struct {
    tc_loop_t *loop;      /* const; the child's */
    tc_loop_t *bus_loop;  /* const; the bus thread's */
    tc_hub_t *hub;        /* loop */
    tc_uuid_t child;      /* const; the child's name on the bus */
    void (*obey)(tc_mail_t *mail, void *context); /* const; runs an order on the bus thread */
    atomic_uint outgoing; /* orders that the bus thread has not taken */
    atomic_uint incoming; /* news that the loop has not taken */
} tc_redis_exchange_t;

typedef struct tc_redis_door_t {
    tc_bus_t bus; /* stands first; loop */
    const tc_site_t *site;
    const char *prefix;            /* of the channels; keeps sites apart that share a Redis */
    tc_redis_address_t address;
    tc_redis_exchange_t *exchange; /* the child's; const after tc_bus_redis_start() */
    struct tc_redis_link_t *link;  /* bus */
    struct tc_redis_door_t *next;  /* const after start-up */
} tc_redis_door_t;

#endif
