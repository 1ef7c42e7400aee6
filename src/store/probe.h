/*
 * Does a site's database answer? Asked for by a worker, who waits no longer than he says, over the db threads, which may
 * stand still with the database.
 */
#ifndef TC_STORE_PROBE_H
#define TC_STORE_PROBE_H

#include "engine/loop.h"
#include "store/dbd.h"

typedef enum {
    TC_PROBE_OK,
    TC_PROBE_DOWN,  /* there is no connection to be had, or the chat's tables cannot be read */
    TC_PROBE_SILENT /* nobody has been answered for a while */
} tc_probe_e;

/* Worker. */
tc_probe_e tc_probe_store(tc_loop_t *loop, tc_dbd_t *store, int64_t timeout_us);

#endif
