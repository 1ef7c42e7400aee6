/*
 * Tells which descriptors are ready: by epoll on Linux, by apr_pollset elsewhere (and on Linux with -DTC_POLLER_APR).
 * apr_pollset needs an apr_socket_t for each descriptor. With its two addresses an apr_socket_t takes half a kilobyte,
 * a third of the memory that a connection may use. Loop thread only, except tc_poller_wake().
 */
#ifndef TC_ENGINE_POLLER_H
#define TC_ENGINE_POLLER_H

#include <apr_errno.h>
#include <apr_pools.h>
#include <stdint.h>

#define TC_POLLER_READY_MAX 512 /* descriptors that one wait reports at most; any number may be watched */

typedef enum {
    TC_POLL_IN = 1,
    TC_POLL_OUT = 2,
    TC_POLL_HANGUP = 4 /* broken, or closed both ways; always reported */
} tc_poll_events_e;

typedef struct tc_poller_t tc_poller_t;

/* A watched descriptor; embedded in its owner. */
typedef struct tc_io_t {
    int fd;
    uint8_t events; /* events that the poller watches for; 0: not watched */
    void *private_; /* belongs to the poller */
    void (*on_ready)(struct tc_io_t *io, unsigned events);
} tc_io_t;

/* Makes a poller that lives as long as `pool`, the loop's own pool. */
apr_status_t tc_poller_create(tc_poller_t **poller, apr_pool_t *pool);

/* From now on, watches io->fd for `events` only (TC_POLL_IN, TC_POLL_OUT, or both); 0 stops watching. */
apr_status_t tc_poller_set(tc_poller_t *poller, tc_io_t *io, unsigned events);

/*
 * Waits up to `timeout_us` (-1: for ever) until a descriptor is ready. Returns APR_SUCCESS also after a timeout, a
 * tc_poller_wake() or a signal.
 */
apr_status_t tc_poller_wait(tc_poller_t *poller, int64_t timeout_us);

/*
 * Calls on_ready() for the descriptors that the last wait found and that are still watched, until `until_us` (monotonic).
 * The next wait finds the others again, and the call after it begins with them.
 */
void tc_poller_dispatch(tc_poller_t *poller, int64_t until_us);

/* Ends the present wait, or the next one. Any thread; safe in a signal handler. */
void tc_poller_wake(tc_poller_t *poller);

#endif
