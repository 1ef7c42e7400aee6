/* A page for Prometheus. See exposition.h. */
#include "shared/exposition.h"

#include "base/alloc.h"
#include "base/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* The page under construction: one metric at a time, and for it slot after slot. */
typedef struct {
    tc_buf_t *buf;
    const tc_metric_t *metric;
    const char *site;     /* NULL: the metric is not counted by site */
    const uint64_t *sums; /* of the slot */
    bool headed;          /* HELP and TYPE are written */
} page_t;

static void append_escaped(tc_buf_t *buf, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n') {
            TC_BUF_LIT(buf, "\\n");
            continue;
        }
        if (*text == '"' || *text == '\\') {
            TC_BUF_LIT(buf, "\\");
        }
        tc_buf_append(buf, text, 1);
    }
}

static void append_label(tc_buf_t *buf, char *before, const char *name, const char *value)
{
    tc_buf_append(buf, before, 1);
    tc_buf_append_str(buf, name);
    TC_BUF_LIT(buf, "=\"");
    append_escaped(buf, value);
    TC_BUF_LIT(buf, "\"");
    *before = ',';
}

/* Microseconds as seconds, without needless zeros. */
static void append_seconds(tc_buf_t *buf, uint64_t value_us)
{
    char text[40];
    int len = snprintf(text, sizeof(text), "%llu.%06llu", value_us / TC_US_PER_S, value_us % TC_US_PER_S);

    while (text[len - 1] == '0') {
        len--;
    }
    tc_buf_append(buf, text, (size_t)(text[len - 1] == '.' ? len - 1 : len));
}

static void append_number(tc_buf_t *buf, tc_metric_kind_e kind, uint64_t value)
{
    char text[24];

    if (kind == TC_METRIC_TIMES || kind == TC_METRIC_LONGEST) {
        append_seconds(buf, value);
    }
    else {
        snprintf(text, sizeof(text), "%" PRIu64, value);
        tc_buf_append_str(buf, text);
    }
}

/* ---- a metric ---- */

static void head(page_t *page)
{
    static const char *const types[] = {
        [TC_METRIC_COUNTER] = "counter", [TC_METRIC_GAUGE] = "gauge",     [TC_METRIC_LARGEST] = "gauge",
        [TC_METRIC_LONGEST] = "gauge",   [TC_METRIC_TIMES] = "histogram", [TC_METRIC_SIZES] = "histogram",
        [TC_METRIC_INFO] = "gauge",
    };

    if (page->headed) {
        return;
    }
    page->headed = true;
    TC_BUF_LIT(page->buf, "# HELP ");
    tc_buf_append_str(page->buf, page->metric->name);
    TC_BUF_LIT(page->buf, " ");
    tc_buf_append_str(page->buf, page->metric->help);
    TC_BUF_LIT(page->buf, ".\n# TYPE ");
    tc_buf_append_str(page->buf, page->metric->name);
    TC_BUF_LIT(page->buf, " ");
    tc_buf_append_str(page->buf, types[page->metric->kind]);
    TC_BUF_LIT(page->buf, "\n");
}

/* Writes a series' name, its labels, then the label le with `bound` (NULL: none), and the space before the value. */
static void begin_sample(page_t *page, const char *suffix, unsigned one, unsigned other, const char *bound)
{
    const tc_label_t *const *labels = page->metric->labels;
    char before = '{';

    head(page);
    tc_buf_append_str(page->buf, page->metric->name);
    tc_buf_append_str(page->buf, suffix);
    if (page->site != NULL) {
        append_label(page->buf, &before, "site", page->site);
    }
    if (*labels[0]->name != '\0') {
        append_label(page->buf, &before, labels[0]->name, labels[0]->values[one]);
    }
    if (*labels[1]->name != '\0') {
        append_label(page->buf, &before, labels[1]->name, labels[1]->values[other]);
    }
    if (bound != NULL) {
        append_label(page->buf, &before, "le", bound);
    }
    tc_buf_append_str(page->buf, before == ',' ? "} " : " ");
}

