/* A histogram of latencies. Its steps are 1/32 of a power of two, which is about 3 %. */
#ifndef BENCH_TCLOAD_HIST_H
#define BENCH_TCLOAD_HIST_H

#include <stdint.h>

#define HIST_BINS (64 * 32)

typedef struct { uint64_t bins[HIST_BINS]; uint64_t n, max_ns; double sum_ns; } hist_t;

void hist_add(hist_t *h, uint64_t ns);

/* The middle of the step that holds the share p (0 to 1) of all values, in microseconds. */
double hist_percentile_us(const hist_t *h, double p);

#endif
