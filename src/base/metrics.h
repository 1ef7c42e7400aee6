/*
 * Counters of the module. Each series of metrics.def has a cell for each site, in a seat that belongs to this process
 * alone. The seat lies in memory that other processes read (shared/board.h) and is bound once, before threads start.
 * Until then counts are lost. Any thread may count. There is no lock, because a process may be killed at any point.
 */
#ifndef TC_BASE_METRICS_H
#define TC_BASE_METRICS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define TC_METRICS_CHILD 0u  /* the slot of counts that belong to no site */
#define TC_METRICS_OTHER 32u /* the slot that all sites without a slot of their own share */
#define TC_METRICS_SLOTS 33u

/*
 * Other atomics of 64 bits would go through libatomic, whose locks belong to one process. armel is such a system.
 */
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2,
               "mod_tripchat needs a CPU with lock-free atomics of 64 bits, since children count in shared memory.");

/* Defines TC_L_<label>_<value> for each value, and TC_L_<label>_COUNT. */
#define TC_LABEL(id, name) enum {
#define TC_VALUE(label, id, text) TC_L_##label##_##id,
#define TC_LABEL_END(id) TC_L_##id##_COUNT };
#include "base/metrics.def"

#define TC_HISTOGRAM_BOUNDS 14u
#define TC_HISTOGRAM_CELLS 16u /* a cell for each bound, one for greater values, one for the sum of all values */

/* Cells of a series, by kind. */
enum {
    TC_CELLS_COUNTER = 1,
    TC_CELLS_GAUGE = 1,
    TC_CELLS_LARGEST = 1,
    TC_CELLS_LONGEST = 1,
    TC_CELLS_TIMES = TC_HISTOGRAM_CELLS,
    TC_CELLS_SIZES = TC_HISTOGRAM_CELLS,
    TC_CELLS_INFO = 0
};

/* TC_M_<metric> is a metric's first cell, _ROW the cells for one value of its first label, _LAST its last cell. */
enum {
#define TC_METRIC(id, name, kind, scope, label, second, help)                                      \
    TC_M_##id,                                                                                     \
    TC_M_##id##_ROW = TC_CELLS_##kind * TC_L_##second##_COUNT,                                     \
    TC_M_##id##_LAST = TC_M_##id + TC_L_##label##_COUNT * TC_M_##id##_ROW - 1,
#include "base/metrics.def"
    TC_METRICS_CELLS
};

/* The cell of a metric for two label values. If the metric has only one label, `second` is 0. */
#define TC_CELL(id, label, second) (TC_M_##id + (unsigned)(label) * TC_M_##id##_ROW + (unsigned)(second))

/* The counts of one process. */
typedef struct {
    _Alignas(64) _Atomic uint64_t used; /* a bit for each slot with a count; readers skip the other slots */
    _Alignas(64) _Atomic uint64_t cells[TC_METRICS_SLOTS][(TC_METRICS_CELLS + 7) / 8 * 8];
} tc_metrics_seat_t;

/* Makes `seat` the seat of this process. NULL: counts are lost again. Call this before any thread starts. */
void tc_metrics_bind(tc_metrics_seat_t *seat);

/* Change a counter or a gauge. A gauge is the sum of what was added less what was taken away, or the value set last. */
void tc_metrics_add(unsigned slot, unsigned cell, uint64_t n);
void tc_metrics_sub(unsigned slot, unsigned cell, uint64_t n);
void tc_metrics_set(unsigned slot, unsigned cell, uint64_t value);

/* Add a value to a histogram. `cell` is the first cell of the series. A negative time counts as 0. */
void tc_metrics_observe_us(unsigned slot, unsigned cell, int64_t value_us);
void tc_metrics_observe_size(unsigned slot, unsigned cell, uint64_t value);

/* The value that this process has in a cell. */
uint64_t tc_metrics_get(unsigned slot, unsigned cell);

/* ---- the table ---- */

typedef enum {
    TC_METRIC_COUNTER,
    TC_METRIC_GAUGE,
    TC_METRIC_LARGEST,
    TC_METRIC_LONGEST,
    TC_METRIC_TIMES,
    TC_METRIC_SIZES,
    TC_METRIC_INFO
} tc_metric_kind_e;

typedef enum { TC_METRIC_SITE, TC_METRIC_CHILD } tc_metric_scope_e;

typedef struct {
    const char *name; /* "": the metric has no such label */
    const char *const *values;
    unsigned count;
} tc_label_t;

typedef struct {
    const char *name;
    const char *help;
    tc_metric_kind_e kind;
    tc_metric_scope_e scope;
    const tc_label_t *labels[2];
    unsigned first; /* the first cell */
    unsigned width; /* cells for each series */
} tc_metric_t;

/* All metrics, in the order of metrics.def. Static memory. */
const tc_metric_t *tc_metrics_table(unsigned *count);

/* True for counters and histograms: their values never fall, so a seat keeps them for the next process. */
bool tc_metric_is_kept(const tc_metric_t *metric);

/* The TC_HISTOGRAM_BOUNDS upper bounds of a histogram's buckets: microseconds for TIMES, plain numbers for SIZES. */
const uint64_t *tc_metrics_bounds(tc_metric_kind_e kind);

/* A hash of the table. Shared memory whose hash differs was laid out for another table and cannot be used. */
uint64_t tc_metrics_layout(void);

#endif
