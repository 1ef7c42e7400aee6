/*
 * A flight measures how long an event takes from its commit to the sockets. The flight counts the queues in which
 * frames of the event still wait. All frames of an event share one flight: plain, compressed and for streams. The db
 * thread that committed the event makes the flight and hands it over to the loop; then it is the loop thread's.
 */
#ifndef TC_BASE_FLIGHT_H
#define TC_BASE_FLIGHT_H

#include <stdint.h>

typedef struct tc_flight_t tc_flight_t;

/*
 * Makes a flight for an event of the site that is counted in `slot` (base/metrics.h). `committed_us` is monotonic. The
 * caller owns the one reference. Any thread.
 */
tc_flight_t *tc_flight_create(unsigned slot, int64_t committed_us);

/* All functions below allow NULL and then do nothing. Loop thread only. */
tc_flight_t *tc_flight_ref(tc_flight_t *flight);
void tc_flight_unref(tc_flight_t *flight);

/* Counts one more queue in which a frame of the event waits. */
void tc_flight_board(tc_flight_t *flight);

/*
 * Counts a frame that left its queue: _land() for one that its socket took, _cancel() for one that was dropped. When
 * no queue holds a frame any more, the time up to the latest landing goes to the metrics, once for each flight.
 */
void tc_flight_land(tc_flight_t *flight, int64_t now_us);
void tc_flight_cancel(tc_flight_t *flight);

#endif
