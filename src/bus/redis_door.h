/*
 * A site's way to its Redis, from start-up on, and what the loop and the bus thread of a child have in common. The loop
 * makes orders for the thread (redis_order.h), the thread makes news for the loop (redis_news.h).
 */
#ifndef TC_BUS_REDIS_DOOR_H
#define TC_BUS_REDIS_DOOR_H

#include "base/mail.h"
#include "bus/redis_url.h"
#include "domain/hub.h"
#include "engine/loop.h"

#include <stdatomic.h>

struct tc_redis_link_t;

/* What goes to and fro in a child. */
typedef struct {
    tc_loop_t *loop;      /* const; the child's */
    tc_loop_t *bus_loop;  /* const; the bus thread's */
    tc_hub_t *hub;        /* loop */
    tc_uuid_t child;      /* const; how this child is called on the bus */
    void (*obey)(tc_mail_t *mail, void *context); /* const; what the bus thread does with an order */
    atomic_uint outgoing; /* orders that the bus thread has not taken */
    atomic_uint incoming; /* news that the loop has not taken */
} tc_redis_exchange_t;

typedef struct tc_redis_door_t {
    tc_bus_t bus; /* stands first; loop */
    const tc_site_t *site;
    const char *prefix;            /* of the channels: keeps sites apart on one Redis */
    tc_redis_address_t address;
    tc_redis_exchange_t *exchange; /* the child's; const after tc_bus_redis_start() */
    struct tc_redis_link_t *link;  /* bus */
    struct tc_redis_door_t *next;  /* const after start-up */
} tc_redis_door_t;

#endif
