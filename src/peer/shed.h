/*
 * Keeps what clients make a child hold (base/weight.h) within TripChatMemory: the caches of rooms are dropped first, then
 * the connections end that hold most. Loop.
 */
#ifndef TC_PEER_SHED_H
#define TC_PEER_SHED_H

#include "peer/peers.h"

/* Makes peers->shed ready, which tc_peers_check() has run. Once, before the loop runs. */
void tc_shed_init(tc_peers_t *peers);

#endif
