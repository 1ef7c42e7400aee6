/* Reads a connection and takes its bytes apart: the answer to the upgrade, then frames. */
#ifndef BENCH_TCLOAD_RECEIVE_H
#define BENCH_TCLOAD_RECEIVE_H

#include "tcload/bench.h"

/* Reads all that has come, handles it, and sends what follows from it. The connection may be closed afterwards. */
void receive_all(bench_t *b, conn_t *c);

#endif
