/*
 * The state of a run: its connections, what they count, and the phase that the run is in. One thread, one epoll set:
 * nothing here is shared. This header has the types alone; each file says which part of the state it works on.
 */
#ifndef BENCH_TCLOAD_BENCH_H
#define BENCH_TCLOAD_BENCH_H

#include "common/buf.h"
#include "tcload/figures.h"
#include "tcload/message.h"
#include "tcload/options.h"
#include "tcload/order.h"
#include "tcload/sender.h"
#include "tcload/snapshot.h"
#include "tcload/target.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <openssl/ssl.h>

#define PAUSE_NS (100 * NS_PER_MS) /* after a failed connection or a refused message */

enum state { ST_NEW, ST_CONNECT, ST_TLS, ST_HTTP, ST_HISTORY, ST_LIVE, ST_CLOSING, ST_DONE, ST_FAILED };

typedef struct {
    int fd;                     /* -1: none */
    uint32_t index;             /* in bench_t's conns */
    enum state state;
    uint32_t events;            /* what epoll watches; 0: not in the set yet */
    SSL *ssl;                   /* NULL: plain */
    buf_t in;                   /* the beginning of a frame whose rest has not come yet */
    buf_t out;                  /* what the socket would not take */
    buf_t fragments;            /* the beginning of a fragmented message */
    track_t track;
    uint64_t since_ns;          /* when connect() was called, or our close frame sent */
    bool got_close;
    sender_t *sender;           /* NULL: only receives */
} conn_t;

/* A connection that waits: connect mode opens it again then, the others let it send again. */
typedef struct { uint32_t index; uint64_t until_ns; } paused_t;

typedef struct {
    options_t opt;
    target_t target;
    message_t message;
    figures_t figures;

    /* what is counted */
    counts_t counts;
    order_t order;
    senders_t senders;
    hist_t latency;
    reasons_t failures, errors;
    uint64_t n_sent, n_edits, n_pings, n_other, n_skipped;
    uint64_t last_delivery_ns;

    /* connections: conn.c */
    conn_t *conns;
    uint32_t n_conns;
    uint32_t n_handshaking, n_live, n_closing, n_failed;
    uint64_t n_attempts;        /* connect mode: each goes to the next room */
    uint32_t *reopen;           /* connect mode: connections to use again */
    uint32_t n_reopen;
    paused_t *paused;
    uint32_t n_paused;

    /* the loop: loop.c */
    int epoll_fd;
    bool no_pwait2;             /* the kernel has no epoll_pwait2() */
    uint32_t next_open, open_target; /* which connection is opened next, and where that ends */
    uint64_t loop_ns, next_tick_ns, next_scan_ns;

    /* the phase: modes.c */
    bool is_resuming;           /* reconnect mode: the handshakes ask for what came after last_seq */
    bool is_churning;           /* connect mode: connections that have closed open again */
    bool is_sending, is_measuring;
    bool timed_out;             /* a phase did not come to its end in --timeout */
    bool has_trouble;           /* the run cannot say what it should */

    /* sending: traffic.c */
    conn_t **sender_conns;      /* by room first: members 0 of all rooms, then members 1 */
    uint32_t pace_at;
    uint64_t pace_next_ns, pace_step_ns;

    /* receiving: receive.c, chat.c */
    char *scratch;              /* what a read() brings, whichever connection it is for */
    size_t scratch_cap;
    size_t seq_hint[2];         /* where "seq" stood last, in others' copies and in own copies */
    uint32_t sample_left;       /* deliveries until the next latency sample */
    uint32_t rng;
} bench_t;

#endif
