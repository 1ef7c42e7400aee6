/* The loop over all connections, and phases that run it until a condition holds, a time is over or a signal comes. */
#ifndef BENCH_TCLOAD_LOOP_H
#define BENCH_TCLOAD_LOOP_H

#include "tcload/bench.h"

#include <stdbool.h>
#include <stdint.h>

/* Creates the epoll set, and lets SIGINT and SIGTERM end each phase. */
void loop_init(bench_t *b);

/* Whether a signal came. */
bool loop_interrupted(void);

typedef bool done_fn(bench_t *b);

/* True when `done` said so, false at the deadline or after a signal. */
bool loop_until(bench_t *b, done_fn *done, double limit_s);

/* Runs for a time, or until no connection is left. */
void loop_for(bench_t *b, double seconds);

/* Opens connections up to `target`; true when all are live. */
bool loop_open_to(bench_t *b, uint32_t target);

/* Conditions for loop_until(). Settled: none is being opened or closed. */
bool loop_is_settled(bench_t *b);

/* Drained: each connection has what any connection in the room has, and no message is without an answer. */
bool loop_is_drained(bench_t *b);

/* Fails the connections that are not through with their handshake. */
void loop_fail_unfinished(bench_t *b);

/* Closes all connections, and waits for it. */
void loop_close_all(bench_t *b);

#endif
