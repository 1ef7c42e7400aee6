/* See loop.h. */
#include "tcload/loop.h"
#include "common/util.h"
#include "tcload/conn.h"
#include "tcload/receive.h"
#include "tcload/traffic.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#define MAX_EVENTS    512
#define TICK_NS       (10 * NS_PER_MS)
#define CLOSE_WAIT_NS (10 * NS_PER_S)   /* for the answer to our close frame, and the end of the stream */
#define CLOSE_LIMIT_S 15.0
#define GAP_GRACE_NS  NS_PER_S          /* a missing event may still come so long after the last one */

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

void loop_init(bench_t *b)
{
    struct sigaction stop;

    memset(&stop, 0, sizeof(stop));
    stop.sa_handler = on_signal;
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    signal(SIGPIPE, SIG_IGN);
    b->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (b->epoll_fd < 0)
        die("epoll_create1: %s", strerror(errno));
}

bool loop_interrupted(void)
{
    return interrupted != 0;
}

/* ---- one turn ---- */

static void on_ready(bench_t *b, conn_t *c, uint32_t events)
{
    if (c->fd < 0)
        return;
    if (c->state == ST_CONNECT) {
        conn_on_connected(b, c);
        return;
    }
    if (c->state == ST_TLS) {
        conn_on_tls(b, c);
        return;
    }
    if (events & EPOLLOUT && !conn_flush(b, c))
        return;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        receive_all(b, c);
}

static void open_more(bench_t *b)
{
    while (b->n_handshaking < b->opt.n_handshakes && b->next_open < b->open_target)
        conn_start(b, &b->conns[b->next_open++]);
    while (b->is_churning && b->n_reopen && b->n_handshaking < b->opt.n_handshakes)
        conn_start(b, &b->conns[b->reopen[--b->n_reopen]]);
}

static void wake_paused(bench_t *b)
{
    for (uint32_t i = 0; i < b->n_paused; i++) {
        conn_t *c = &b->conns[b->paused[i].index];

        if (b->paused[i].until_ns > b->loop_ns)
            continue;
        b->paused[i--] = b->paused[--b->n_paused];
        if (b->opt.mode == MODE_CONNECT)
            b->reopen[b->n_reopen++] = c->index;
        else if (c->sender && c->state == ST_LIVE)
            traffic_resume(b, c);
    }
}

/* A close that the server does not finish is cut. */
static void sweep_closing(bench_t *b)
{
    for (uint32_t i = 0; b->n_closing && i < b->n_conns; i++) {
        conn_t *c = &b->conns[i];

        if (c->state == ST_CLOSING && c->since_ns + CLOSE_WAIT_NS <= b->loop_ns)
            conn_fail(b, c, "%s within 10 s of our close frame", c->got_close ? "no end of stream" : "no close frame");
    }
}

/* Waits for a tick at most, and with --rate until the next message is due. */
static int wait_events(bench_t *b, struct epoll_event *events)
{
    uint64_t wait_ns = TICK_NS;
    struct timespec t = { 0, 0 };
    int n;

    if (b->is_sending && b->opt.rate > 0) {
        uint64_t now = now_ns();

        wait_ns = b->pace_next_ns > now ? b->pace_next_ns - now : 0;
        wait_ns = wait_ns > TICK_NS ? TICK_NS : wait_ns;
    }
    if (!b->no_pwait2) {
        t.tv_nsec = (long)wait_ns;
        n = epoll_pwait2(b->epoll_fd, events, MAX_EVENTS, &t, NULL);
        if (n >= 0 || errno != ENOSYS)
            return n;
        b->no_pwait2 = true;
    }
    return epoll_wait(b->epoll_fd, events, MAX_EVENTS, (int)((wait_ns + NS_PER_MS - 1) / NS_PER_MS));
}

static void loop_once(bench_t *b)
{
    struct epoll_event events[MAX_EVENTS];
    int n;

    open_more(b);
    traffic_pace(b);
    n = wait_events(b, events);
    b->loop_ns = now_ns();
    for (int i = 0; i < n; i++)
        on_ready(b, &b->conns[events[i].data.u32], events[i].events);
    if (b->loop_ns >= b->next_tick_ns) {
        b->next_tick_ns = b->loop_ns + TICK_NS;
        wake_paused(b);
        sweep_closing(b);
    }
    if (b->opt.nap_us && n > 0) {
        struct timespec nap = { 0, (long)b->opt.nap_us * 1000 };

        nanosleep(&nap, NULL);
    }
}

/* ---- phases ---- */

bool loop_until(bench_t *b, done_fn *done, double limit_s)
{
    uint64_t deadline = now_ns() + s_to_ns(limit_s);

    b->loop_ns = now_ns();
    while (!done(b)) {
        if (interrupted || b->loop_ns >= deadline)
            return false;
        loop_once(b);
    }
    return true;
}

static bool none_left(bench_t *b)
{
    return b->opt.mode != MODE_CONNECT && b->n_live == 0 && b->n_handshaking == 0;
}

void loop_for(bench_t *b, double seconds)
{
    (void)loop_until(b, none_left, seconds);
}

static bool opened(bench_t *b)
{
    return b->next_open == b->open_target && b->n_handshaking == 0;
}

bool loop_is_settled(bench_t *b)
{
    return b->n_handshaking == 0 && b->n_closing == 0;
}

static bool closed(bench_t *b)
{
    return b->n_closing == 0;
}

/* It walks all connections, so it looks once a tick at most. */
bool loop_is_drained(bench_t *b)
{
    if (b->senders.n_inflight || b->loop_ns < b->next_scan_ns)
        return false;
    b->next_scan_ns = b->loop_ns + TICK_NS;
    for (uint32_t i = 0; i < b->n_conns; i++) {
        const conn_t *c = &b->conns[i];

        if (c->state == ST_LIVE && order_is_behind(&b->order, &c->track))
            return false;
    }
    return b->order.n_missing == 0 || b->loop_ns > b->last_delivery_ns + GAP_GRACE_NS;
}

void loop_fail_unfinished(bench_t *b)
{
    for (uint32_t i = 0; i < b->n_conns; i++) {
        conn_t *c = &b->conns[i];

        if (conn_is_handshaking(c))
            conn_fail(b, c, "%s when the time was over", conn_state_name(c));
    }
}

bool loop_open_to(bench_t *b, uint32_t target)
{
    b->open_target = target;
    if (!loop_until(b, opened, b->opt.timeout_s)) {
        note("%u of %u connections are open when the time is over", b->n_live, target);
        b->timed_out = true;
        b->open_target = b->next_open;
        loop_fail_unfinished(b);
    }
    return b->n_live == target;
}

void loop_close_all(bench_t *b)
{
    b->is_sending = false;
    b->loop_ns = now_ns();
    for (uint32_t i = 0; i < b->n_conns; i++) {
        if (b->conns[i].state == ST_LIVE)
            conn_close(b, &b->conns[i]);
    }
    (void)loop_until(b, closed, CLOSE_LIMIT_S);
}
