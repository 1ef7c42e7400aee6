/*
 * How this child takes connections from a child that ends. The children that receive share these connections: a child
 * that holds clearly more connections than another waits for the other. Every function runs on the loop.
 */
#ifndef TC_CHILD_ARRIVAL_H
#define TC_CHILD_ARRIVAL_H

#include "engine/loop.h"
#include "shared/handover.h"

struct tc_child_t;

typedef struct {
    tc_io_t io;
    tc_timer_t again; /* set while other children go first */
    bool complained;  /* TC0033 was logged */
} tc_arrival_t;

/* Begins to receive connections, and stops. tc_arrival_end() may be called without tc_arrival_begin(). */
void tc_arrival_begin(struct tc_child_t *child);
void tc_arrival_end(struct tc_child_t *child);

/*
 * Closes all connections that wait in the passage, because no child will receive them. A WebSocket between two frames
 * gets a Close with `code` and `reason`.
 */
void tc_arrival_turn_away(struct tc_child_t *child, unsigned code, const char *reason);

#endif
