/* See modes.h. */
#include "tcload/modes.h"
#include "common/util.h"
#include "tcload/loop.h"
#include "tcload/traffic.h"

#include <stdio.h>

static void take(const bench_t *b, snapshot_t *s)
{
    snapshot_take(s, &b->counts, b->opt.pids, b->opt.database_pids);
}

/* ---- idle ---- */

static void run_hold(bench_t *b)
{
    static snapshot_t from, to;

    if (b->opt.hold_s <= 0)
        return;
    note("holding %u connections for %g s", b->n_live, b->opt.hold_s);
    take(b, &from);
    loop_for(b, b->opt.hold_s);
    take(b, &to);
    fig_num(&b->figures, "hold_s", snapshot_wall_s(&from, &to), "s");
    fig_cpu(&b->figures, &from, &to, (double)b->n_live * b->opt.hold_s, "connection_second");
    fig_count(&b->figures, "pings", b->n_pings, "answered");
}

/* The server's memory before and after, by connection opened in between. */
static void fig_memory(figures_t *f, const uint64_t bytes[2], const uint32_t n_procs[2], uint32_t n_weighed)
{
    fig_count(f, "server_private_bytes_before", bytes[0], "B");
    fig_count(f, "server_private_bytes_after", bytes[1], "B");
    fig_count(f, "server_processes_before", n_procs[0], "");
    fig_count(f, "server_processes_after", n_procs[1], "");
    if (n_weighed)
        fig_num(f, "bytes_per_connection", ((double)bytes[1] - (double)bytes[0]) / n_weighed, "B");
    if (n_procs[0] != n_procs[1])
        note("the number of server processes changed: bytes_per_connection holds whole processes");
}

static void run_idle(bench_t *b)
{
    uint32_t n_warm = b->opt.n_warm < b->n_conns / 2 ? b->opt.n_warm : b->n_conns / 2, n_procs[2] = { 0, 0 };
    uint64_t bytes[2] = { 0, 0 }, start_ns;
    bool is_known = b->opt.pids != NULL;
    uint32_t n_weighed;

    loop_open_to(b, n_warm);
    loop_for(b, b->opt.settle_s);
    is_known = is_known && procs_memory(b->opt.pids, &bytes[0], &n_procs[0]);
    n_weighed = b->n_live;
    start_ns = now_ns();
    loop_open_to(b, b->n_conns);
    fig_num(&b->figures, "open_s", (double)(now_ns() - start_ns) / 1e9, "s");
    loop_for(b, b->opt.settle_s);
    n_weighed = b->n_live > n_weighed ? b->n_live - n_weighed : 0;
    fig_count(&b->figures, "connections", b->n_live, "open, warm-up included");
    fig_count(&b->figures, "connections_weighed", n_weighed, "");
    is_known = is_known && procs_memory(b->opt.pids, &bytes[1], &n_procs[1]);
    if (is_known)
        fig_memory(&b->figures, bytes, n_procs, n_weighed);
    else if (b->opt.pids)
        b->has_trouble = true;
    fflush(stdout);
    run_hold(b);
    b->has_trouble = b->has_trouble || b->n_live != b->n_conns;
}

/* ---- fanout and ingest ---- */

/* What live members never got, and what was never answered. */
static void count_losses(bench_t *b)
{
    order_lose_missing(&b->order);
    for (uint32_t i = 0; i < b->n_conns; i++) {
        if (b->conns[i].state == ST_LIVE)
            order_lose_behind(&b->order, &b->conns[i].track);
    }
    b->senders.n_unanswered += b->senders.n_inflight;
}

static void fig_traffic(bench_t *b, const snapshot_t *from, const snapshot_t *to)
{
    bool is_ingest = b->opt.mode == MODE_INGEST;
    uint64_t n_acked = to->counts.n_acked - from->counts.n_acked;
    uint64_t n_deliveries = to->counts.n_deliveries - from->counts.n_deliveries;
    double wall_s = snapshot_wall_s(from, to), reads = (double)(to->counts.n_reads - from->counts.n_reads);
    figures_t *f = &b->figures;

    fig_count(f, "connections", b->n_conns, "");
    fig_count(f, "senders", b->senders.n, "");
    fig_num(f, "window_s", wall_s, "s measured");
    fig_count(f, "messages", n_acked, "stored and back at their sender");
    fig_num(f, "messages_s", (double)n_acked / wall_s, "/s");
    fig_count(f, "deliveries", n_deliveries, "");
    fig_num(f, "deliveries_s", (double)n_deliveries / wall_s, "/s");
    fig_num(f, "received_bytes_s", (double)(to->counts.n_bytes - from->counts.n_bytes) / wall_s, "B/s");
    if (reads > 0)
        fig_num(f, "deliveries_per_read", (double)n_deliveries / reads, "of the generator's reads");
    fig_latency(f, is_ingest ? "echo_latency" : "latency", &b->latency);
    fig_cpu(f, from, to, (double)(is_ingest ? n_acked : n_deliveries), is_ingest ? "message" : "delivery");
}

