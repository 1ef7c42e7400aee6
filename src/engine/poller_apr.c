/* The poller over apr_pollset, for systems without epoll. See poller.h. */
#include "engine/poller.h"

#if !defined(__linux__) || defined(TC_POLLER_APR)

#include "base/clock.h"
#include "base/units.h"

#include <apr_poll.h>
#include <apr_portable.h>
#include <apr_tables.h>

struct tc_poller_t {
    apr_pool_t *pool;
    apr_pollset_t *pollset;
    const apr_pollfd_t *ready;
    apr_int32_t count; /* entries in `ready` */
    apr_uint32_t turn; /* the entry with which tc_poller_dispatch() begins */
    apr_array_header_t *spare; /* apr_pollfd_t with their sockets, to use again: a pool does not free single objects */
};

apr_status_t tc_poller_create(tc_poller_t **out, apr_pool_t *pool)
{
    tc_poller_t *poller = apr_pcalloc(pool, sizeof(*poller));

    poller->pool = pool;
    poller->spare = apr_array_make(pool, 64, sizeof(apr_pollfd_t *));
    *out = poller;
    return apr_pollset_create(&poller->pollset, TC_POLLER_READY_MAX, pool,
                              APR_POLLSET_WAKEABLE | APR_POLLSET_NOCOPY);
}

static apr_status_t start_watching(tc_poller_t *poller, tc_io_t *io)
{
    apr_pollfd_t **spare = apr_array_pop(poller->spare);
    apr_pollfd_t *poll = spare ? *spare : apr_pcalloc(poller->pool, sizeof(*poll));
    apr_os_sock_t os_socket = io->fd;

    poll->p = poller->pool;
    poll->desc_type = APR_POLL_SOCKET;
    poll->client_data = io;
    io->private_ = poll;
    return apr_os_sock_put(&poll->desc.s, &os_socket, poller->pool);
}

static void stop_watching(tc_poller_t *poller, tc_io_t *io)
{
    APR_ARRAY_PUSH(poller->spare, apr_pollfd_t *) = io->private_;
    io->private_ = NULL;
}

/* apr_pollset cannot change the events of a descriptor: the descriptor is removed and added again. */
apr_status_t tc_poller_set(tc_poller_t *poller, tc_io_t *io, unsigned events)
{
    apr_status_t rv = APR_SUCCESS;
    apr_pollfd_t *poll;

    if (io->events == events) {
        return APR_SUCCESS;
    }
    if (io->events != 0) {
        (void)apr_pollset_remove(poller->pollset, io->private_);
    }
    else {
        rv = start_watching(poller, io);
    }
    io->events = 0;
    poll = io->private_;
    poll->reqevents = (apr_int16_t)((events & TC_POLL_IN ? APR_POLLIN : 0)
                                    | (events & TC_POLL_OUT ? APR_POLLOUT : 0));
    if (rv == APR_SUCCESS && events != 0) {
        rv = apr_pollset_add(poller->pollset, poll);
    }
    if (rv != APR_SUCCESS || events == 0) {
        stop_watching(poller, io);
        return rv;
    }
    io->events = (uint8_t)events;
    return APR_SUCCESS;
}

static unsigned translate(apr_int16_t events)
{
    return ((events & APR_POLLIN) ? TC_POLL_IN : 0u) | ((events & APR_POLLOUT) ? TC_POLL_OUT : 0u)
           | ((events & (APR_POLLHUP | APR_POLLERR | APR_POLLNVAL)) ? TC_POLL_HANGUP : 0u);
}

apr_status_t tc_poller_wait(tc_poller_t *poller, int64_t timeout_us)
{
    apr_status_t rv;

    /* APR cuts this to milliseconds: round up, or the end of a wait becomes a spin. */
    if (timeout_us > 0) {
        timeout_us = (timeout_us + TC_US_PER_MS - 1) / TC_US_PER_MS * TC_US_PER_MS;
    }
    poller->count = 0;
    rv = apr_pollset_poll(poller->pollset, timeout_us, &poller->count, &poller->ready);
    if (rv == APR_SUCCESS) {
        return APR_SUCCESS;
    }
    poller->count = 0;
    return APR_STATUS_IS_EINTR(rv) || APR_STATUS_IS_TIMEUP(rv) ? APR_SUCCESS : rv;
}

void tc_poller_dispatch(tc_poller_t *poller, int64_t until_us)
{
    apr_int32_t i;

    for (i = 0; i < poller->count && tc_clock_monotonic_us() < until_us; i++) {
        const apr_pollfd_t *ready = &poller->ready[poller->turn++ % (apr_uint32_t)poller->count];
        tc_io_t *io = ready->client_data;

        if (io->events != 0) {
            io->on_ready(io, translate(ready->rtnevents));
        }
    }
    if (i >= poller->count) {
        poller->turn = 0;
    }
}

void tc_poller_wake(tc_poller_t *poller)
{
    (void)apr_pollset_wakeup(poller->pollset);
}

#else
typedef int tc_poller_apr_is_not_built_here;
#endif
