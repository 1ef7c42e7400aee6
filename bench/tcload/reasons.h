/* Counts short texts: why connections failed, and which error codes the server sent. */
#ifndef BENCH_TCLOAD_REASONS_H
#define BENCH_TCLOAD_REASONS_H

#include <stdint.h>

#define MAX_REASONS 32

typedef struct { char text[112]; uint64_t count; } reason_t;
typedef struct { reason_t list[MAX_REASONS]; uint32_t n; } reasons_t;

/*
 * Counts the text, which may come from the peer: what JSON or a terminal would mistake becomes "?". When the table is
 * full, the last place counts every text that is not in the table.
 */
void reasons_add(reasons_t *r, const char *text);

#endif
