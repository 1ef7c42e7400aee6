/*
 * Clients without WebSocket that the loop holds: streams of server-sent events (HTML standard, 9.2), and long polls. A
 * poll is answered once, when the room has an event for it. These clients only listen.
 */
#ifndef TC_PEER_STREAM_H
#define TC_PEER_STREAM_H

#include "peer/adoption.h"

/*
 * Makes such a client from an adoption: takes the contents over and frees the adoption. Of a stream's answer the head
 * has been sent already, of a poll's answer nothing. Loop.
 */
void tc_stream_create(tc_peers_t *peers, tc_adoption_t *adoption);

#endif
