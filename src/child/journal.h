/*
 * The log of connections that have ended (TripChatConnectionLog). A thread of the child writes it, because a disk or
 * the program behind a pipe may be slow, and the loop must not wait. A line that does not fit into the queue is
 * dropped, and the error log says so.
 */
#ifndef TC_CHILD_JOURNAL_H
#define TC_CHILD_JOURNAL_H

#include "base/buf.h"

#include <apr_pools.h>
#include <stdbool.h>

typedef struct tc_journal_t tc_journal_t;

/*
 * Starts the thread. `pool` is for bookkeeping and outlives the thread. A status that is not success: there is no
 * thread, and *journal is not set. Loop.
 */
apr_status_t tc_journal_start(tc_journal_t **journal, apr_pool_t *pool);

/* Queues a copy of a line, which has its line end, for the open file `fd`. Loop. */
void tc_journal_write(tc_journal_t *journal, int fd, const tc_buf_t *line);

/* Has all queued lines written and ends the thread. False: that takes longer than `timeout_us`. Worker. */
bool tc_journal_stop(tc_journal_t *journal, int64_t timeout_us);

#endif
