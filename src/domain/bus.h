/*
 * What the domain asks of a bus: tell the other children of an event (a wake-up, not the record: what
 * it loses, the hub finds in the store), and bring theirs through tc_hub_on_bus_…(). Implemented by
 * src/bus/local.c, for the one child that has nobody to tell, and src/bus/redis.c.
 */
#ifndef TC_DOMAIN_BUS_H
#define TC_DOMAIN_BUS_H

#include "domain/event.h"
#include "domain/rate.h"
#include "domain/user.h"

struct tc_room_t;

typedef enum {
    TC_BUS_ALONE, /* there is no other child */
    TC_BUS_UP,    /* it brings and takes */
    TC_BUS_DOWN   /* it does not: tell it nothing, ask the store for news */
} tc_bus_state_e;

/* None of these keeps what it is given. Loop. */
typedef struct tc_bus_t {
    tc_bus_state_e state; /* loop; tc_hub_on_bus_state() sets it */
    /* A room has its first member, or has been forgotten. */
    void (*room_opened)(struct tc_bus_t *bus, const struct tc_room_t *room);
    void (*room_closed)(struct tc_bus_t *bus, const struct tc_room_t *room);
    /* An event was committed by this child. */
    void (*publish)(struct tc_bus_t *bus, const struct tc_room_t *room, const tc_event_t *event);
    /* The room has come as far as its timeline: for those who may have missed how. */
    void (*publish_head)(struct tc_bus_t *bus, const struct tc_room_t *room);
    void (*publish_typing)(struct tc_bus_t *bus, const struct tc_room_t *room,
                           const tc_user_t *user, bool is_typing);
    /* A user has spent a token of those that all httpds count together. */
    void (*spend)(struct tc_bus_t *bus, tc_action_e action, const tc_user_t *user);
} tc_bus_t;

#endif
