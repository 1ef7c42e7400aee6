/* See snapshot.h. */
#include "tcload/snapshot.h"
#include "common/util.h"

#include <time.h>
#include <unistd.h>

/* CPU time of processes between two snapshots. */
typedef struct { double cpu_ns, user_s, system_s; uint64_t n_gone; } usage_t;

void snapshot_take(snapshot_t *s, const counts_t *counts, const char *pids, const char *database)
{
    struct timespec t;

    procs_read(pids, &s->procs);
    procs_read(database, &s->database);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    s->own_ns = (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
    s->at_ns = now_ns();
    s->counts = *counts;
}

double snapshot_wall_s(const snapshot_t *from, const snapshot_t *to)
{
    return (double)(to->at_ns - from->at_ns) / 1e9;
}

/* A process that began in between counts from zero. One that ended is only counted as gone. */
static usage_t usage_between(const procs_t *from, const procs_t *to)
{
    double ticks_per_s = (double)sysconf(_SC_CLK_TCK);
    usage_t u = { 0, 0, 0, 0 };

    for (uint32_t i = 0; i < to->n; i++) {
        const proc_t *p = &to->list[i], *q = procs_find(from, p->pid);

        u.cpu_ns += (double)(p->cpu_ns - (q ? q->cpu_ns : 0));
        u.user_s += (double)(p->user_ticks - (q ? q->user_ticks : 0)) / ticks_per_s;
        u.system_s += (double)(p->system_ticks - (q ? q->system_ticks : 0)) / ticks_per_s;
    }
    for (uint32_t i = 0; i < from->n; i++)
        u.n_gone += procs_find(to, from->list[i].pid) == NULL;
    return u;
}

void fig_cpu(figures_t *f, const snapshot_t *from, const snapshot_t *to, double n, const char *per_name)
{
    usage_t u = usage_between(&from->procs, &to->procs);
    double wall = (double)(to->at_ns - from->at_ns), own = (double)(to->own_ns - from->own_ns);
    char name[64];

    if (to->procs.n) {
        snprintf(name, sizeof(name), "server_cpu_us_per_%s", per_name);
        if (n > 0)
            fig_num(f, name, u.cpu_ns / n / 1e3, "us");
        fig_num(f, "server_cpu_s", u.cpu_ns / 1e9, "s");
        fig_num(f, "server_cpu_user_s", u.user_s, "s, in ticks");
        fig_num(f, "server_cpu_system_s", u.system_s, "s, in ticks");
        fig_num(f, "server_cpu_cores", u.cpu_ns / wall, "of a core busy");
        fig_count(f, "server_processes", to->procs.n, "");
    }
    if (to->database.n) {
        usage_t of_database = usage_between(&from->database, &to->database);

        snprintf(name, sizeof(name), "database_cpu_us_per_%s", per_name);
        if (n > 0)
            fig_num(f, name, of_database.cpu_ns / n / 1e3, "us");
        fig_num(f, "database_cpu_s", of_database.cpu_ns / 1e9, "s");
    }
    if (u.n_gone)
        fig_count(f, "server_processes_gone", u.n_gone, "ended in the window: their CPU is missing above");
    snprintf(name, sizeof(name), "generator_cpu_us_per_%s", per_name);
    if (n > 0)
        fig_num(f, name, own / n / 1e3, "us");
    fig_num(f, "generator_cpu_cores", own / wall, "of a core busy");
}
