/*
 * Does a site's database answer? A worker asks through the db threads, which may hang when the database hangs. The
 * worker itself waits for a limited time.
 */
#ifndef TC_STORE_PROBE_H
#define TC_STORE_PROBE_H

#include "engine/loop.h"
#include "store/dbd.h"

typedef enum {
    TC_PROBE_OK,
    TC_PROBE_UNWRITABLE, /* it answers, but takes no writes: it is read-only or full, for example */
    TC_PROBE_DOWN,  /* there is no connection, or the chat's tables cannot be read */
    TC_PROBE_SILENT, /* calls to the driver do not come back */
    TC_PROBE_BUSY    /* calls come back, but the db threads had no time or no connection for this one */
} tc_probe_e;

/* Asks, and waits for an answer for at most `timeout_us`. DOWN, too, when the loop has ended. Worker. */
tc_probe_e tc_probe_store(tc_loop_t *loop, tc_dbd_t *store, int64_t timeout_us);

#endif
