/* See hist.h. */
#include "tcload/hist.h"

void hist_add(hist_t *h, uint64_t ns)
{
    unsigned shift = ns < 32 ? 0 : (unsigned)(63 - __builtin_clzll(ns)) - 5;

    h->bins[ns < 32 ? ns : (uint64_t)(shift + 1) * 32 + ((ns >> shift) - 32)]++;
    h->n++;
    h->sum_ns += (double)ns;
    if (ns > h->max_ns)
        h->max_ns = ns;
}

double hist_percentile_us(const hist_t *h, double p)
{
    uint64_t want = (uint64_t)(p * (double)h->n), seen = 0;

    for (unsigned i = 0; i < HIST_BINS; i++) {
        unsigned shift = i < 64 ? 0 : i / 32 - 1;

        seen += h->bins[i];
        if (seen > want) {
            double low = i < 64 ? (double)i : (double)((uint64_t)(32 + i % 32) << shift);
            double middle = low + (double)(1ull << shift) / 2;

            return (middle > (double)h->max_ns ? (double)h->max_ns : middle) / 1e3;
        }
    }
    return (double)h->max_ns / 1e3;
}
