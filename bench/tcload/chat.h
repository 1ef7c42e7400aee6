/* What the server says in text frames: events, histories, errors. */
#ifndef BENCH_TCLOAD_CHAT_H
#define BENCH_TCLOAD_CHAT_H

#include "tcload/bench.h"

#include <stddef.h>

/* A whole text message of n bytes. The connection may be closed afterwards. */
void chat_on_text(bench_t *b, conn_t *c, const char *p, size_t n);

#endif
