/* What the connection log says of a connection: the counts of what it does, and the line at its end. Loop. */
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

#endif
