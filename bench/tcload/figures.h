/* The output: each figure is a line for people on stdout, and a member of the JSON object that --json prints last. */
#ifndef BENCH_TCLOAD_FIGURES_H
#define BENCH_TCLOAD_FIGURES_H

#include "tcload/hist.h"
#include "tcload/reasons.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct {
    FILE *json;                 /* writes to json_text */
    char *json_text;            /* the object so far; valid after the stream is closed */
    size_t json_len;
} figures_t;

/* Begins the output with the mode's name. */
void figures_open(figures_t *f, const char *mode, bool is_tls);

/* Ends the output with the result, prints the JSON object if print_json, and frees what figures_open() allocated. */
void figures_close(figures_t *f, bool timed_out, bool ok, bool print_json);

/* A figure; the unit is a remark for people. */
void fig_num(figures_t *f, const char *name, double value, const char *unit);
void fig_count(figures_t *f, const char *name, uint64_t value, const char *unit);

/* A line a reason; in JSON one object of counts. */
void fig_reasons(figures_t *f, const char *name, const reasons_t *r);

/* Samples, percentiles, maximum and mean; `what` begins their names. */
void fig_latency(figures_t *f, const char *what, const hist_t *h);

#endif
