/* Counters of the module. See metrics.h. */
#include "base/metrics.h"

#include "base/hash.h"

#include <stddef.h>
#include <string.h>

static tc_metrics_seat_t nowhere;          /* takes counts while no seat is bound; nobody reads them */
static tc_metrics_seat_t *seat = &nowhere; /* const after tc_metrics_bind() */

/* ---- the table ---- */

#define TC_LABEL(id, name) static const char *const values_##id[] = {
#define TC_VALUE(label, id, text) text,
#define TC_LABEL_END(id) };
#include "base/metrics.def"

#define TC_LABEL(id, name) static const tc_label_t label_##id = {name, values_##id, TC_L_##id##_COUNT};
#include "base/metrics.def"

static const tc_metric_t table[] = {
#define TC_METRIC(id, name, kind, scope, label, second, help)                                      \
    {name, help, TC_METRIC_##kind, TC_METRIC_##scope, {&label_##label, &label_##second}, TC_M_##id, TC_CELLS_##kind},
#include "base/metrics.def"
};

const tc_metric_t *tc_metrics_table(unsigned *count)
{
    *count = sizeof(table) / sizeof(table[0]);
    return table;
}

bool tc_metric_is_kept(const tc_metric_t *metric)
{
    return metric->kind == TC_METRIC_COUNTER || metric->kind == TC_METRIC_TIMES || metric->kind == TC_METRIC_SIZES;
}

/* With its NUL, so that two texts do not run into one. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
    return tc_hash_bytes(hash, text, strlen(text) + 1);
}

uint64_t tc_metrics_layout(void)
{
    uint64_t hash = TC_HASH_BASIS + TC_METRICS_CELLS;
    size_t i, j;
    unsigned k;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        hash = hash_text(hash, table[i].name) + table[i].kind;
        for (j = 0; j < 2; j++) {
            for (k = 0; k < table[i].labels[j]->count; k++) {
                hash = hash_text(hash, table[i].labels[j]->values[k]);
            }
        }
    }
    return hash;
}

/* ---- counting ---- */

void tc_metrics_bind(tc_metrics_seat_t *own)
{
    seat = own ? own : &nowhere;
}

/* Marks the slot as used, so that readers look at it, and returns the cell. */
static _Atomic uint64_t *cell_at(unsigned slot, unsigned cell)
{
    uint64_t bit = UINT64_C(1) << slot;

    if ((atomic_load_explicit(&seat->used, memory_order_relaxed) & bit) == 0) {
        (void)atomic_fetch_or_explicit(&seat->used, bit, memory_order_relaxed);
    }
    return &seat->cells[slot][cell];
}

void tc_metrics_add(unsigned slot, unsigned cell, uint64_t n)
{
    (void)atomic_fetch_add_explicit(cell_at(slot, cell), n, memory_order_relaxed);
}

void tc_metrics_sub(unsigned slot, unsigned cell, uint64_t n)
{
    (void)atomic_fetch_sub_explicit(cell_at(slot, cell), n, memory_order_relaxed);
}

void tc_metrics_set(unsigned slot, unsigned cell, uint64_t value)
{
    atomic_store_explicit(cell_at(slot, cell), value, memory_order_relaxed);
}

uint64_t tc_metrics_get(unsigned slot, unsigned cell)
{
    return atomic_load_explicit(&seat->cells[slot][cell], memory_order_relaxed);
}

/* ---- histograms ---- */

static const uint64_t times_us[TC_HISTOGRAM_BOUNDS] = {
    500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000,
};
static const uint64_t sizes[TC_HISTOGRAM_BOUNDS] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 192, 256};

const uint64_t *tc_metrics_bounds(tc_metric_kind_e kind)
{
    return kind == TC_METRIC_TIMES ? times_us : sizes;
}

static void observe(unsigned slot, unsigned cell, uint64_t value, const uint64_t *bounds)
{
    unsigned i = 0;

    while (i < TC_HISTOGRAM_BOUNDS && value > bounds[i]) {
        i++;
    }
    tc_metrics_add(slot, cell + TC_HISTOGRAM_CELLS - 1, value);
    tc_metrics_add(slot, cell + i, 1);
}

void tc_metrics_observe_us(unsigned slot, unsigned cell, int64_t value_us)
{
    observe(slot, cell, value_us > 0 ? (uint64_t)value_us : 0, times_us);
}

void tc_metrics_observe_size(unsigned slot, unsigned cell, uint64_t value)
{
    observe(slot, cell, value, sizes);
}
