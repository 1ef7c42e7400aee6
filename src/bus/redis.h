/*
 * The bus over Redis: `TripChatBus redis://…`. A *door* is a site's way to it, made at start-up; a child
 * has one bus thread with a link to each Redis that its doors lead to. The loop tells the thread of rooms
 * and events by mail, and is told of other children's the same way.
 */
#ifndef TC_BUS_REDIS_H
#define TC_BUS_REDIS_H

#include "bus/redis_url.h"
#include "domain/hub.h"
#include "engine/loop.h"
#include "shared/meter.h"

typedef struct tc_bus_redis_t tc_bus_redis_t; /* a child's bus thread */

typedef struct tc_redis_door_t {
    tc_bus_t bus; /* stands first; loop */
    const tc_site_t *site;
    const char *prefix;         /* of the channels: keeps sites apart on one Redis */
    tc_redis_address_t address;
    tc_bus_redis_t *redis;      /* the child's; const after tc_bus_redis_start() */
    struct tc_redis_link_t *link; /* bus */
    struct tc_redis_door_t *next; /* const after start-up */
} tc_redis_door_t;

/* Fills in the domain's side of a door; the other fields are the caller's. */
void tc_redis_door_init(tc_redis_door_t *door);

/*
 * Starts the thread for a list of doors; `loop` and `hub` outlive it, and so does `meter`, into which goes what users
 * spend on other httpds (NULL: nothing does). Worker.
 */
apr_status_t tc_bus_redis_start(tc_bus_redis_t **redis, tc_redis_door_t *doors, tc_loop_t *loop,
                                tc_hub_t *hub, tc_shared_meter_t *meter, apr_pool_t *pool);

/* Publishes what is queued and ends; false when that took longer than `timeout_us`. Worker. */
bool tc_bus_redis_stop(tc_bus_redis_t *redis, int64_t timeout_us);

#endif
