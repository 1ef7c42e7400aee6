/*
 * tcload: load generator and checker for the WebSocket chat of mod_tripchat.
 *
 * One thread, one epoll set, no JSON library: tcload shares the machine with the server that it measures, so it must
 * stay cheap. It is no conformance test. It talks to loopback addresses only, and checks no certificate.
 * RFC 6455, client side.
 *
 *   idle       opens N connections, and weighs the server before and after
 *   fanout     one sender a room; every member checks everything that arrives
 *   ingest     members send as fast as their own copies come back
 *   connect    connects, reads the history, closes, and begins again
 *   reconnect  all connect, all leave, all come back at once with ?after=
 *
 * How each figure is got: order.h (lost, duplicated, reordered), sender.h (unanswered, stray_echoes), snapshot.h
 * (deliveries, messages), modes.h (latency, CPU, memory). The clock is CLOCK_MONOTONIC.
 */
#include "common/util.h"
#include "tcload/bench.h"
#include "tcload/loop.h"
#include "tcload/modes.h"
#include "tcload/traffic.h"

#include <stdio.h>
#include <string.h>
#include <openssl/rand.h>

static void check_fd_limit(const bench_t *b)
{
    rlim_t limit = raise_fd_limit();

    if (limit < (rlim_t)b->n_conns + 16)
        die("%u connections don't fit in %llu file descriptors (ulimit -Hn)", b->n_conns, (unsigned long long)limit);
}

/* One nonce for the whole run: run id, random numbers and the key of all handshakes come from it. */
static void init_identity(bench_t *b)
{
    unsigned char nonce[NONCE_BYTES];
    uint32_t run_id;

    if (RAND_bytes(nonce, sizeof(nonce)) != 1)
        die("RAND_bytes failed");
    memcpy(&run_id, nonce, 4);
    memcpy(&b->rng, nonce + 4, 4);
    b->rng |= 1;
    target_set_key(&b->target, nonce);
    message_init(&b->message, run_id, b->opt.payload_bytes);
}

static void init_conns(bench_t *b)
{
    b->conns = zeroed(b->n_conns, sizeof(*b->conns));
    for (uint32_t i = 0; i < b->n_conns; i++) {
        b->conns[i].fd = -1;
        b->conns[i].index = i;
    }
    b->seq_hint[0] = b->seq_hint[1] = 16;
    order_init(&b->order, b->opt.n_rooms);
    traffic_init(b);
}

static void begin(bench_t *b)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    b->n_conns = b->opt.n_conns;
    check_fd_limit(b);
    target_check_trip_format(&b->opt);
    procs_check(b->opt.pids);
    procs_check(b->opt.database_pids);
    target_init(&b->target, &b->opt);
    init_identity(b);
    loop_init(b);
    init_conns(b);
}

static void print_setting(bench_t *b)
{
    const options_t *o = &b->opt;
    figures_t *f = &b->figures;

    printf("tcload %s %s://%s%s\n", options_mode_name(o), b->target.tls ? "wss" : "ws", b->target.host,
           b->target.path);
    figures_open(f, options_mode_name(o), b->target.tls != NULL);
    fig_count(f, "rooms", o->n_rooms, "");
    if (o->mode != MODE_CONNECT)
        fig_count(f, "members", o->n_members, "a room");
    if (!options_sends(o))
        return;
    if (o->rate > 0)
        fig_num(f, "rate", o->rate, "messages/s and sender");
    else
        fig_count(f, "window", o->window, "outstanding a sender");
    fig_count(f, "payload", message_content_bytes(o->payload_bytes), "B of content");
}

static int finish(bench_t *b)
{
    bool ok;

    loop_close_all(b);
    if (loop_interrupted())
        note("stopped by a signal");
    fig_count(&b->figures, "failed_connections", b->n_failed, "");
    fig_reasons(&b->figures, "failures", &b->failures);
    ok = !b->order.n_lost && !b->order.n_duplicated && !b->order.n_reordered && !b->senders.n_unanswered
        && !b->senders.n_stray && !b->n_failed && !b->timed_out && !b->has_trouble && !loop_interrupted();
    figures_close(&b->figures, b->timed_out, ok, b->opt.json);
    return ok ? 0 : 1;
}

int main(int argc, char **argv)
{
    static bench_t bench;
    bench_t *b = &bench;

    options_read(&b->opt, argc, argv);
    begin(b);
    print_setting(b);
    modes_run(b);
    return finish(b);
}
