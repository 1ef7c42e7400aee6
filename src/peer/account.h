/*
 * What the metrics and the connection log hear of a connection: its transport and state, and how it ends. Loop.
 */
#ifndef TC_PEER_ACCOUNT_H
#define TC_PEER_ACCOUNT_H

#include "peer/peer.h"

/* TC_L_TRANSPORT_…, as which a connection is counted. */
unsigned tc_account_transport(const tc_adoption_t *adoption);

/* Adds the peer to the count of its state, or takes it out. */
void tc_account_state(const tc_peer_t *peer, bool is_in);

/* Counts in the metrics that the peer ends with a close code from a side (TC_L_SIDE_…), and notes that as below. */
void tc_account_close(const tc_peer_t *peer, unsigned code, unsigned side);

/* Notes for the connection log alone how the peer ends. Only the first note counts. */
void tc_account_note_close(const tc_peer_t *peer, unsigned code, unsigned side);

/* Tells the connection log of the end of the peer, if it is told. Once. */
void tc_account_end(tc_peer_t *peer);

#endif
