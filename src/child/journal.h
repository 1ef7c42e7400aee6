/*
 * The log of connections that have ended (TripChatConnectionLog), written by a thread of a child's own: a disk, or the
 * program behind a pipe, may be slow, and the loop may not wait. What does not fit into its queue is dropped and
 * counted.
 */
#ifndef TC_CHILD_JOURNAL_H
#define TC_CHILD_JOURNAL_H

#include "base/buf.h"

#include <apr_pools.h>
#include <stdbool.h>

typedef struct tc_journal_t tc_journal_t;

/* Starts the thread. `pool` is for bookkeeping. Loop. */
apr_status_t tc_journal_start(tc_journal_t **journal, apr_pool_t *pool);

/* Queues a line, which ends with its line end and stays the caller's, for an open file. Loop. */
void tc_journal_write(tc_journal_t *journal, int fd, const tc_buf_t *line);

/* Has everything written that is queued, and ends the thread; false when that took longer. Worker. */
bool tc_journal_stop(tc_journal_t *journal, int64_t timeout_us);

#endif
