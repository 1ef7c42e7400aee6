/*
 * Which descriptors are ready: epoll on Linux, apr_pollset elsewhere (and here with -DTC_POLLER_APR).
 * The two differ in what a descriptor costs: apr_pollset wants an apr_socket_t, half a kilobyte with its
 * two addresses, a third of what a connection may weigh. The loop's, but for tc_poller_wake().
 */
#ifndef TC_ENGINE_POLLER_H
#define TC_ENGINE_POLLER_H

#include <apr_errno.h>
#include <apr_pools.h>
#include <stdint.h>

#define TC_POLLER_READY_MAX 512 /* that one wait reports; watched may be any number */

typedef enum {
    TC_POLL_IN = 1,
    TC_POLL_OUT = 2,
    TC_POLL_HANGUP = 4 /* broken or closed both ways; reported whether asked for or not */
} tc_poll_events_e;

typedef struct tc_poller_t tc_poller_t;

/* A watched descriptor; embedded in its owner. */
typedef struct tc_io_t {
    int fd;
    uint8_t events; /* watched for; 0: not watched */
    void *private_; /* the poller's */
    void (*on_ready)(struct tc_io_t *io, unsigned events);
} tc_io_t;

/* Lives as long as `pool`, the loop's. */
apr_status_t tc_poller_create(tc_poller_t **poller, apr_pool_t *pool);

/* Watches io->fd for `events`, in place of what it was watched for; 0 stops watching. */
apr_status_t tc_poller_set(tc_poller_t *poller, tc_io_t *io, unsigned events);

/*
 * Waits up to `timeout_us` (-1: for ever). Returns early, with APR_SUCCESS, when woken or interrupted.
 */
apr_status_t tc_poller_wait(tc_poller_t *poller, int64_t timeout_us);

/* Calls on_ready() of what the last wait found, unless it has been given up meanwhile. */
void tc_poller_dispatch(tc_poller_t *poller);

/* Ends a wait, the present one or the next. Any thread; signal-safe. */
void tc_poller_wake(tc_poller_t *poller);

#endif