static void fig_order(bench_t *b)
{
    figures_t *f = &b->figures;

    fig_count(f, "sent", b->n_sent, "warm-up included");
    fig_count(f, "acknowledged", b->counts.n_acked, "");
    fig_count(f, "received", b->counts.n_deliveries, "deliveries, warm-up included");
    fig_count(f, "lost", b->order.n_lost, "");
    fig_count(f, "duplicated", b->order.n_duplicated, "");
    fig_count(f, "reordered", b->order.n_reordered, "");
    fig_count(f, "unanswered", b->senders.n_unanswered, "");
    fig_count(f, "stray_echoes", b->senders.n_stray, "");
    if (b->opt.rate > 0)
        fig_count(f, "skipped", b->n_skipped, "due, but too many outstanding or generator too late");
    fig_count(f, "edits", b->n_edits, "");
    fig_count(f, "other_frames", b->n_other, "");
    fig_count(f, "pings", b->n_pings, "answered");
    fig_reasons(f, "errors", &b->errors);
}

static bool all_sent(bench_t *b)
{
    return b->senders.n_done == b->senders.n && loop_is_drained(b);
}

/* --messages: everything is measured, from the first message to the last delivery. */
static void measure_by_count(bench_t *b, snapshot_t *from, snapshot_t *to)
{
    take(b, from);
    b->is_measuring = true;
    traffic_start(b);
    b->timed_out = !loop_until(b, all_sent, b->opt.timeout_s);
    take(b, to);
    if (!b->timed_out && b->last_delivery_ns > from->at_ns)
        to->at_ns = b->last_delivery_ns; /* the end was noticed later */
    b->is_measuring = b->is_sending = false;
}

/* --seconds: measured after the warm-up. What comes after the window is checked, but not measured. */
static void measure_by_time(bench_t *b, snapshot_t *from, snapshot_t *to)
{
    traffic_start(b);
    loop_for(b, b->opt.warmup_s);
    take(b, from);
    b->is_measuring = true;
    loop_for(b, b->opt.seconds);
    take(b, to);
    b->is_measuring = b->is_sending = false;
    b->timed_out = !loop_until(b, loop_is_drained, b->opt.timeout_s);
}

static void run_traffic(bench_t *b)
{
    static snapshot_t from, to;

    if (!loop_open_to(b, b->n_conns)) {
        b->has_trouble = true;
        return;
    }
    loop_for(b, b->opt.settle_s);
    if (b->opt.n_messages > 0)
        measure_by_count(b, &from, &to);
    else
        measure_by_time(b, &from, &to);
    if (b->timed_out)
        note("messages are still missing when the time is over");
    count_losses(b);
    fig_traffic(b, &from, &to);
    b->has_trouble = b->has_trouble || to.counts.n_acked == from.counts.n_acked;
}

/* ---- connect and reconnect ---- */

static void run_connect(bench_t *b)
{
    static snapshot_t from, to;
    figures_t *f = &b->figures;
    double wall_s;
    uint64_t n;

    b->reopen = zeroed(b->n_conns, sizeof(*b->reopen));
    b->is_churning = true;
    b->open_target = b->n_conns;
    loop_for(b, b->opt.warmup_s);
    take(b, &from);
    b->is_measuring = true;
    loop_for(b, b->opt.seconds);
    take(b, &to);
    b->is_churning = b->is_measuring = false;
    b->open_target = b->next_open;
    if (!loop_until(b, loop_is_settled, b->opt.timeout_s)) {
        b->timed_out = true;
        loop_fail_unfinished(b);
    }
    wall_s = snapshot_wall_s(&from, &to);
    n = to.counts.n_connects - from.counts.n_connects;
    fig_count(f, "at_once", b->n_conns, "");
    fig_num(f, "window_s", wall_s, "s measured");
    fig_count(f, "connects", n, "with history");
    fig_num(f, "connects_s", (double)n / wall_s, "/s");
    fig_num(f, "received_bytes_s", (double)(to.counts.n_bytes - from.counts.n_bytes) / wall_s, "B/s");
    fig_latency(f, "connect_latency", &b->latency);
    fig_cpu(f, &from, &to, (double)n, "connect");
    b->has_trouble = b->has_trouble || n == 0;
}

/* How long it takes until all connections are live, twice: first as newcomers, then each from where it was. */
static void run_reconnect(bench_t *b)
{
    static snapshot_t from, to;

    for (unsigned round = 0; round < 2 && !b->has_trouble; round++) {
        b->next_open = 0;
        b->is_resuming = b->is_measuring = round > 0;
        take(b, &from);
        b->has_trouble = !loop_open_to(b, b->n_conns);
        take(b, &to);
        fig_num(&b->figures, round ? "reconnect_s" : "connect_s", snapshot_wall_s(&from, &to),
                "s until all have their history");
        if (round == 0)
            loop_close_all(b);
    }
    fig_count(&b->figures, "connections", b->n_conns, "");
    fig_latency(&b->figures, "reconnect_latency", &b->latency);
    fig_cpu(&b->figures, &from, &to, b->n_conns, "connect");
}

void modes_run(bench_t *b)
{
    switch (b->opt.mode) {
    case MODE_IDLE:
        run_idle(b);
        break;
    case MODE_FANOUT:
    case MODE_INGEST:
        run_traffic(b);
        break;
    case MODE_CONNECT:
        run_connect(b);
        break;
    case MODE_RECONNECT:
        run_reconnect(b);
        break;
    }
    if (options_sends(&b->opt))
        fig_order(b);
}
