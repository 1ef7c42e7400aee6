/* See procs.h. The processes are looked up each time anew, because children come and go. */
#include "tcload/procs.h"
#include "common/util.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct { pid_t pids[MAX_PROCS]; uint32_t n; } pidset_t;

/* What follows the command's name in /proc/PID/stat, or NULL. The result points into line. */
static const char *proc_stat(pid_t pid, char *line, size_t cap)
{
    char path[64];
    FILE *f;
    size_t n;
    char *end;

    snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
    f = fopen(path, "r");
    if (!f)
        return NULL;
    n = fread(line, 1, cap - 1, f);
    fclose(f);
    line[n] = '\0';
    end = strrchr(line, ')');
    return end ? end + 1 : NULL;
}

static void pidset_add(pidset_t *set, pid_t pid)
{
    if (set->n < MAX_PROCS)
        set->pids[set->n++] = pid;
}

static void pidset_add_children(pidset_t *set, pid_t parent)
{
    DIR *d = opendir("/proc");
    struct dirent *e;
    char line[1024];

    while (d && (e = readdir(d)) != NULL) {
        const char *rest;
        long ppid;

        if (!isdigit((unsigned char)e->d_name[0]))
            continue;
        rest = proc_stat((pid_t)atol(e->d_name), line, sizeof(line));
        if (rest && sscanf(rest, " %*c %ld", &ppid) == 1 && ppid == (long)parent)
            pidset_add(set, (pid_t)atol(e->d_name));
    }
    if (d)
        closedir(d);
}

static void pidset_read_file(pidset_t *set, const char *path)
{
    FILE *f = fopen(path, "r");
    long pid = 0;

    if (!f || fscanf(f, "%ld", &pid) != 1 || pid <= 0)
        die("-P: no process id in %s", path);
    fclose(f);
    pidset_add(set, (pid_t)pid);
    pidset_add_children(set, (pid_t)pid);
}

static void pidset_find(pidset_t *set, const char *pids)
{
    const char *p = pids;

    set->n = 0;
    if (!p)
        return;
    if (strncmp(p, "pidfile:", 8) == 0) {
        pidset_read_file(set, p + 8);
        return;
    }
    while (*p) {
        char *end;
        long pid = strtol(p, &end, 10);

        if (end == p || pid <= 0 || (*end && *end != ','))
            die("-P takes process ids with commas between, or pidfile:PATH, not \"%s\"", pids);
        pidset_add(set, (pid_t)pid);
        p = *end ? end + 1 : end;
    }
}

static bool proc_read(pid_t pid, proc_t *p)
{
    unsigned long long user = 0, system = 0;
    struct timespec t;
    char line[1024];
    const char *rest;
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
        return false;
    rest = proc_stat(pid, line, sizeof(line));
    if (!rest || sscanf(rest, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system) != 2)
        return false;
    p->pid = pid;
    p->cpu_ns = (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
    p->user_ticks = user;
    p->system_ticks = system;
    return true;
}

void procs_check(const char *pids)
{
    pidset_t set;
    proc_t p;

    pidset_find(&set, pids);
    for (uint32_t i = 0; i < set.n; i++) {
        /* Children of a pidfile's process may have ended since they were listed. */
        if (!proc_read(set.pids[i], &p) && (i == 0 || pids[0] != 'p'))
            die("-P %s: there is no process %ld", pids, (long)set.pids[i]);
    }
}

void procs_read(const char *pids, procs_t *procs)
{
    pidset_t set;

    procs->n = 0;
    pidset_find(&set, pids);
    for (uint32_t i = 0; i < set.n; i++) {
        if (proc_read(set.pids[i], &procs->list[procs->n]))
            procs->n++;
    }
}

const proc_t *procs_find(const procs_t *procs, pid_t pid)
{
    for (uint32_t i = 0; i < procs->n; i++) {
        if (procs->list[i].pid == pid)
            return &procs->list[i];
    }
    return NULL;
}

static bool proc_private_bytes(pid_t pid, uint64_t *bytes)
{
    char path[64], line[256];
    unsigned long long kb;
    FILE *f;

    *bytes = 0;
    snprintf(path, sizeof(path), "/proc/%ld/smaps_rollup", (long)pid);
    f = fopen(path, "r");
    if (!f || !fgets(line, sizeof(line), f)) {
        note("can't read %s: %s (the server's user or root may)", path, strerror(errno));
        if (f)
            fclose(f);
        return false;
    }
    while (fgets(line, sizeof(line), f)) {
        if (sscanf(line, "Private_Clean: %llu kB", &kb) == 1 || sscanf(line, "Private_Dirty: %llu kB", &kb) == 1)
            *bytes += (uint64_t)kb * 1024;
    }
    fclose(f);
    return true;
}

bool procs_memory(const char *pids, uint64_t *bytes, uint32_t *n_procs)
{
    pidset_t set;
    bool ok = true;

    pidset_find(&set, pids);
    *bytes = 0;
    *n_procs = set.n;
    for (uint32_t i = 0; i < set.n; i++) {
        uint64_t one;

        ok = proc_private_bytes(set.pids[i], &one) && ok;
        *bytes += one;
    }
    return ok && set.n > 0;
}
