/* From the commit to the sockets. See flight.h. */
#include "base/flight.h"

#include "base/alloc.h"
#include "base/metrics.h"

#include <stdlib.h>

struct tc_flight_t {
    int64_t committed_us; /* 0: the time has gone to the metrics */
    int64_t landed_us;    /* when the latest frame reached its socket; 0: none has */
    unsigned slot;
    uint32_t refs;
    uint32_t queued;
};

tc_flight_t *tc_flight_create(unsigned slot, int64_t committed_us)
{
    tc_flight_t *flight = tc_alloc_zero(sizeof(*flight));

    flight->committed_us = committed_us;
    flight->slot = slot;
    flight->refs = 1;
    return flight;
}

tc_flight_t *tc_flight_ref(tc_flight_t *flight)
{
    if (flight != NULL) {
        flight->refs++;
    }
    return flight;
}

void tc_flight_unref(tc_flight_t *flight)
{
    if (flight != NULL && --flight->refs == 0) {
        free(flight);
    }
}

void tc_flight_board(tc_flight_t *flight)
{
    if (flight != NULL) {
        flight->queued++;
    }
}

static void leave_queue(tc_flight_t *flight)
{
    if (--flight->queued == 0 && flight->committed_us != 0 && flight->landed_us != 0) {
        tc_metrics_observe_us(flight->slot, TC_M_DELIVERY_TIME, flight->landed_us - flight->committed_us);
        flight->committed_us = 0;
    }
}

void tc_flight_land(tc_flight_t *flight, int64_t now_us)
{
    if (flight != NULL) {
        flight->landed_us = now_us;
        leave_queue(flight);
    }
}

void tc_flight_cancel(tc_flight_t *flight)
{
    if (flight != NULL) {
        leave_queue(flight);
    }
}
