/* What was counted, and which CPU time was used, at one moment. The figures are differences between two moments. */
#ifndef BENCH_TCLOAD_SNAPSHOT_H
#define BENCH_TCLOAD_SNAPSHOT_H

#include "tcload/figures.h"
#include "tcload/procs.h"

#include <stdint.h>

/* Since the program began. */
typedef struct {
    uint64_t n_deliveries;      /* chat_message events that reached a member; the sender's own copy is one too */
    uint64_t n_acked;           /* own copies: the message is stored and has come back to its sender */
    uint64_t n_connects;        /* message_history frames */
    uint64_t n_reads, n_bytes;
} counts_t;

typedef struct {
    uint64_t at_ns;
    uint64_t own_ns;            /* CPU time of this program */
    counts_t counts;
    procs_t procs, database;
} snapshot_t;

/* The processes of the server and of its database; see procs.h. */
void snapshot_take(snapshot_t *s, const counts_t *counts, const char *pids, const char *database);

/* The time between two snapshots. */
double snapshot_wall_s(const snapshot_t *from, const snapshot_t *to);

/* CPU of server, database and generator between two snapshots, also divided by n things of the name per_name. */
void fig_cpu(figures_t *f, const snapshot_t *from, const snapshot_t *to, double n, const char *per_name);

#endif
