/* See figures.h. */
#include "tcload/figures.h"
#include "common/util.h"

#include <inttypes.h>
#include <stdlib.h>

void figures_open(figures_t *f, const char *mode, bool is_tls)
{
    f->json = open_memstream(&f->json_text, &f->json_len);
    if (!f->json)
        die("out of memory");
    fprintf(f->json, "{\"mode\":\"%s\",\"tls\":%s", mode, is_tls ? "true" : "false");
}

void figures_close(figures_t *f, bool timed_out, bool ok, bool print_json)
{
    printf("%-30s %12s\n", "result", ok ? "ok" : "FAILED");
    fprintf(f->json, ",\"timed_out\":%s,\"ok\":%s}\n", timed_out ? "true" : "false", ok ? "true" : "false");
    fclose(f->json);
    if (print_json)
        fputs(f->json_text, stdout);
    free(f->json_text);
}

void fig_num(figures_t *f, const char *name, double value, const char *unit)
{
    if (value >= 1e6 || value <= -1e6)
        printf("%-30s %16.0f %s\n", name, value, unit);
    else
        printf("%-30s %16.3f %s\n", name, value, unit);
    fprintf(f->json, ",\"%s\":%.6g", name, value);
}

void fig_count(figures_t *f, const char *name, uint64_t value, const char *unit)
{
    printf("%-30s %12" PRIu64 "     %s\n", name, value, unit);
    fprintf(f->json, ",\"%s\":%" PRIu64, name, value);
}

void fig_reasons(figures_t *f, const char *name, const reasons_t *r)
{
    fprintf(f->json, ",\"%s\":{", name);
    for (uint32_t i = 0; i < r->n; i++) {
        printf("%-30s %12" PRIu64 "     %s\n", name, r->list[i].count, r->list[i].text);
        fprintf(f->json, "%s\"%s\":%" PRIu64, i ? "," : "", r->list[i].text, r->list[i].count);
    }
    fputc('}', f->json);
}

void fig_latency(figures_t *f, const char *what, const hist_t *h)
{
    static const struct { const char *name; double p; } rows[] = {
        { "p50", 0.50 }, { "p90", 0.90 }, { "p99", 0.99 }
    };
    char name[64];

    snprintf(name, sizeof(name), "%s_samples", what);
    fig_count(f, name, h->n, "");
    if (h->n == 0)
        return;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(name, sizeof(name), "%s_%s_us", what, rows[i].name);
        fig_num(f, name, hist_percentile_us(h, rows[i].p), "us");
    }
    snprintf(name, sizeof(name), "%s_max_us", what);
    fig_num(f, name, (double)h->max_ns / 1e3, "us");
    snprintf(name, sizeof(name), "%s_mean_us", what);
    fig_num(f, name, h->sum_ns / (double)h->n / 1e3, "us");
}
