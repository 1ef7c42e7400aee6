/*
 * An event's way from its commit to the sockets: in how many queues its bytes still stand. Made by the thread that
 * committed it, handed over whole; then the loop's. The frames of an event, in whatever form, share one.
 */
#ifndef TC_BASE_FLIGHT_H
#define TC_BASE_FLIGHT_H

#include <stdint.h>

typedef struct tc_flight_t tc_flight_t;

/* A flight of an event of the site with this slot (base/metrics.h); one reference. */
tc_flight_t *tc_flight_create(unsigned slot, int64_t committed_us);

/* NULL is allowed in all of these, and goes on no flight. */
tc_flight_t *tc_flight_ref(tc_flight_t *flight);
void tc_flight_unref(tc_flight_t *flight);

/* A frame of it stands in one more queue. */
void tc_flight_board(tc_flight_t *flight);

/* One has left its queue for its socket, or was dropped. With the last the flight is observed, once. */
void tc_flight_land(tc_flight_t *flight, int64_t now_us);
void tc_flight_cancel(tc_flight_t *flight);

#endif
