/*
 * The modes: each opens its connections, runs its phases and prints its figures.
 *
 * latency      fanout: from the send time, which is in the content, to the read() that completed the frame, for one
 *              delivery in --sample. ingest: from send to own copy. connect and reconnect: from connect() to the
 *              history. A paced message (--rate) counts from when it was really sent.
 * server_cpu   the CPU clocks of the server's processes at both ends of the window; user and system from
 *              /proc/PID/stat, in ticks.
 * bytes_per_connection   the private memory of all server processes after, less before, by connection opened in
 *              between. Kernel memory (socket buffers) is not in it.
 */
#ifndef BENCH_TCLOAD_MODES_H
#define BENCH_TCLOAD_MODES_H

#include "tcload/bench.h"

/* Runs the mode of b->opt. Connections may still be open afterwards. */
void modes_run(bench_t *b);

#endif