static void add_sample(page_t *page, unsigned one, unsigned other, uint64_t value)
{
    begin_sample(page, "", one, other, NULL);
    append_number(page->buf, page->metric->kind, value);
    TC_BUF_LIT(page->buf, "\n");
}

static void add_histogram(page_t *page, unsigned one, const uint64_t *cells)
{
    tc_metric_kind_e kind = page->metric->kind;
    const uint64_t *bounds = tc_metrics_bounds(kind);
    uint64_t count = 0;
    unsigned i;

    for (i = 0; i < TC_HISTOGRAM_BOUNDS; i++) {
        tc_buf_t bound = TC_BUF_INIT;

        append_number(&bound, kind, bounds[i]);
        tc_buf_append(&bound, "", 1);
        count += cells[i];
        begin_sample(page, "_bucket", one, 0, (const char *)bound.data);
        append_number(page->buf, TC_METRIC_COUNTER, count);
        TC_BUF_LIT(page->buf, "\n");
        tc_buf_free(&bound);
    }
    count += cells[i];
    begin_sample(page, "_bucket", one, 0, "+Inf");
    append_number(page->buf, TC_METRIC_COUNTER, count);
    TC_BUF_LIT(page->buf, "\n");
    begin_sample(page, "_sum", one, 0, NULL);
    append_number(page->buf, kind, cells[TC_HISTOGRAM_CELLS - 1]);
    TC_BUF_LIT(page->buf, "\n");
    begin_sample(page, "_count", one, 0, NULL);
    append_number(page->buf, TC_METRIC_COUNTER, count);
    TC_BUF_LIT(page->buf, "\n");
}

static bool is_left_out(const tc_metric_t *metric, uint64_t value)
{
    bool may_be = metric->kind == TC_METRIC_LARGEST || metric->kind == TC_METRIC_LONGEST
                  || (metric->kind == TC_METRIC_COUNTER && metric->labels[1]->count > 1);

    return value == 0 && may_be;
}

static void add_series(page_t *page)
{
    const tc_metric_t *metric = page->metric;
    const uint64_t *cells = page->sums + metric->first;
    unsigned one, other;

    for (one = 0; one < metric->labels[0]->count; one++) {
        for (other = 0; other < metric->labels[1]->count; other++, cells += metric->width) {
            if (metric->width > 1) {
                add_histogram(page, one, cells);
            }
            else if (!is_left_out(metric, *cells)) {
                add_sample(page, one, other, *cells);
            }
        }
    }
}

static void add_info(page_t *page, const char *version)
{
    char before = '{';

    head(page);
    tc_buf_append_str(page->buf, page->metric->name);
    append_label(page->buf, &before, "version", version);
    TC_BUF_LIT(page->buf, "} 1\n");
}

void tc_exposition_write(tc_buf_t *buf, const tc_board_t *board, const char *version)
{
    uint64_t(*sums)[TC_METRICS_CELLS] = tc_alloc(TC_METRICS_SLOTS * sizeof(*sums));
    unsigned count, i, slot;
    const tc_metric_t *metrics = tc_metrics_table(&count);

    for (slot = 0; slot < TC_METRICS_SLOTS; slot++) {
        if (slot == TC_METRICS_CHILD || tc_board_site(board, slot) != NULL) {
            tc_board_sum(board, slot, sums[slot]);
        }
    }
    for (i = 0; i < count; i++) {
        page_t page = {buf, &metrics[i], NULL, sums[TC_METRICS_CHILD], false};

        if (metrics[i].kind == TC_METRIC_INFO) {
            add_info(&page, version);
        }
        else if (metrics[i].scope == TC_METRIC_CHILD) {
            add_series(&page);
        }
        for (slot = 1; slot < TC_METRICS_SLOTS && metrics[i].scope == TC_METRIC_SITE; slot++) {
            page.site = tc_board_site(board, slot);
            page.sums = sums[slot];
            if (page.site != NULL) {
                add_series(&page);
            }
        }
    }
    free(sums);
}
