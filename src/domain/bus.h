/*
 * What the domain asks of a bus: tell the other children of an event (a wake-up, not the record), and
 * bring theirs through tc_hub_ingest(). Implemented by src/adapters/bus_local.c, for the one child
 * that has nobody to tell.
 */
#ifndef TC_DOMAIN_BUS_H
#define TC_DOMAIN_BUS_H

#include "domain/event.h"

struct tc_room_t;

typedef struct tc_bus_t {
    /* A room has its first member, or has been forgotten. Loop. */
    void (*room_opened)(struct tc_bus_t *bus, const struct tc_room_t *room);
    void (*room_closed)(struct tc_bus_t *bus, const struct tc_room_t *room);
    /* An event was committed by this child; keeps references of its own if it needs any. Loop. */
    void (*publish)(struct tc_bus_t *bus, const struct tc_room_t *room, const tc_event_t *event);
} tc_bus_t;

#endif
