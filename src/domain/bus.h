/*
 * The interface to a bus. A bus tells the other children of an event, and brings their events through
 * tc_hub_on_bus_…(). The bus is a wake-up, not the record: if it loses an event, the hub finds the event in the store.
 * Implemented by src/bus/local.c, for a child that has nobody to tell, and by src/bus/redis.c.
 */
#ifndef TC_DOMAIN_BUS_H
#define TC_DOMAIN_BUS_H

#include "domain/event.h"
#include "domain/rate.h"
#include "domain/user.h"

struct tc_room_t;

typedef enum {
    TC_BUS_ALONE, /* there is no other child */
    TC_BUS_UP,    /* events go out and come in */
    TC_BUS_DOWN   /* nothing goes out or comes in: the hub asks the store for news */
} tc_bus_state_e;

/* No function keeps a pointer that it is given. While the bus is down, no publish_…() is called. Loop thread only. */
typedef struct tc_bus_t {
    tc_bus_state_e state; /* loop; tc_hub_on_bus_state() sets it */
    /* The hub has a new room, or has forgotten one: the bus subscribes, or unsubscribes. */
    void (*room_opened)(struct tc_bus_t *bus, const struct tc_room_t *room);
    void (*room_closed)(struct tc_bus_t *bus, const struct tc_room_t *room);
    /* Tells the other children of an event that this child has committed. */
    void (*publish)(struct tc_bus_t *bus, const struct tc_room_t *room, const tc_event_t *event);
    /* Tells the other children the room's last seq, in case they missed events of this child. */
    void (*publish_head)(struct tc_bus_t *bus, const struct tc_room_t *room);
    /* Tells the other children that a user types, or no longer does. Only while the bus is up. */
    void (*publish_typing)(struct tc_bus_t *bus, const struct tc_room_t *room,
                           const tc_user_t *user, bool is_typing);
    /* Tells the other servers that a user has spent a token of a rate that all servers count together. */
    void (*spend)(struct tc_bus_t *bus, tc_action_e action, const tc_user_t *user);
} tc_bus_t;

#endif
