/* The poller over epoll. See poller.h. */
#include "engine/poller.h"

#if defined(__linux__) && !defined(TC_POLLER_APR)

#include "base/clock.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct tc_poller_t {
    int epoll_fd;
    int wake_fd;
    int count;     /* entries in `ready` */
    unsigned turn; /* the entry with which tc_poller_dispatch() begins */
    struct epoll_event ready[TC_POLLER_READY_MAX];
};

static apr_status_t close_poller(void *data)
{
    tc_poller_t *poller = data;

    close(poller->epoll_fd);
    close(poller->wake_fd);
    return APR_SUCCESS;
}

apr_status_t tc_poller_create(tc_poller_t **out, apr_pool_t *pool)
{
    tc_poller_t *poller = apr_pcalloc(pool, sizeof(*poller));
    struct epoll_event wake = {.events = EPOLLIN, .data.ptr = NULL};

    poller->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (poller->epoll_fd < 0) {
        return apr_get_os_error();
    }
    poller->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (poller->wake_fd < 0
        || epoll_ctl(poller->epoll_fd, EPOLL_CTL_ADD, poller->wake_fd, &wake) != 0) {
        apr_status_t rv = apr_get_os_error();

        (void)close_poller(poller);
        return rv;
    }
    apr_pool_cleanup_register(pool, poller, close_poller, apr_pool_cleanup_null);
    *out = poller;
    return APR_SUCCESS;
}

apr_status_t tc_poller_set(tc_poller_t *poller, tc_io_t *io, unsigned events)
{
    struct epoll_event event = {.data.ptr = io};
    int op = io->events == 0 ? EPOLL_CTL_ADD : events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;

    if (io->events == events) {
        return APR_SUCCESS;
    }
    event.events = (events & TC_POLL_IN ? EPOLLIN : 0u) | (events & TC_POLL_OUT ? EPOLLOUT : 0u);
    if (epoll_ctl(poller->epoll_fd, op, io->fd, &event) != 0) {
        return apr_get_os_error();
    }
    io->events = (uint8_t)events;
    return APR_SUCCESS;
}

static unsigned translate(uint32_t events)
{
    return ((events & EPOLLIN) ? TC_POLL_IN : 0u) | ((events & EPOLLOUT) ? TC_POLL_OUT : 0u)
           | ((events & (EPOLLHUP | EPOLLERR)) ? TC_POLL_HANGUP : 0u);
}

/* Microseconds to milliseconds, rounded up: after a wait that ends too early, the loop would only wait once more. */
static int to_ms(int64_t timeout_us)
{
    return timeout_us < 0 ? -1 : (int)((timeout_us + 999) / 1000);
}

static void drain_wakeups(tc_poller_t *poller)
{
    uint64_t count;

    while (read(poller->wake_fd, &count, sizeof(count)) < 0 && errno == EINTR) {
    }
}

apr_status_t tc_poller_wait(tc_poller_t *poller, int64_t timeout_us)
{
    poller->count = epoll_wait(poller->epoll_fd, poller->ready, TC_POLLER_READY_MAX,
                               to_ms(timeout_us));
    return poller->count >= 0 || errno == EINTR ? APR_SUCCESS : apr_get_os_error();
}

/* The kernel reports what stays ready in the same order each time, so the turn goes around. */
void tc_poller_dispatch(tc_poller_t *poller, int64_t until_us)
{
    int i;

    for (i = 0; i < poller->count && tc_clock_monotonic_us() < until_us; i++) {
        const struct epoll_event *event = &poller->ready[poller->turn++ % (unsigned)poller->count];
        tc_io_t *io = event->data.ptr;

        if (io == NULL) {
            drain_wakeups(poller);
        }
        else if (io->events != 0) {
            io->on_ready(io, translate(event->events));
        }
    }
    if (i >= poller->count) {
        poller->turn = 0;
    }
}

void tc_poller_wake(tc_poller_t *poller)
{
    const uint64_t one = 1;

    /* write() fails only if very many wake-ups are pending already, and then the wait ends anyway. */
    while (write(poller->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
}

#else
typedef int tc_poller_epoll_is_not_built_here;
#endif
