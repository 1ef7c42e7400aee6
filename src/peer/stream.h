/*
 * Clients without WebSocket that the loop holds: a stream of server-sent events (HTML standard, 9.2), and a
 * long poll, which is answered once, when the room has news for it. Both only listen.
 */
#ifndef TC_PEER_STREAM_H
#define TC_PEER_STREAM_H

#include "peer/adoption.h"

/*
 * Takes an adoption's contents over and frees it. Of a stream of events the head of the answer has been
 * sent; of a poll nothing. Loop.
 */
void tc_stream_create(tc_peers_t *peers, tc_adoption_t *adoption);

#endif
