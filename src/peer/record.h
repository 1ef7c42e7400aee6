/*
 * What the connection log says of a connection, the counts of what it does and the line at its end, and what the metrics
 * count of it. Loop.
 */
#ifndef TC_PEER_RECORD_H
#define TC_PEER_RECORD_H

#include "peer/adoption.h"

/*
 * Returns the counts of a connection that begins now, or goes on here from another child. The caller frees them. NULL:
 * the site has no connection log. `now_us` is monotonic.
 */
tc_usage_t *tc_record_begin(const tc_adoption_t *adoption, int64_t now_us);

/* Writes the connection's line into the connection log, and frees its counts. NULL: nothing is logged. */
void tc_record_end(tc_usage_t *usage, const tc_usage_subject_t *subject, const tc_site_t *site, tc_peers_t *peers,
                   int64_t now_us);

/* TC_L_TRANSPORT_…, as which a connection is counted. */
unsigned tc_record_transport(const tc_adoption_t *adoption);

/* Adds a connection to those in a state (TC_L_STATE_…), or takes it out. */
void tc_record_state(const tc_site_t *site, unsigned transport, unsigned state, bool is_tls, bool is_in);

/* Counts in the metrics that a connection ends with a close code from a side (TC_L_SIDE_…), and notes that as below. */
void tc_record_close(const tc_site_t *site, tc_usage_t *usage, unsigned code, unsigned side);

/* Notes for the connection log alone how the connection ends. Only the first note counts. NULL: nothing is logged. */
void tc_record_note_close(tc_usage_t *usage, unsigned code, unsigned side);

#endif
