/*
 * The server's processes, as /proc and their CPU clocks show them. The processes are named as option -P names them:
 * "PID[,PID...]", or "pidfile:PATH" for the process in the file and its children. NULL names none.
 */
#ifndef BENCH_TCLOAD_PROCS_H
#define BENCH_TCLOAD_PROCS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define MAX_PROCS 1024

typedef struct {
    pid_t pid;
    uint64_t cpu_ns;            /* of the process's CPU clock, which counts the threads that have ended too */
    uint64_t user_ticks, system_ticks;
} proc_t;

typedef struct { proc_t list[MAX_PROCS]; uint32_t n; } procs_t;

/* Ends the program when the text is wrong or a process is not there. */
void procs_check(const char *pids);

/* Reads what each process has used so far. A process that has ended is left out. */
void procs_read(const char *pids, procs_t *procs);

/* The process of that id, or NULL. */
const proc_t *procs_find(const procs_t *procs, pid_t pid);

/*
 * The sum of Private_Clean and Private_Dirty (smaps_rollup) of all processes, and the number of processes. False, with
 * a note, when the memory of a process could not be read, or when there is no process.
 */
bool procs_memory(const char *pids, uint64_t *bytes, uint32_t *n_procs);

#endif
