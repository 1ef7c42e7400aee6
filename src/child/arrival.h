/*
 * How connections come from a child that ends to one that goes on. Children that take them share them out: who has
 * more than another lets that one go first. The loop's.
 */
#ifndef TC_CHILD_ARRIVAL_H
#define TC_CHILD_ARRIVAL_H

#include "engine/loop.h"
#include "shared/handover.h"

struct tc_child_t;

typedef struct {
    tc_io_t io;
    tc_timer_t again; /* set while others go first */
    bool complained;  /* parcels that cannot be read, or were lost */
} tc_arrival_t;

/* Begins to take connections, and ends it. */
void tc_arrival_begin(struct tc_child_t *child);
void tc_arrival_end(struct tc_child_t *child);

/* Nobody will come for what waits in the passage: closes all of it with `code`. */
void tc_arrival_turn_away(struct tc_child_t *child, unsigned code, const char *reason);

#endif
