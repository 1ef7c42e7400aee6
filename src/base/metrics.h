/*
 * What happens, counted: a cell for each series of metrics.def and each site, in a seat that is this process's own.
 * Bound once before threads start, to memory that other processes read (shared/board.h); until then counts go nowhere.
 * Any thread, without locks: a process may be ended anywhere.
 */
#ifndef TC_BASE_METRICS_H
#define TC_BASE_METRICS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define TC_METRICS_CHILD 0u  /* the slot of what is no site's */
#define TC_METRICS_OTHER 32u /* the slot of all sites for which there was none */
#define TC_METRICS_SLOTS 33u

/* Else they would go through libatomic, whose locks are a process's own. armel is such a system. */
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2,
               "mod_tripchat needs a CPU with lock-free atomics of 64 bits, since children count in shared memory.");

/* TC_L_<label>_<value>, and TC_L_<label>_COUNT. */
#define TC_LABEL(id, name) enum {
#define TC_VALUE(label, id, text) TC_L_##label##_##id,
#define TC_LABEL_END(id) TC_L_##id##_COUNT };
#include "base/metrics.def"

#define TC_HISTOGRAM_BOUNDS 14u
#define TC_HISTOGRAM_CELLS 16u /* one up to each bound, one beyond, the sum */

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

/* TC_M_<metric>: its first cell; _ROW: the cells of one value of its first label; _LAST: its last cell. */
enum {
#define TC_METRIC(id, name, kind, scope, label, second, help)                                      \
    TC_M_##id,                                                                                     \
    TC_M_##id##_ROW = TC_CELLS_##kind * TC_L_##second##_COUNT,                                     \
    TC_M_##id##_LAST = TC_M_##id + TC_L_##label##_COUNT * TC_M_##id##_ROW - 1,
#include "base/metrics.def"
    TC_METRICS_CELLS
};

/* The cell of a metric for values of its labels; of one with a single label, `second` is 0. */
#define TC_CELL(id, label, second) (TC_M_##id + (unsigned)(label) * TC_M_##id##_ROW + (unsigned)(second))

/* One process's counts. */
typedef struct {
    _Alignas(64) _Atomic uint64_t used; /* a bit for each slot that was ever counted in: others need not be read */
    _Alignas(64) _Atomic uint64_t cells[TC_METRICS_SLOTS][(TC_METRICS_CELLS + 7) / 8 * 8];
} tc_metrics_seat_t;

/* Points the process at its seat; NULL: counts go nowhere again. Before any thread starts. */
void tc_metrics_bind(tc_metrics_seat_t *seat);

/* Counters and gauges; a gauge is what was added less what was taken away, or what was set. */
void tc_metrics_add(unsigned slot, unsigned cell, uint64_t n);
void tc_metrics_sub(unsigned slot, unsigned cell, uint64_t n);
void tc_metrics_set(unsigned slot, unsigned cell, uint64_t value);

/* Histograms: `cell` is the first of its series. */
void tc_metrics_observe_us(unsigned slot, unsigned cell, int64_t value_us);
void tc_metrics_observe_size(unsigned slot, unsigned cell, uint64_t value);

/* What this process has in a cell. */
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
    const char *name; /* "": there is no label */
    const char *const *values;
    unsigned count;
} tc_label_t;

typedef struct {
    const char *name;
    const char *help;
    tc_metric_kind_e kind;
    tc_metric_scope_e scope;
    const tc_label_t *labels[2];
    unsigned first; /* cell */
    unsigned width; /* cells of a series */
} tc_metric_t;

/* All metrics in order. */
const tc_metric_t *tc_metrics_table(unsigned *count);

/* Does what has been counted of it never fall? */
bool tc_metric_is_kept(const tc_metric_t *metric);

/* The bounds of a histogram's buckets: TC_HISTOGRAM_BOUNDS of them, microseconds or numbers. */
const uint64_t *tc_metrics_bounds(tc_metric_kind_e kind);

/* A number for the table as it is: memory that was laid out for another is of no use. */
uint64_t tc_metrics_layout(void);

#endif
