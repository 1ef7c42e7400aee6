/* All peers of a child. See peers.h. */
#include "peer/peers.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/weight.h"

#include <stdatomic.h>

void tc_peers_begin_turn(tc_peers_t *peers)
{
    peers->turn_ends_us = tc_clock_monotonic_us() + TC_PEER_TURN_US;
}

bool tc_peers_has_time(const tc_peers_t *peers)
{
    return tc_clock_monotonic_us() < peers->turn_ends_us;
}

tc_deflater_t *tc_peers_deflater(tc_peers_t *peers)
{
    if (peers->deflater == NULL) {
        peers->deflater = tc_deflater_create();
    }
    return peers->deflater;
}

tc_inflater_t *tc_peers_inflater(tc_peers_t *peers)
{
    if (peers->inflater == NULL) {
        peers->inflater = tc_inflater_create();
    }
    return peers->inflater;
}

uint64_t tc_peers_next_id(tc_peers_t *peers)
{
    return atomic_fetch_add(&peers->last_id, 1) + 1;
}

void tc_peers_check(tc_peers_t *peers)
{
    if (tc_weight_is_over() && tc_loop_now_us(peers->loop) >= peers->shed_due_us) {
        tc_loop_again(peers->loop, &peers->shed);
    }
}
