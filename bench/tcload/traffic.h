/* Who sends a chat message when: as fast as answers come back (--window), or by the clock (--rate). */
#ifndef BENCH_TCLOAD_TRAFFIC_H
#define BENCH_TCLOAD_TRAFFIC_H

#include "tcload/bench.h"

/* Makes senders of the connections that send in this mode. */
void traffic_init(bench_t *b);

/* Lets all senders begin. */
void traffic_start(bench_t *b);

/* Fills the sender's window. The messages wait for conn_flush(). With --rate, traffic_pace() sends instead. */
void traffic_fill(bench_t *b, conn_t *c);

/* With --rate: sends the messages that are due. Called in each turn of the loop. */
void traffic_pace(bench_t *b);

/* The server refused a message: its sender waits. traffic_resume() is for the end of the wait. */
void traffic_pause(bench_t *b, conn_t *c, uint64_t ns);
void traffic_resume(bench_t *b, conn_t *c);

#endif
