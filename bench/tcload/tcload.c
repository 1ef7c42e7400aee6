/*
 * tcload: load generator and checker for the WebSocket chat of mod_tripchat.
 *
 * One thread, one epoll set, no JSON library: it shares the machine with the server it measures, so it must stay cheap.
 * It is not a conformance test; it talks to loopback addresses only and checks no certificate. RFC 6455, client side.
 *
 *   idle     open N connections, weigh the server before and after
 *   fanout   one sender a room, everybody checks everything that arrives
 *   ingest   members send as fast as their own echoes come back
 *   connect  connect, read the history, close, again
 *   reconnect  everybody connects, everybody leaves, everybody is back at once with ?after=
 *
 * What the figures mean, and how they are got:
 *   lost, duplicated, reordered   every event's `seq` must be the connection's previous one + 1, beginning with the
 *       last_seq of its message_history. A jump notes the skipped numbers as missing; one of those that comes later is
 *       reordered, any other that is not new is duplicated, and what is missing in the end, or was seen by another
 *       member of the room and not by this one, is lost.
 *   unanswered     messages whose sender had neither its own copy (by client_id) nor an error when the run ended.
 *   stray_echoes   own copies of a message that was not outstanding.
 *   delivery       one chat_message that reached one member; the sender's own copy is one too.
 *   messages_s     own copies by the second: messages that are stored and have come back.
 *   latency        fanout: from the send time, which is in the content, to the read() that completed the frame, for
 *       one delivery in --sample. ingest: from send to own copy. connect: from connect() to the history. The clock is
 *       CLOCK_MONOTONIC; the histogram's steps are 3 %. A paced message (--rate) counts from when it was really sent.
 *   server_cpu     the server processes' CPU clocks (clock_getcpuclockid: the scheduler's nanoseconds, as in schedstat,
 *       but with the threads that have ended) at both ends of the window; user and system from /proc/PID/stat, in
 *       ticks.
 *   bytes_per_connection   Private_Clean + Private_Dirty of /proc/PID/smaps_rollup over all server processes, after
 *       less before, by connection opened in between. Kernel memory (socket buffers) is not in it.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

#define NS_PER_S        1000000000ull
#define NS_PER_MS       1000000ull
#define READ_CHUNK      ((size_t)256 * 1024)
#define MAX_FRAME_BYTES ((uint64_t)64 * 1024 * 1024)
#define MAX_HTTP_BYTES  ((size_t)16 * 1024)
#define KEEP_BYTES      ((size_t)4096)  /* a smaller leftover buffer stays with its connection */
#define CONNS_PER_SOURCE 20000u
#define MAX_EVENTS      512
#define MAX_PROCS       1024
#define MAX_REASONS     32
#define TICK_NS         (10 * NS_PER_MS)
#define CLOSE_WAIT_NS   (10 * NS_PER_S)
#define GAP_GRACE_NS    NS_PER_S        /* a missing event may still come this long after the last one */
#define PAUSE_NS        (100 * NS_PER_MS)
#define RATE_WINDOW     4096u           /* most messages outstanding of a paced sender */
#define STAMP           "tcl "          /* content: STAMP, 16 hex digits of send time in ns, padding */
#define STAMP_BYTES     (sizeof(STAMP) - 1)
#define CLIENT_ID_BYTES 31              /* tc<run 8>-<connection 6>-<slot 4>-<number 8>, hex */

enum mode { MODE_IDLE, MODE_FANOUT, MODE_INGEST, MODE_CONNECT, MODE_RECONNECT };
enum token_in { TOKEN_SUBPROTOCOL, TOKEN_QUERY, TOKEN_HEADER };
enum state { ST_NEW, ST_CONNECT, ST_TLS, ST_HTTP, ST_HISTORY, ST_LIVE, ST_CLOSING, ST_DONE, ST_FAILED };
enum { IO_EOF = 0, IO_AGAIN = -1, IO_ERROR = -2 };
enum { OP_CONT = 0, OP_TEXT = 1, OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };

static const char *const mode_names[] = { "idle", "fanout", "ingest", "connect", "reconnect" };
static const char *const state_names[] = { "new", "connecting", "in the TLS handshake", "awaiting the 101",
                                           "awaiting the history", "live", "closing", "done", "failed" };

typedef struct {
    enum mode mode;
    enum token_in token_in;
    const char *url;
    const char *tokens_file;
    const char *trip_format;
    const char *pids;           /* NULL: no figures of the server */
    uint32_t n_conns, n_warm, n_rooms, n_members, first_room, n_handshakes, n_sources, window, sample;
    uint64_t n_messages;        /* a room; 0: --seconds */
    size_t payload_bytes;
    double seconds, warmup_s, settle_s, hold_s, timeout_s, rate;
    unsigned nap_us;
    bool all_senders, json, force_tls;
} options_t;

typedef struct {
    char *data;
    size_t off, len, cap;       /* the bytes are data[off..len) */
} buf_t;

typedef struct { uint64_t from, to; } range_t;

typedef struct {
    uint64_t sent_ns;
    uint32_t number;
    bool busy;
} slot_t;

/* What a connection that sends has beside the rest. */
typedef struct {
    slot_t *slots;
    uint32_t *free_slots;
    uint32_t n_free, n_slots, next_number;
    uint64_t n_acked;
    bool paused;                /* refused lately: see wake_paused */
    bool done;
} sender_t;

typedef struct {
    int fd;
    uint32_t index, room, member;
    enum state state;
    uint32_t events;            /* what epoll watches */
    SSL *ssl;
    buf_t in;                   /* a frame whose rest hasn't come yet */
    buf_t out;
    buf_t fragments;
    uint64_t last_seq;
    uint64_t since_ns;          /* connect() called, or our close frame sent */
    range_t *gaps;
    uint32_t n_gaps, cap_gaps;
    bool got_close;
    sender_t *sender;
} conn_t;

typedef struct { char text[112]; uint64_t count; } reason_t;
typedef struct { reason_t list[MAX_REASONS]; uint32_t n; } reasons_t;

/* Latencies in steps of 1/32 of a power of two. */
typedef struct { uint64_t bins[64 * 32]; uint64_t n, max_ns; double sum_ns; } hist_t;

typedef struct { pid_t pid; uint64_t cpu_ns, user_ticks, system_ticks; } proc_t;
typedef struct {
    uint64_t at_ns, own_ns;
    uint64_t n_deliveries, n_acked, n_reads, n_bytes, n_connects;
    proc_t procs[MAX_PROCS];
    uint32_t n_procs;
} snapshot_t;
typedef struct { pid_t pids[MAX_PROCS]; uint32_t n; } pidset_t;

typedef struct { uint32_t index; uint64_t until_ns; } paused_t;

typedef struct {
    options_t opt;
    int epoll_fd;
    bool no_pwait2;
    SSL_CTX *tls;
    struct sockaddr_in server;
    char host[80], path[256];
    char ws_key[32], ws_accept[40];
    uint32_t run_id, rng, sample_left;
    char **tokens;
    uint32_t n_tokens;

    conn_t *conns;
    uint32_t n_conns, next_open, open_target;
    uint32_t *reopen;           /* connect mode: places to use again */
    uint32_t n_reopen;
    uint64_t n_attempts;
    bool resuming;              /* reconnect: ask for what came after last_seq */
    bool churn;                 /* connect mode, window open */
    paused_t *paused;
    uint32_t n_paused;
    uint32_t n_handshaking, n_live, n_closing, n_failed;

    uint64_t *room_max;         /* highest seq seen, by room */
    conn_t **senders;
    uint32_t n_senders, n_senders_done, pace_at;
    uint64_t pace_next_ns, pace_step_ns;
    char *tmpl;                 /* the message, with places for time and client_id */
    size_t tmpl_len, tmpl_stamp, tmpl_id;
    bool sending, measuring;
    uint64_t n_inflight;

    char *scratch;
    size_t scratch_cap, seq_hint[2];
    uint64_t last_delivery_ns, next_tick_ns, next_scan_ns, loop_ns;

    uint64_t n_deliveries, n_edits, n_sent, n_acked, n_reads, n_bytes, n_pings, n_other, n_connects, n_skipped;
    uint64_t n_missing, n_lost, n_duplicated, n_reordered, n_unanswered, n_stray, n_fault_lines;
    reasons_t failures, errors;
    hist_t latency;
    bool timed_out, trouble;

    FILE *json;
    char *json_text;
    size_t json_len;
} bench_t;

static volatile sig_atomic_t interrupted;

static bool conn_flush(bench_t *b, conn_t *c);
static void conn_fail(bench_t *b, conn_t *c, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
static void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- small things ---- */

static void die(const char *fmt, ...)
{
    va_list ap;

    fputs("tcload: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(2);
}

static void note(const char *fmt, ...)
{
    va_list ap;

    fputs("tcload: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

static void *grow(void *p, size_t n, size_t size)
{
    void *q = reallocarray(p, n ? n : 1, size);

    if (!q)
        die("out of memory");
    return q;
}

static void *zeroed(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);

    if (!p)
        die("out of memory");
    return p;
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static uint64_t s_to_ns(double s)
{
    return (uint64_t)(s * 1e9);
}

static uint32_t next_random(bench_t *b)
{
    b->rng ^= b->rng << 13;
    b->rng ^= b->rng >> 17;
    b->rng ^= b->rng << 5;
    return b->rng;
}

static void put_hex(char *at, uint64_t value, size_t digits)
{
    while (digits > 0) {
        at[--digits] = "0123456789abcdef"[value & 15];
        value >>= 4;
    }
}

/* Exactly `digits` lower-case hex digits; false when there is anything else. */
static bool get_hex(const char *at, size_t digits, uint64_t *value)
{
    uint64_t v = 0;

    for (size_t i = 0; i < digits; i++) {
        unsigned char ch = (unsigned char)at[i];

        if (ch >= '0' && ch <= '9')
            v = v << 4 | (uint64_t)(ch - '0');
        else if (ch >= 'a' && ch <= 'f')
            v = v << 4 | (uint64_t)(ch - 'a' + 10);
        else
            return false;
    }
    *value = v;
    return true;
}

static void buf_reserve(buf_t *f, size_t more)
{
    size_t cap = f->cap ? f->cap : 512;

    if (f->off == f->len)
        f->off = f->len = 0;
    while (cap < f->len + more)
        cap *= 2;
    if (cap != f->cap) {
        f->data = grow(f->data, cap, 1);
        f->cap = cap;
    }
}

static void buf_append(buf_t *f, const void *data, size_t n)
{
    buf_reserve(f, n);
    memcpy(f->data + f->len, data, n);
    f->len += n;
}

static void buf_free(buf_t *f)
{
    free(f->data);
    memset(f, 0, sizeof(*f));
}

/* Counts a reason; the last place of a full table takes what doesn't fit. Text from the peer is made printable. */
static void reasons_add(reasons_t *r, const char *text)
{
    char clean[sizeof(r->list[0].text)];
    size_t n = 0;
    uint32_t i;

    for (; text[n] && n < sizeof(clean) - 1; n++)
        clean[n] = text[n] >= ' ' && text[n] <= '~' && text[n] != '"' && text[n] != '\\' ? text[n] : '?';
    clean[n] = '\0';
    for (i = 0; i < r->n; i++) {
        if (strcmp(r->list[i].text, clean) == 0)
            break;
    }
    if (i == MAX_REASONS) {
        i = MAX_REASONS - 1;
        memcpy(r->list[i].text, "others", sizeof("others"));
    }
    else if (i == r->n) {
        memcpy(r->list[r->n++].text, clean, n + 1);
    }
    r->list[i].count++;
}

static void hist_add(hist_t *h, uint64_t ns)
{
    unsigned shift = ns < 32 ? 0 : (unsigned)(63 - __builtin_clzll(ns)) - 5;

    h->bins[ns < 32 ? ns : (uint64_t)(shift + 1) * 32 + ((ns >> shift) - 32)]++;
    h->n++;
    h->sum_ns += (double)ns;
    if (ns > h->max_ns)
        h->max_ns = ns;
}

/* The middle of the step that holds the share `p` of all values. */
static double hist_percentile_us(const hist_t *h, double p)
{
    uint64_t want = (uint64_t)(p * (double)h->n), seen = 0;

    for (unsigned i = 0; i < 64 * 32; i++) {
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

/* ---- figures: a line for people, a member for --json ---- */

static void fig_num(bench_t *b, const char *name, double value, const char *unit)
{
    if (value >= 1e6 || value <= -1e6)
        printf("%-30s %16.0f %s\n", name, value, unit);
    else
        printf("%-30s %16.3f %s\n", name, value, unit);
    fprintf(b->json, ",\"%s\":%.6g", name, value);
}

static void fig_count(bench_t *b, const char *name, uint64_t value, const char *unit)
{
    printf("%-30s %12" PRIu64 "     %s\n", name, value, unit);
    fprintf(b->json, ",\"%s\":%" PRIu64, name, value);
}

static void fig_reasons(bench_t *b, const char *name, const reasons_t *r)
{
    fprintf(b->json, ",\"%s\":{", name);
    for (uint32_t i = 0; i < r->n; i++) {
        printf("%-30s %12" PRIu64 "     %s\n", name, r->list[i].count, r->list[i].text);
        fprintf(b->json, "%s\"%s\":%" PRIu64, i ? "," : "", r->list[i].text, r->list[i].count);
    }
    fputc('}', b->json);
}

static void fig_latency(bench_t *b, const char *what)
{
    static const struct { const char *name; double p; } rows[] = {
        { "p50", 0.50 }, { "p90", 0.90 }, { "p99", 0.99 }
    };
    const hist_t *h = &b->latency;
    char name[64];

    snprintf(name, sizeof(name), "%s_samples", what);
    fig_count(b, name, h->n, "");
    if (h->n == 0)
        return;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(name, sizeof(name), "%s_%s_us", what, rows[i].name);
        fig_num(b, name, hist_percentile_us(h, rows[i].p), "us");
    }
    snprintf(name, sizeof(name), "%s_max_us", what);
    fig_num(b, name, (double)h->max_ns / 1e3, "us");
    snprintf(name, sizeof(name), "%s_mean_us", what);
    fig_num(b, name, h->sum_ns / (double)h->n / 1e3, "us");
}

/* ---- the server's processes ---- */

/* What follows the command name in /proc/PID/stat, or NULL; `line` keeps the text. */
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

/* Looks -P up anew each time: children come and go. */
static void pidset_find(const bench_t *b, pidset_t *set)
{
    const char *p = b->opt.pids;
    long pid = 0;

    set->n = 0;
    if (!p)
        return;
    if (strncmp(p, "pidfile:", 8) == 0) {
        FILE *f = fopen(p + 8, "r");

        if (!f || fscanf(f, "%ld", &pid) != 1 || pid <= 0)
            die("-P: no process id in %s", p + 8);
        fclose(f);
        pidset_add(set, (pid_t)pid);
        pidset_add_children(set, (pid_t)pid);
        return;
    }
    while (*p) {
        char *end;

        pid = strtol(p, &end, 10);
        if (end == p || pid <= 0 || (*end && *end != ','))
            die("-P takes process ids with commas between, or pidfile:PATH, not \"%s\"", b->opt.pids);
        pidset_add(set, (pid_t)pid);
        p = *end ? end + 1 : end;
    }
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

/* Private memory of all server processes; false when one couldn't be read. */
static bool server_memory(const bench_t *b, uint64_t *bytes, uint32_t *n_procs)
{
    pidset_t set;
    bool ok = true;

    pidset_find(b, &set);
    *bytes = 0;
    *n_procs = set.n;
    for (uint32_t i = 0; i < set.n; i++) {
        uint64_t one;

        ok = proc_private_bytes(set.pids[i], &one) && ok;
        *bytes += one;
    }
    return ok && set.n > 0;
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

static void snapshot_take(const bench_t *b, snapshot_t *s)
{
    struct timespec t;
    pidset_t set;

    s->n_procs = 0;
    pidset_find(b, &set);
    for (uint32_t i = 0; i < set.n; i++) {
        if (proc_read(set.pids[i], &s->procs[s->n_procs]))
            s->n_procs++;
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    s->own_ns = (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
    s->at_ns = now_ns();
    s->n_deliveries = b->n_deliveries;
    s->n_acked = b->n_acked;
    s->n_reads = b->n_reads;
    s->n_bytes = b->n_bytes;
    s->n_connects = b->n_connects;
}

static const proc_t *snapshot_proc(const snapshot_t *s, pid_t pid)
{
    for (uint32_t i = 0; i < s->n_procs; i++) {
        if (s->procs[i].pid == pid)
            return &s->procs[i];
    }
    return NULL;
}

/* CPU of server and generator between two snapshots, `per_name` telling by which of `n` things it is divided. */
static void fig_cpu(bench_t *b, const snapshot_t *from, const snapshot_t *to, double n, const char *per_name)
{
    double cpu = 0, user = 0, sys = 0, wall = (double)(to->at_ns - from->at_ns);
    double own = (double)(to->own_ns - from->own_ns);
    long ticks_per_s = sysconf(_SC_CLK_TCK);
    uint64_t n_gone = 0;
    char name[64];

    for (uint32_t i = 0; i < to->n_procs; i++) {
        const proc_t *p = &to->procs[i], *q = snapshot_proc(from, p->pid);

        cpu += (double)(p->cpu_ns - (q ? q->cpu_ns : 0));
        user += (double)(p->user_ticks - (q ? q->user_ticks : 0)) / (double)ticks_per_s;
        sys += (double)(p->system_ticks - (q ? q->system_ticks : 0)) / (double)ticks_per_s;
    }
    for (uint32_t i = 0; i < from->n_procs; i++)
        n_gone += snapshot_proc(to, from->procs[i].pid) == NULL;
    if (to->n_procs) {
        snprintf(name, sizeof(name), "server_cpu_us_per_%s", per_name);
        if (n > 0)
            fig_num(b, name, cpu / n / 1e3, "us");
        fig_num(b, "server_cpu_s", cpu / 1e9, "s");
        fig_num(b, "server_cpu_user_s", user, "s, in ticks");
        fig_num(b, "server_cpu_system_s", sys, "s, in ticks");
        fig_num(b, "server_cpu_cores", cpu / wall, "of a core busy");
        fig_count(b, "server_processes", to->n_procs, "");
    }
    if (n_gone)
        fig_count(b, "server_processes_gone", n_gone, "ended in the window: their CPU is missing above");
    snprintf(name, sizeof(name), "generator_cpu_us_per_%s", per_name);
    if (n > 0)
        fig_num(b, name, own / n / 1e3, "us");
    fig_num(b, "generator_cpu_cores", own / wall, "of a core busy");
}

/* ---- the order of events ---- */

static void fault_line(bench_t *b, const conn_t *c, const char *what, uint64_t seq)
{
    if (++b->n_fault_lines <= 10)
        note("%s: room %u member %u has seq %" PRIu64 " after %" PRIu64, what, c->room, c->member, seq, c->last_seq);
    else if (b->n_fault_lines == 11)
        note("more such lines are left out");
}

static void gaps_add(bench_t *b, conn_t *c, uint64_t from, uint64_t to)
{
    if (c->n_gaps == c->cap_gaps) {
        c->cap_gaps = c->cap_gaps ? c->cap_gaps * 2 : 4;
        c->gaps = grow(c->gaps, c->cap_gaps, sizeof(*c->gaps));
    }
    c->gaps[c->n_gaps].from = from;
    c->gaps[c->n_gaps++].to = to;
    b->n_missing += to - from + 1;
}

/* True when `seq` was missing; then it no longer is. */
static bool gaps_take(bench_t *b, conn_t *c, uint64_t seq)
{
    for (uint32_t i = 0; i < c->n_gaps; i++) {
        range_t *g = &c->gaps[i], all = *g;

        if (seq < all.from || seq > all.to)
            continue;
        b->n_missing -= all.to - all.from + 1;
        *g = c->gaps[--c->n_gaps];
        if (seq > all.from)
            gaps_add(b, c, all.from, seq - 1);
        if (seq < all.to)
            gaps_add(b, c, seq + 1, all.to);
        return true;
    }
    return false;
}

static void check_seq(bench_t *b, conn_t *c, uint64_t seq)
{
    if (seq == c->last_seq + 1) {
        c->last_seq = seq;
    }
    else if (seq > c->last_seq) {
        fault_line(b, c, "gap", seq);
        gaps_add(b, c, c->last_seq + 1, seq - 1);
        c->last_seq = seq;
    }
    else if (gaps_take(b, c, seq)) {
        fault_line(b, c, "reordered", seq);
        b->n_reordered++;
    }
    else {
        fault_line(b, c, "duplicate", seq);
        b->n_duplicated++;
    }
    if (seq > b->room_max[c->room])
        b->room_max[c->room] = seq;
}

/* ---- sending ---- */

/* A masked frame from the client; `payload` may be NULL when n is 0. */
static void out_frame(bench_t *b, conn_t *c, unsigned opcode, const char *payload, size_t n)
{
    unsigned char head[14];
    size_t h = 2, i = 0;
    uint32_t key = next_random(b);
    uint64_t key2 = (uint64_t)key << 32 | key, word;
    char *at;

    head[0] = (unsigned char)(0x80 | opcode);
    if (n < 126) {
        head[1] = (unsigned char)(0x80 | n);
    }
    else {
        size_t width = n < 65536 ? 2 : 8;

        head[1] = width == 2 ? 0x80 | 126 : 0x80 | 127;
        for (size_t k = 0; k < width; k++)
            head[h++] = (unsigned char)((uint64_t)n >> (8 * (width - 1 - k)));
    }
    memcpy(head + h, &key, 4);
    h += 4;
    buf_reserve(&c->out, h + n);
    memcpy(c->out.data + c->out.len, head, h);
    at = c->out.data + c->out.len + h;
    for (; i + 8 <= n; i += 8) {
        memcpy(&word, payload + i, 8);
        word ^= key2;
        memcpy(at + i, &word, 8);
    }
    for (; i < n; i++)
        at[i] = (char)(payload[i] ^ ((const char *)&key)[i & 3]);
    c->out.len += h + n;
}

static void out_close(bench_t *b, conn_t *c, unsigned code)
{
    char body[2] = { (char)(code >> 8), (char)(code & 255) };

    out_frame(b, c, OP_CLOSE, body, sizeof(body));
}

/* The message that every sender sends; only the time and the client_id change, in place. */
static void template_make(bench_t *b)
{
    static const char head[] = "{\"type\":\"chat_message\",\"content\":\"" STAMP;
    static const char middle[] = "\",\"message_type\":\"text\",\"client_id\":\"";
    size_t pad = b->opt.payload_bytes > STAMP_BYTES + 16 ? b->opt.payload_bytes - STAMP_BYTES - 16 : 0;
    char *p = b->tmpl = zeroed(sizeof(head) + sizeof(middle) + pad + 16 + CLIENT_ID_BYTES + 8, 1);

    p = mempcpy(p, head, sizeof(head) - 1);
    b->tmpl_stamp = (size_t)(p - b->tmpl);
    p += 16;
    for (size_t i = 0; i < pad; i++)
        *p++ = i % 8 == 0 ? ' ' : (char)('a' + i % 8);
    if (pad && p[-1] == ' ')
        p[-1] = 'z';
    p = mempcpy(p, middle, sizeof(middle) - 1);
    b->tmpl_id = (size_t)(p - b->tmpl);
    put_hex(mempcpy(p, "tc", 2), b->run_id, 8);
    p[10] = p[17] = p[22] = '-';
    p = mempcpy(p + CLIENT_ID_BYTES, "\"}", 2);
    b->tmpl_len = (size_t)(p - b->tmpl);
}

static void sender_send(bench_t *b, conn_t *c)
{
    sender_t *s = c->sender;
    uint32_t at = s->free_slots[--s->n_free];
    slot_t *slot = &s->slots[at];
    char *id = b->tmpl + b->tmpl_id;

    slot->busy = true;
    slot->number = s->next_number++;
    slot->sent_ns = now_ns();
    put_hex(b->tmpl + b->tmpl_stamp, slot->sent_ns, 16);
    put_hex(id + 11, c->index, 6);
    put_hex(id + 18, at, 4);
    put_hex(id + 23, slot->number, 8);
    out_frame(b, c, OP_TEXT, b->tmpl, b->tmpl_len);
    b->n_sent++;
    b->n_inflight++;
}

static uint32_t sender_inflight(const sender_t *s)
{
    return s->n_slots - s->n_free;
}

static bool sender_wants(const bench_t *b, const conn_t *c)
{
    const sender_t *s = c->sender;

    return b->sending && c->state == ST_LIVE && s->n_free > 0 && !s->paused
        && (b->opt.n_messages == 0 || s->n_acked + sender_inflight(s) < b->opt.n_messages);
}

/* Fills the window; a paced sender is filled by pace_senders instead. */
static void sender_fill(bench_t *b, conn_t *c)
{
    if (b->opt.rate > 0)
        return;
    while (sender_wants(b, c))
        sender_send(b, c);
}

static void sender_finish(bench_t *b, sender_t *s)
{
    if (!s->done) {
        s->done = true;
        b->n_senders_done++;
    }
}

static void sender_create(bench_t *b, conn_t *c)
{
    sender_t *s = zeroed(1, sizeof(*s));
    uint32_t n = b->opt.rate > 0 ? RATE_WINDOW : b->opt.window;

    s->slots = zeroed(n, sizeof(*s->slots));
    s->free_slots = zeroed(n, sizeof(*s->free_slots));
    s->n_slots = s->n_free = n;
    for (uint32_t i = 0; i < n; i++)
        s->free_slots[i] = n - 1 - i;
    c->sender = s;
    b->senders[b->n_senders++] = c;
}

/* Messages are due every pace_step_ns, the rooms taking turns, so that they don't all send at once. */
static void pace_senders(bench_t *b)
{
    uint64_t now;

    if (!b->sending || b->opt.rate <= 0)
        return;
    now = now_ns();
    if (b->pace_next_ns + NS_PER_S < now) { /* a second behind: the machine, not the server, is too slow */
        uint64_t n = (now - b->pace_next_ns) / b->pace_step_ns;

        b->n_skipped += n;
        b->pace_next_ns += n * b->pace_step_ns;
    }
    for (; b->pace_next_ns <= now; b->pace_next_ns += b->pace_step_ns) {
        conn_t *c = b->senders[b->pace_at];

        b->pace_at = (b->pace_at + 1) % b->n_senders;
        if (sender_wants(b, c)) {
            sender_send(b, c);
            conn_flush(b, c);
        }
        else if (!c->sender->done) {
            b->n_skipped++;
        }
    }
}

/* ---- a connection's life ---- */

static void conn_pause(bench_t *b, conn_t *c, uint64_t ns)
{
    b->paused = grow(b->paused, b->n_paused + 1, sizeof(*b->paused));
    b->paused[b->n_paused].index = c->index;
    b->paused[b->n_paused++].until_ns = now_ns() + ns;
}

static void conn_release(bench_t *b, conn_t *c)
{
    if (c->state >= ST_CONNECT && c->state <= ST_HISTORY)
        b->n_handshaking--;
    else if (c->state == ST_LIVE)
        b->n_live--;
    else if (c->state == ST_CLOSING)
        b->n_closing--;
    if (c->ssl) {
        SSL_free(c->ssl);
        c->ssl = NULL;
    }
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    buf_free(&c->in);
    buf_free(&c->out);
    buf_free(&c->fragments);
}

static void conn_fail(bench_t *b, conn_t *c, const char *fmt, ...)
{
    char text[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    reasons_add(&b->failures, text);
    conn_release(b, c);
    c->state = ST_FAILED;
    b->n_failed++;
    if (c->sender) {
        b->n_inflight -= sender_inflight(c->sender);
        b->n_unanswered += sender_inflight(c->sender);
        sender_finish(b, c->sender);
    }
    if (b->opt.mode == MODE_CONNECT)
        conn_pause(b, c, PAUSE_NS);
}

static void conn_done(bench_t *b, conn_t *c)
{
    conn_release(b, c);
    c->state = ST_DONE;
    if (b->opt.mode == MODE_CONNECT)
        b->reopen[b->n_reopen++] = c->index;
}

static void conn_close(bench_t *b, conn_t *c)
{
    out_close(b, c, 1000);
    if (c->state == ST_LIVE)
        b->n_live--;
    c->state = ST_CLOSING;
    c->since_ns = b->loop_ns;
    b->n_closing++;
    conn_flush(b, c);
}

static void conn_watch(bench_t *b, conn_t *c, uint32_t events)
{
    struct epoll_event ev = { .events = events, .data = { .u32 = c->index } };

    if (c->events == events)
        return;
    if (epoll_ctl(b->epoll_fd, c->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->fd, &ev) != 0)
        die("epoll_ctl: %s", strerror(errno));
    c->events = events;
}

/* The result of an SSL call as an IO_ value; `text` says what went wrong. */
static ssize_t tls_result(const conn_t *c, int rc, const char **text)
{
    unsigned long code;

    switch (SSL_get_error(c->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return IO_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return IO_EOF;
    case SSL_ERROR_SYSCALL:
        if (errno == 0)
            return IO_EOF;
        *text = strerror(errno);
        return IO_ERROR;
    default:
        code = ERR_peek_last_error();
        *text = code ? ERR_reason_error_string(code) : NULL;
        if (!*text)
            *text = "TLS error";
        return IO_ERROR;
    }
}

/* Bytes read or written, or an IO_ value. */
static ssize_t io_transfer(conn_t *c, bool write_it, char *data, size_t n, const char **text)
{
    ssize_t rc;

    if (c->ssl) {
        int len = n > INT32_MAX ? INT32_MAX : (int)n, got;

        ERR_clear_error();
        errno = 0;
        got = write_it ? SSL_write(c->ssl, data, len) : SSL_read(c->ssl, data, len);
        return got > 0 ? got : tls_result(c, got, text);
    }
    do {
        rc = write_it ? send(c->fd, data, n, MSG_NOSIGNAL) : recv(c->fd, data, n, 0);
    } while (rc < 0 && errno == EINTR);
    if (rc >= 0)
        return rc;
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return IO_AGAIN;
    *text = strerror(errno);
    return IO_ERROR;
}

/* Writes what waits; false when the connection is gone. */
static bool conn_flush(bench_t *b, conn_t *c)
{
    const char *text = "";

    if (c->fd < 0)
        return false;
    while (c->out.off < c->out.len) {
        ssize_t n = io_transfer(c, true, c->out.data + c->out.off, c->out.len - c->out.off, &text);

        if (n == IO_AGAIN)
            break;
        if (n == IO_EOF || n == IO_ERROR) {
            /* A server that closed may have said why: the reading side tells. */
            c->out.off = c->out.len;
            break;
        }
        c->out.off += (size_t)n;
    }
    if (c->out.off == c->out.len)
        c->out.off = c->out.len = 0;
    conn_watch(b, c, EPOLLIN | (c->out.len ? (uint32_t)EPOLLOUT : 0u));
    return true;
}

/* The trip of a room: --trip-format with its one %d or %0Nd filled in. */
static void trip_name(const bench_t *b, uint32_t room, char *out, size_t cap)
{
    const char *format = b->opt.trip_format, *p = strchr(format, '%');
    char *end = NULL;
    long width;

    width = p ? strtol(p + 1, &end, 10) : -1;
    if (width < 0 || width > 20 || *end != 'd' || strchr(end, '%'))
        die("--trip-format needs exactly one %%d or %%0Nd, not \"%s\"", format);
    snprintf(out, cap, "%.*s%0*u%s", (int)(p - format), format, (int)width, room + b->opt.first_room, end + 1);
}

static void conn_request(bench_t *b, conn_t *c)
{
    const char *token = b->tokens[((uint64_t)c->room * b->opt.n_members + c->member) % b->n_tokens];
    enum token_in in = b->opt.token_in;
    char trip[160], head[1024];
    int n;

    trip_name(b, c->room, trip, sizeof(trip));
    n = snprintf(head, sizeof(head), "GET %s%s/", b->path, trip);
    if (b->resuming)
        n += snprintf(head + n, sizeof(head) - (size_t)n, "?after=%" PRIu64, c->last_seq);
    if (in == TOKEN_QUERY)
        n += snprintf(head + n, sizeof(head) - (size_t)n, "%ctoken=", b->resuming ? '&' : '?');
    buf_append(&c->out, head, (size_t)n);
    if (in == TOKEN_QUERY)
        buf_append(&c->out, token, strlen(token));
    n = snprintf(head, sizeof(head), " HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n%s", b->host, b->ws_key,
                 in == TOKEN_QUERY ? "" : in == TOKEN_HEADER ? "Authorization: Bearer "
                                                             : "Sec-WebSocket-Protocol: tripchat, bearer.");
    buf_append(&c->out, head, (size_t)n);
    if (in != TOKEN_QUERY) {
        buf_append(&c->out, token, strlen(token));
        buf_append(&c->out, "\r\n", 2);
    }
    buf_append(&c->out, "\r\n", 2);
    c->state = ST_HTTP;
    conn_flush(b, c);
}

static void conn_tls_step(bench_t *b, conn_t *c)
{
    const char *text = "";
    ssize_t result;
    int rc;

    ERR_clear_error();
    errno = 0;
    rc = SSL_connect(c->ssl);
    if (rc == 1) {
        conn_request(b, c);
        return;
    }
    result = tls_result(c, rc, &text);
    if (result == IO_AGAIN)
        conn_watch(b, c, SSL_want_write(c->ssl) ? (uint32_t)EPOLLOUT : (uint32_t)EPOLLIN);
    else
        conn_fail(b, c, "TLS handshake: %s", result == IO_EOF ? "connection closed" : text);
}

static void conn_connected(bench_t *b, conn_t *c)
{
    socklen_t len = sizeof(int);
    int error = 0, on = 1;

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error) {
        conn_fail(b, c, "connect: %s", strerror(error ? error : errno));
        return;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (!b->tls) {
        conn_request(b, c);
        return;
    }
    c->ssl = SSL_new(b->tls);
    if (!c->ssl || SSL_set_fd(c->ssl, c->fd) != 1)
        die("SSL_new failed");
    c->state = ST_TLS;
    conn_tls_step(b, c);
}

static bool conn_bind_source(const bench_t *b, const conn_t *c)
{
    struct sockaddr_in from = { .sin_family = AF_INET };
    int on = 1;

    if (b->opt.n_sources < 2)
        return true;
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + c->index % b->opt.n_sources);
    return setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) == 0
        && bind(c->fd, (const struct sockaddr *)&from, sizeof(from)) == 0;
}

/* Gives the connection its room and seat, and calls connect(). */
static void conn_start(bench_t *b, conn_t *c)
{
    uint64_t k = b->opt.mode == MODE_CONNECT ? b->n_attempts++ : c->index;

    c->state = ST_CONNECT;
    c->events = 0;
    c->got_close = false;
    c->since_ns = now_ns();
    c->room = (uint32_t)(k % b->opt.n_rooms);
    c->member = (uint32_t)(k / b->opt.n_rooms % b->opt.n_members);
    b->n_handshaking++;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        conn_fail(b, c, "socket: %s", strerror(errno));
    else if (!conn_bind_source(b, c))
        conn_fail(b, c, "bind: %s", strerror(errno));
    else if (connect(c->fd, (const struct sockaddr *)&b->server, sizeof(b->server)) == 0)
        conn_connected(b, c);
    else if (errno == EINPROGRESS)
        conn_watch(b, c, EPOLLOUT);
    else
        conn_fail(b, c, "connect: %s", strerror(errno));
}

/* ---- what the server says ---- */

/*
 * Where the value of "key": begins, or NULL. A quoted key and its colon can't occur within a JSON string, where quotes
 * are escaped, so content is never mistaken for structure.
 */
static const char *json_value(const char *p, size_t n, const char *key, size_t key_len)
{
    const char *v = memmem(p, n, key, key_len), *end = p + n;

    if (!v)
        return NULL;
    for (v += key_len; v < end && *v == ' '; v++)
        ;
    return v < end ? v : NULL;
}

#define JSON_VALUE(p, n, key) json_value((p), (n), "\"" key "\":", sizeof("\"" key "\":") - 1)

static bool json_is(const char *v, const char *end, const char *word)
{
    size_t n = strlen(word);

    return v && (size_t)(end - v) >= n + 2 && v[0] == '"' && memcmp(v + 1, word, n) == 0 && v[n + 1] == '"';
}

static bool json_uint(const char *v, const char *end, uint64_t *value)
{
    const char *p = v;

    for (*value = 0; p && p < end && *p >= '0' && *p <= '9'; p++)
        *value = *value * 10 + (uint64_t)(*p - '0');
    return p && p > v;
}

/* The `seq` is mostly where it was in the frame before: look there first. */
static const char *find_seq(bench_t *b, const char *p, size_t n, bool is_sender)
{
    static const char key[] = "\"seq\":";
    size_t *hint = &b->seq_hint[is_sender], key_len = sizeof(key) - 1;
    const char *v;

    if (*hint + key_len < n && memcmp(p + *hint - key_len, key, key_len) == 0)
        return p + *hint;
    v = json_value(p, n, key, key_len);
    if (v && (size_t)(v - p) >= key_len)
        *hint = (size_t)(v - p);
    return v;
}

/* The connection's own slot that a client_id names, or NULL: not ours, or not outstanding any more. */
static slot_t *find_slot(bench_t *b, conn_t *c, const char *v, const char *end)
{
    const char *id = b->tmpl + b->tmpl_id;
    uint64_t conn, at, number;
    slot_t *slot;

    if (!v || end - v < CLIENT_ID_BYTES + 2 || v[0] != '"' || memcmp(v + 1, id, 11) != 0)
        return NULL;
    if (!get_hex(v + 12, 6, &conn) || !get_hex(v + 19, 4, &at) || !get_hex(v + 24, 8, &number)
        || conn != c->index || at >= c->sender->n_slots) {
        b->n_stray++;
        return NULL;
    }
    slot = &c->sender->slots[at];
    if (!slot->busy || slot->number != number) {
        b->n_stray++;
        return NULL;
    }
    return slot;
}

static void slot_release(bench_t *b, sender_t *s, slot_t *slot)
{
    slot->busy = false;
    s->free_slots[s->n_free++] = (uint32_t)(slot - s->slots);
    b->n_inflight--;
}

static void on_echo(bench_t *b, conn_t *c, const char *p, size_t n)
{
    sender_t *s = c->sender;
    slot_t *slot = find_slot(b, c, JSON_VALUE(p, n, "client_id"), p + n);

    if (!slot)
        return;
    slot_release(b, s, slot);
    s->n_acked++;
    b->n_acked++;
    if (b->measuring && b->opt.mode == MODE_INGEST)
        hist_add(&b->latency, now_ns() - slot->sent_ns);
    if (b->opt.n_messages && s->n_acked >= b->opt.n_messages)
        sender_finish(b, s);
}

/* One delivery in --sample on average, at random intervals so that no member or room is preferred. */
static void sample_latency(bench_t *b, const char *p, size_t n)
{
    const char *v;
    uint64_t sent_ns;

    if (b->sample_left-- > 0)
        return;
    b->sample_left = b->opt.sample > 1 ? next_random(b) % (2 * b->opt.sample - 1) : 0;
    v = JSON_VALUE(p, n, "content");
    if (v && (size_t)(p + n - v) > 1 + STAMP_BYTES + 16 && memcmp(v + 1, STAMP, STAMP_BYTES) == 0
        && get_hex(v + 1 + STAMP_BYTES, 16, &sent_ns))
        hist_add(&b->latency, now_ns() - sent_ns);
}

static void on_event(bench_t *b, conn_t *c, const char *p, size_t n, bool is_edit)
{
    uint64_t seq;

    if (c->state != ST_LIVE) {
        if (c->state == ST_HISTORY)
            conn_fail(b, c, "event before the history");
        return;
    }
    if (!json_uint(find_seq(b, p, n, c->sender != NULL), p + n, &seq)) {
        conn_fail(b, c, "event without seq");
        return;
    }
    check_seq(b, c, seq);
    b->last_delivery_ns = b->loop_ns;
    if (is_edit) {
        b->n_edits++;
        return;
    }
    b->n_deliveries++;
    if (c->sender)
        on_echo(b, c, p, n);
    if (b->measuring && b->opt.mode == MODE_FANOUT)
        sample_latency(b, p, n);
}

static void on_history(bench_t *b, conn_t *c, const char *p, size_t n)
{
    size_t tail = n < 128 ? n : 128;
    const char *v = JSON_VALUE(p + n - tail, tail, "last_seq"); /* likely behind the list, which may be long */

    if (c->state != ST_HISTORY) {
        if (c->state == ST_LIVE)
            conn_fail(b, c, "a second history");
        return;
    }
    if (!v)
        v = JSON_VALUE(p, n, "last_seq");
    if (!json_uint(v, p + n, &c->last_seq)) {
        conn_fail(b, c, "history without last_seq");
        return;
    }
    c->state = ST_LIVE;
    b->n_handshaking--;
    b->n_live++;
    b->n_connects++;
    if (c->last_seq > b->room_max[c->room])
        b->room_max[c->room] = c->last_seq;
    if (b->measuring && (b->opt.mode == MODE_CONNECT || b->opt.mode == MODE_RECONNECT))
        hist_add(&b->latency, now_ns() - c->since_ns);
    if (b->opt.mode == MODE_CONNECT)
        conn_close(b, c);
}

/* Counted by code; the message it names is no longer outstanding, and its sender waits a moment before the next. */
static void on_error(bench_t *b, conn_t *c, const char *p, size_t n)
{
    const char *v = JSON_VALUE(p, n, "code"), *end = p + n;
    char code[48] = "no code";
    uint64_t after_s = 0, wait_ns = PAUSE_NS;
    slot_t *slot;

    if (v && *v == '"') {
        const char *q = memchr(v + 1, '"', (size_t)(end - v - 1));

        if (q)
            snprintf(code, sizeof(code), "%.*s", (int)(q - v - 1), v + 1);
    }
    reasons_add(&b->errors, code);
    if (!c->sender)
        return;
    slot = find_slot(b, c, JSON_VALUE(p, n, "client_id"), end);
    if (slot)
        slot_release(b, c->sender, slot);
    if (json_uint(JSON_VALUE(p, n, "retry_after"), end, &after_s) && after_s > 0)
        wait_ns = (after_s > 5 ? 5 : after_s) * NS_PER_S;
    if (!c->sender->paused) {
        c->sender->paused = true;
        conn_pause(b, c, wait_ns);
    }
}

static void on_text(bench_t *b, conn_t *c, const char *p, size_t n)
{
    const char *v = JSON_VALUE(p, n, "type"), *end = p + n;

    if (json_is(v, end, "chat_message"))
        on_event(b, c, p, n, false);
    else if (json_is(v, end, "message_history"))
        on_history(b, c, p, n);
    else if (json_is(v, end, "message_edited"))
        on_event(b, c, p, n, true);
    else if (json_is(v, end, "error"))
        on_error(b, c, p, n);
    else
        b->n_other++;
}

static void on_close(bench_t *b, conn_t *c, const char *p, size_t n)
{
    unsigned code = n >= 2 ? (unsigned)((unsigned char)p[0] << 8 | (unsigned char)p[1]) : 1005u;

    c->got_close = true;
    if (c->state == ST_CLOSING)
        return;
    if (code != 1005)
        out_close(b, c, code);
    conn_flush(b, c);
    conn_fail(b, c, "closed by the server: %u %.*s", code, (int)(n > 2 ? n - 2 : 0), n > 2 ? p + 2 : "");
}

/* One whole frame. */
static void on_frame(bench_t *b, conn_t *c, unsigned head, const char *p, size_t n)
{
    unsigned opcode = head & 15;
    bool fin = head & 0x80;

    if (opcode == OP_TEXT && fin) {
        on_text(b, c, p, n);
    }
    else if (opcode == OP_TEXT || opcode == OP_CONT) {
        buf_append(&c->fragments, p, n);
        if (fin) {
            on_text(b, c, c->fragments.data, c->fragments.len);
            c->fragments.len = 0;
        }
    }
    else if (opcode == OP_CLOSE) {
        on_close(b, c, p, n);
    }
    else if (opcode == OP_PING) {
        b->n_pings++;
        if (c->state != ST_CLOSING)
            out_frame(b, c, OP_PONG, p, n);
    }
    else if (opcode != OP_PONG) {
        conn_fail(b, c, "frame with opcode %u", opcode);
    }
}

/* Handles all whole frames in place; how many bytes they took. The connection may be gone afterwards. */
static size_t consume_frames(bench_t *b, conn_t *c, const char *data, size_t n)
{
    size_t used = 0;

    while (c->fd >= 0 && n - used >= 2) {
        const unsigned char *f = (const unsigned char *)data + used;
        size_t head = 2, width = f[1] == 126 ? 2 : f[1] == 127 ? 8 : 0;
        uint64_t len = f[1];

        if (f[1] & 0x80 || f[0] & 0x70) {
            conn_fail(b, c, "masked frame or reserved bits: %02x %02x", f[0], f[1]);
            break;
        }
        head += width;
        if (n - used < head)
            break;
        if (width) {
            len = 0;
            for (size_t i = 2; i < head; i++)
                len = len << 8 | f[i];
        }
        if (len > MAX_FRAME_BYTES) {
            conn_fail(b, c, "frame of %" PRIu64 " bytes", len);
            break;
        }
        if (n - used - head < len)
            break;
        on_frame(b, c, f[0], data + used + head, (size_t)len);
        used += head + (size_t)len;
    }
    return used;
}

/* The answer to the upgrade, up to the blank line; how many bytes it took, 0 when it isn't whole yet. */
static size_t consume_http(bench_t *b, conn_t *c, char *data, size_t n)
{
    char *end = memmem(data, n, "\r\n\r\n", 4);
    unsigned status = 0;

    if (!end) {
        if (n > MAX_HTTP_BYTES)
            conn_fail(b, c, "no end of the HTTP answer");
        return 0;
    }
    *end = '\0';
    if (sscanf(data, "HTTP/1.1 %3u", &status) != 1)
        conn_fail(b, c, "no HTTP/1.1 answer");
    else if (status != 101)
        conn_fail(b, c, "HTTP %u", status);
    else if (!strstr(data, b->ws_accept))
        conn_fail(b, c, "wrong Sec-WebSocket-Accept");
    else if (b->opt.token_in == TOKEN_SUBPROTOCOL && !strcasestr(data, "\r\nSec-WebSocket-Protocol: tripchat"))
        conn_fail(b, c, "subprotocol offered, none chosen");
    else
        c->state = ST_HISTORY;
    return (size_t)(end + 4 - data);
}

static void conn_eof(bench_t *b, conn_t *c, const char *why)
{
    if (c->state == ST_CLOSING && c->got_close)
        conn_done(b, c);
    else
        conn_fail(b, c, "%s while %s", why, state_names[c->state]);
}

/* Keeps the beginning of an unfinished frame for the next read. */
static void conn_keep(conn_t *c, const char *rest, size_t n)
{
    c->in.off = c->in.len = 0;
    if (n)
        buf_append(&c->in, rest, n);
    else if (c->in.cap > KEEP_BYTES)
        buf_free(&c->in);
}

static void conn_readable(bench_t *b, conn_t *c)
{
    const char *text = "";

    for (;;) {
        size_t have = c->in.len, used = 0, space;
        ssize_t got;

        if (b->scratch_cap < have + READ_CHUNK + 1) {
            b->scratch_cap = have * 2 + READ_CHUNK + 1;
            b->scratch = grow(b->scratch, b->scratch_cap, 1);
        }
        if (have)
            memcpy(b->scratch, c->in.data, have);
        space = b->scratch_cap - have - 1;
        got = io_transfer(c, false, b->scratch + have, space, &text);
        if (got == IO_AGAIN)
            break;
        if (got == IO_EOF || got == IO_ERROR) {
            conn_eof(b, c, got == IO_EOF ? "end of stream" : text);
            return;
        }
        b->n_reads++;
        b->n_bytes += (uint64_t)got;
        have += (size_t)got;
        if (c->state == ST_HTTP)
            used = consume_http(b, c, b->scratch, have);
        if (c->state > ST_HTTP && c->fd >= 0)
            used += consume_frames(b, c, b->scratch + used, have - used);
        if (c->fd < 0)
            return;
        conn_keep(c, b->scratch + used, have - used);
        if (!c->ssl && (size_t)got < space)
            break;
    }
    if (c->sender)
        sender_fill(b, c);
    if (c->out.len || c->events != EPOLLIN)
        conn_flush(b, c);
}

/* ---- the loop ---- */

static void on_ready(bench_t *b, conn_t *c, uint32_t events)
{
    if (c->fd < 0)
        return;
    if (c->state == ST_CONNECT) {
        conn_connected(b, c);
        return;
    }
    if (c->state == ST_TLS) {
        conn_tls_step(b, c);
        return;
    }
    if (events & EPOLLOUT && !conn_flush(b, c))
        return;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        conn_readable(b, c);
}

static void open_more(bench_t *b)
{
    while (b->n_handshaking < b->opt.n_handshakes && b->next_open < b->open_target)
        conn_start(b, &b->conns[b->next_open++]);
    while (b->churn && b->n_reopen && b->n_handshaking < b->opt.n_handshakes)
        conn_start(b, &b->conns[b->reopen[--b->n_reopen]]);
}

static void wake_paused(bench_t *b)
{
    for (uint32_t i = 0; i < b->n_paused; i++) {
        conn_t *c = &b->conns[b->paused[i].index];

        if (b->paused[i].until_ns > b->loop_ns)
            continue;
        b->paused[i--] = b->paused[--b->n_paused];
        if (b->opt.mode == MODE_CONNECT) {
            b->reopen[b->n_reopen++] = c->index;
        }
        else if (c->sender && c->state == ST_LIVE) {
            c->sender->paused = false;
            sender_fill(b, c);
            conn_flush(b, c);
        }
    }
}

/* A close that the server doesn't finish is cut. */
static void sweep_closing(bench_t *b)
{
    for (uint32_t i = 0; b->n_closing && i < b->n_conns; i++) {
        conn_t *c = &b->conns[i];

        if (c->state == ST_CLOSING && c->since_ns + CLOSE_WAIT_NS <= b->loop_ns)
            conn_fail(b, c, "%s within 10 s of our close frame", c->got_close ? "no end of stream" : "no close frame");
    }
}

static int wait_events(bench_t *b, struct epoll_event *events)
{
    uint64_t wait_ns = TICK_NS;
    struct timespec t = { 0, 0 };
    int n;

    if (b->sending && b->opt.rate > 0) {
        uint64_t now = now_ns();

        wait_ns = b->pace_next_ns > now ? b->pace_next_ns - now : 0;
        wait_ns = wait_ns > TICK_NS ? TICK_NS : wait_ns;
    }
    if (!b->no_pwait2) {
        t.tv_nsec = (long)wait_ns;
        n = epoll_pwait2(b->epoll_fd, events, MAX_EVENTS, &t, NULL);
        if (n >= 0 || errno != ENOSYS)
            return n;
        b->no_pwait2 = true;
    }
    return epoll_wait(b->epoll_fd, events, MAX_EVENTS, (int)((wait_ns + NS_PER_MS - 1) / NS_PER_MS));
}

static void loop_once(bench_t *b)
{
    struct epoll_event events[MAX_EVENTS];
    int n;

    open_more(b);
    pace_senders(b);
    n = wait_events(b, events);
    b->loop_ns = now_ns();
    for (int i = 0; i < n; i++)
        on_ready(b, &b->conns[events[i].data.u32], events[i].events);
    if (b->loop_ns >= b->next_tick_ns) {
        b->next_tick_ns = b->loop_ns + TICK_NS;
        wake_paused(b);
        sweep_closing(b);
    }
    if (b->opt.nap_us && n > 0) {
        struct timespec nap = { 0, (long)b->opt.nap_us * 1000 };

        nanosleep(&nap, NULL);
    }
}

typedef bool done_fn(bench_t *b);

/* True when `done` said so, false at the deadline or after a signal. */
static bool run_until(bench_t *b, done_fn *done, double limit_s)
{
    uint64_t deadline = now_ns() + s_to_ns(limit_s);

    b->loop_ns = now_ns();
    while (!done(b)) {
        if (interrupted || b->loop_ns >= deadline)
            return false;
        loop_once(b);
    }
    return true;
}

static bool none_left(bench_t *b)
{
    return b->opt.mode != MODE_CONNECT && b->n_live == 0 && b->n_handshaking == 0;
}

/* Runs for a time, or until nobody is there any more. */
static void run_for(bench_t *b, double seconds)
{
    (void)run_until(b, none_left, seconds);
}

static bool opened(bench_t *b)
{
    return b->next_open == b->open_target && b->n_handshaking == 0;
}

static bool settled(bench_t *b)
{
    return b->n_handshaking == 0 && b->n_closing == 0;
}

static bool closed(bench_t *b)
{
    return b->n_closing == 0;
}

/* Everybody has what anybody in the room has; looked at now and then, since it walks all connections. */
static bool drained(bench_t *b)
{
    if (b->n_inflight || b->loop_ns < b->next_scan_ns)
        return false;
    b->next_scan_ns = b->loop_ns + TICK_NS;
    for (uint32_t i = 0; i < b->n_conns; i++) {
        const conn_t *c = &b->conns[i];

        if (c->state == ST_LIVE && c->last_seq < b->room_max[c->room])
            return false;
    }
    return b->n_missing == 0 || b->loop_ns > b->last_delivery_ns + GAP_GRACE_NS;
}

static bool all_sent(bench_t *b)
{
    return b->n_senders_done == b->n_senders && drained(b);
}

static void fail_unfinished(bench_t *b)
{
    for (uint32_t i = 0; i < b->n_conns; i++) {
        conn_t *c = &b->conns[i];

        if (c->state >= ST_CONNECT && c->state <= ST_HISTORY)
            conn_fail(b, c, "%s when the time was over", state_names[c->state]);
    }
}

/* Opens connections up to `target`; true when all are live. */
static bool open_to(bench_t *b, uint32_t target)
{
    b->open_target = target;
    if (!run_until(b, opened, b->opt.timeout_s)) {
        note("%u of %u connections are open when the time is over", b->n_live, target);
        b->timed_out = true;
        b->open_target = b->next_open;
        fail_unfinished(b);
    }
    return b->n_live == target;
}

static void close_all(bench_t *b)
{
    b->sending = false;
    b->loop_ns = now_ns();
    for (uint32_t i = 0; i < b->n_conns; i++) {
        if (b->conns[i].state == ST_LIVE)
            conn_close(b, &b->conns[i]);
    }
    (void)run_until(b, closed, 15);
}

/* ---- the modes ---- */

static void run_hold(bench_t *b)
{
    static snapshot_t from, to;

    if (b->opt.hold_s <= 0)
        return;
    note("holding %u connections for %g s", b->n_live, b->opt.hold_s);
    snapshot_take(b, &from);
    run_for(b, b->opt.hold_s);
    snapshot_take(b, &to);
    fig_num(b, "hold_s", (double)(to.at_ns - from.at_ns) / 1e9, "s");
    fig_cpu(b, &from, &to, (double)b->n_live * b->opt.hold_s, "connection_second");
    fig_count(b, "pings", b->n_pings, "answered");
}

static void run_idle(bench_t *b)
{
    uint32_t n_warm = b->opt.n_warm < b->n_conns / 2 ? b->opt.n_warm : b->n_conns / 2, n_before = 0, n_after = 0;
    uint64_t before = 0, after = 0, start_ns;
    bool known = b->opt.pids != NULL;
    uint32_t n_weighed;

    open_to(b, n_warm);
    run_for(b, b->opt.settle_s);
    known = known && server_memory(b, &before, &n_before);
    n_weighed = b->n_live;
    start_ns = now_ns();
    open_to(b, b->n_conns);
    fig_num(b, "open_s", (double)(now_ns() - start_ns) / 1e9, "s");
    run_for(b, b->opt.settle_s);
    n_weighed = b->n_live > n_weighed ? b->n_live - n_weighed : 0;
    fig_count(b, "connections", b->n_live, "open, warm-up included");
    fig_count(b, "connections_weighed", n_weighed, "");
    known = known && server_memory(b, &after, &n_after);
    if (known) {
        fig_count(b, "server_private_bytes_before", before, "B");
        fig_count(b, "server_private_bytes_after", after, "B");
        fig_count(b, "server_processes_before", n_before, "");
        fig_count(b, "server_processes_after", n_after, "");
        if (n_weighed)
            fig_num(b, "bytes_per_connection", ((double)after - (double)before) / n_weighed, "B");
        if (n_before != n_after)
            note("the number of server processes changed: bytes_per_connection holds whole processes");
    }
    else if (b->opt.pids) {
        b->trouble = true;
    }
    fflush(stdout);
    run_hold(b);
    b->trouble = b->trouble || b->n_live != b->n_conns;
}

static void start_senders(bench_t *b)
{
    uint64_t start = now_ns();

    b->loop_ns = b->last_delivery_ns = start;
    b->sending = true;
    if (b->opt.rate > 0) {
        b->pace_step_ns = (uint64_t)(1e9 / (b->opt.rate * b->n_senders));
        b->pace_step_ns = b->pace_step_ns ? b->pace_step_ns : 1;
        b->pace_next_ns = start;
        return;
    }
    for (uint32_t i = 0; i < b->n_senders; i++) {
        sender_fill(b, b->senders[i]);
        conn_flush(b, b->senders[i]);
    }
}

/* What live members never got, and what was never answered. */
static void count_losses(bench_t *b)
{
    b->n_lost = b->n_missing;
    for (uint32_t i = 0; i < b->n_conns; i++) {
        const conn_t *c = &b->conns[i];

        if (c->state == ST_LIVE && c->last_seq < b->room_max[c->room]) {
            b->n_lost += b->room_max[c->room] - c->last_seq;
            fault_line(b, c, "behind at the end", b->room_max[c->room]);
        }
    }
    b->n_unanswered += b->n_inflight;
}

static void fig_traffic(bench_t *b, const snapshot_t *from, const snapshot_t *to)
{
    double wall_s = (double)(to->at_ns - from->at_ns) / 1e9;
    double deliveries = (double)(to->n_deliveries - from->n_deliveries), acked = (double)(to->n_acked - from->n_acked);
    double reads = (double)(to->n_reads - from->n_reads);

    fig_count(b, "connections", b->n_conns, "");
    fig_count(b, "senders", b->n_senders, "");
    fig_num(b, "window_s", wall_s, "s measured");
    fig_count(b, "messages", to->n_acked - from->n_acked, "stored and back at their sender");
    fig_num(b, "messages_s", acked / wall_s, "/s");
    fig_count(b, "deliveries", to->n_deliveries - from->n_deliveries, "");
    fig_num(b, "deliveries_s", deliveries / wall_s, "/s");
    fig_num(b, "received_bytes_s", (double)(to->n_bytes - from->n_bytes) / wall_s, "B/s");
    if (reads > 0)
        fig_num(b, "deliveries_per_read", deliveries / reads, "of the generator's reads");
    fig_latency(b, b->opt.mode == MODE_INGEST ? "echo_latency" : "latency");
    if (b->opt.mode == MODE_INGEST)
        fig_cpu(b, from, to, acked, "message");
    else
        fig_cpu(b, from, to, deliveries, "delivery");
}

static void run_traffic(bench_t *b)
{
    static snapshot_t from, to;
    bool by_count = b->opt.n_messages > 0;

    if (!open_to(b, b->n_conns)) {
        b->trouble = true;
        return;
    }
    run_for(b, b->opt.settle_s);
    if (!by_count) {
        start_senders(b);
        run_for(b, b->opt.warmup_s);
    }
    snapshot_take(b, &from);
    b->measuring = true;
    if (by_count) {
        start_senders(b);
        b->timed_out = !run_until(b, all_sent, b->opt.timeout_s);
        snapshot_take(b, &to);
        if (!b->timed_out && b->last_delivery_ns > from.at_ns)
            to.at_ns = b->last_delivery_ns; /* not when it was noticed */
    }
    else {
        run_for(b, b->opt.seconds);
        snapshot_take(b, &to);
    }
    b->measuring = false;
    b->sending = false;
    if (!by_count)
        b->timed_out = !run_until(b, drained, b->opt.timeout_s);
    if (b->timed_out)
        note("messages are still missing when the time is over");
    count_losses(b);
    fig_traffic(b, &from, &to);
    b->trouble = b->trouble || to.n_acked == from.n_acked;
}

static void fig_order(bench_t *b)
{
    fig_count(b, "sent", b->n_sent, "warm-up included");
    fig_count(b, "acknowledged", b->n_acked, "");
    fig_count(b, "received", b->n_deliveries, "deliveries, warm-up included");
    fig_count(b, "lost", b->n_lost, "");
    fig_count(b, "duplicated", b->n_duplicated, "");
    fig_count(b, "reordered", b->n_reordered, "");
    fig_count(b, "unanswered", b->n_unanswered, "");
    fig_count(b, "stray_echoes", b->n_stray, "");
    if (b->opt.rate > 0)
        fig_count(b, "skipped", b->n_skipped, "due, but too many outstanding or generator too late");
    fig_count(b, "edits", b->n_edits, "");
    fig_count(b, "other_frames", b->n_other, "");
    fig_count(b, "pings", b->n_pings, "answered");
    fig_reasons(b, "errors", &b->errors);
}

static void run_connect(bench_t *b)
{
    static snapshot_t from, to;
    double wall_s, n;

    b->reopen = zeroed(b->n_conns, sizeof(*b->reopen));
    b->churn = true;
    b->open_target = b->n_conns;
    run_for(b, b->opt.warmup_s);
    snapshot_take(b, &from);
    b->measuring = true;
    run_for(b, b->opt.seconds);
    snapshot_take(b, &to);
    b->churn = b->measuring = false;
    b->open_target = b->next_open;
    if (!run_until(b, settled, b->opt.timeout_s)) {
        b->timed_out = true;
        fail_unfinished(b);
    }
    wall_s = (double)(to.at_ns - from.at_ns) / 1e9;
    n = (double)(to.n_connects - from.n_connects);
    fig_count(b, "at_once", b->n_conns, "");
    fig_num(b, "window_s", wall_s, "s measured");
    fig_count(b, "connects", to.n_connects - from.n_connects, "with history");
    fig_num(b, "connects_s", n / wall_s, "/s");
    fig_num(b, "received_bytes_s", (double)(to.n_bytes - from.n_bytes) / wall_s, "B/s");
    fig_latency(b, "connect_latency");
    fig_cpu(b, &from, &to, n, "connect");
    b->trouble = b->trouble || n <= 0;
}

/* How long it takes until all are there, twice: first as newcomers, then where each was. */
static void run_reconnect(bench_t *b)
{
    static snapshot_t from, to;

    for (unsigned round = 0; round < 2 && !b->trouble; round++) {
        b->next_open = 0;
        b->resuming = b->measuring = round > 0;
        snapshot_take(b, &from);
        b->trouble = !open_to(b, b->n_conns);
        snapshot_take(b, &to);
        fig_num(b, round ? "reconnect_s" : "connect_s", (double)(to.at_ns - from.at_ns) / 1e9,
                "s until all have their history");
        if (round == 0)
            close_all(b);
    }
    fig_count(b, "connections", b->n_conns, "");
    fig_latency(b, "reconnect_latency");
    fig_cpu(b, &from, &to, b->n_conns, "connect");
}

/* ---- set-up ---- */

static void usage(FILE *to)
{
    fputs(
"usage: tcload MODE [options]\n"
"\n"
"  idle     -c N [--rooms R] [--warm N] [--settle S] [--hold S]\n"
"           opens N connections, prints the server's private memory per connection (needs -P)\n"
"  fanout   --rooms R --members M --window W (or --rate X) --messages K (or --seconds S)\n"
"           one sender a room; every member checks seq; deliveries/s, latency, CPU per delivery\n"
"  ingest   --rooms R --members M --senders all|one --window W --seconds S (or --messages K)\n"
"           stored messages/s, latency of the own copy, errors by code\n"
"  connect  -c N --seconds S [--rooms R]\n"
"           connect, history, close, with N at once; connects/s\n"
"  reconnect -c N [--rooms R]\n"
"           N connect, leave, and all come back at once with ?after=; seconds until the last has its history\n"
"\n"
"  --url URL            ws:// or wss:// and a loopback address [ws://127.0.0.1:8080/ws/chat/]\n"
"  --tls                wss, whatever the URL says\n"
"  --tokens FILE        a token a line [run/tokens]; member i of room r takes line (r*members+i) mod lines\n"
"  --token-in WHERE     subprotocol, query or header [subprotocol]\n"
"  --trip-format F      a room's trip id [00000000-0000-4000-8000-%012d]\n"
"  --first-room N       number of the first room [0]\n"
"  -P, --pids WHAT      the server's processes: pid[,pid...] or pidfile:PATH (parent and its children)\n"
"  -c, --connections N  idle and reconnect [1000], connect [50]\n"
"  --rooms R            [1; ingest 10; idle and connect 100]\n"
"  --members M          a room [100; ingest 10; idle: from -c; connect 10]\n"
"  --senders all|one    ingest: who sends [all]\n"
"  --window W           messages a sender keeps outstanding, 1-65535 [1]\n"
"  --rate X             messages a second and sender, however many are outstanding (at most 4096)\n"
"  --messages K         messages a sender, all of them measured\n"
"  --seconds S          measured time [5]\n"
"  --warmup S           traffic before the measured time [1]\n"
"  --payload BYTES      length of the content [100; at least 20]\n"
"  --sample N           fanout: latency of one delivery in N [8]\n"
"  --warm N             idle: connections opened before the first weighing [10]\n"
"  --settle S           quiet time before weighing or sending [idle 2, else 0.2]\n"
"  --hold S             idle: keep them open for S seconds more [0]\n"
"  --handshakes N       at most so many under way at once [200; reconnect: all]\n"
"  --sources N          addresses 127.0.0.1.. to connect from [1 for each 20000 connections]\n"
"  --nap US             sleep so long between reads: less CPU here, coarser latency [0]\n"
"  --timeout S          longest time of each phase [60]\n"
"  --json               all figures as one JSON object, the last line of the output\n"
"\n"
"exit status: 0 nothing lost, duplicated or reordered and no connection failed; 1 otherwise; 2 usage\n", to);
}

static uint32_t opt_count(const char *name, const char *text, uint32_t min, uint32_t max)
{
    char *end;
    unsigned long long v = strtoull(text, &end, 10);

    if (!isdigit((unsigned char)*text) || *end || v < min || v > max)
        die("--%s takes a number from %u to %u, not \"%s\"", name, min, max, text);
    return (uint32_t)v;
}

static double opt_real(const char *name, const char *text, double min)
{
    char *end;
    double v = strtod(text, &end);

    if (end == text || *end || !(v >= min) || v > 1e7)
        die("--%s takes a number from %g, not \"%s\"", name, min, text);
    return v;
}

enum {
    O_URL = 256, O_TLS, O_TOKENS, O_TOKEN_IN, O_TRIP_FORMAT, O_FIRST_ROOM, O_ROOMS, O_MEMBERS, O_SENDERS, O_WINDOW,
    O_RATE, O_MESSAGES, O_SECONDS, O_WARMUP, O_PAYLOAD, O_SAMPLE, O_WARM, O_SETTLE, O_HOLD, O_HANDSHAKES, O_SOURCES,
    O_NAP, O_TIMEOUT, O_JSON
};

static const struct option long_options[] = {
    { "url", 1, NULL, O_URL }, { "tls", 0, NULL, O_TLS }, { "tokens", 1, NULL, O_TOKENS },
    { "token-in", 1, NULL, O_TOKEN_IN }, { "trip-format", 1, NULL, O_TRIP_FORMAT },
    { "first-room", 1, NULL, O_FIRST_ROOM }, { "rooms", 1, NULL, O_ROOMS }, { "members", 1, NULL, O_MEMBERS },
    { "senders", 1, NULL, O_SENDERS }, { "window", 1, NULL, O_WINDOW }, { "rate", 1, NULL, O_RATE },
    { "messages", 1, NULL, O_MESSAGES }, { "seconds", 1, NULL, O_SECONDS }, { "warmup", 1, NULL, O_WARMUP },
    { "payload", 1, NULL, O_PAYLOAD }, { "sample", 1, NULL, O_SAMPLE }, { "warm", 1, NULL, O_WARM },
    { "settle", 1, NULL, O_SETTLE }, { "hold", 1, NULL, O_HOLD }, { "handshakes", 1, NULL, O_HANDSHAKES },
    { "sources", 1, NULL, O_SOURCES }, { "nap", 1, NULL, O_NAP }, { "timeout", 1, NULL, O_TIMEOUT },
    { "json", 0, NULL, O_JSON }, { "connections", 1, NULL, 'c' }, { "pids", 1, NULL, 'P' },
    { "help", 0, NULL, 'h' }, { NULL, 0, NULL, 0 }
};

static enum token_in opt_token_in(const char *text)
{
    if (strcmp(text, "query") == 0)
        return TOKEN_QUERY;
    if (strcmp(text, "header") == 0)
        return TOKEN_HEADER;
    if (strcmp(text, "subprotocol") != 0)
        die("--token-in takes subprotocol, query or header, not \"%s\"", text);
    return TOKEN_SUBPROTOCOL;
}

static bool opt_all_senders(const char *text)
{
    if (strcmp(text, "all") != 0 && strcmp(text, "one") != 0)
        die("--senders takes all or one, not \"%s\"", text);
    return strcmp(text, "all") == 0;
}

/* One option; a switch as long as the list of options. */
static void options_set(options_t *o, int key, const char *v)
{
    switch (key) {
    case O_URL: o->url = v; break;
    case O_TLS: o->force_tls = true; break;
    case O_TOKENS: o->tokens_file = v; break;
    case O_TOKEN_IN: o->token_in = opt_token_in(v); break;
    case O_TRIP_FORMAT: o->trip_format = v; break;
    case O_FIRST_ROOM: o->first_room = opt_count("first-room", v, 0, 1000000); break;
    case O_ROOMS: o->n_rooms = opt_count("rooms", v, 1, 1000000); break;
    case O_MEMBERS: o->n_members = opt_count("members", v, 1, 1000000); break;
    case O_SENDERS: o->all_senders = opt_all_senders(v); break;
    case O_WINDOW: o->window = opt_count("window", v, 1, 65535); break;
    case O_RATE: o->rate = opt_real("rate", v, 0.001); break;
    case O_MESSAGES: o->n_messages = opt_count("messages", v, 1, 1000000000); break;
    case O_SECONDS: o->seconds = opt_real("seconds", v, 0.01); break;
    case O_WARMUP: o->warmup_s = opt_real("warmup", v, 0); break;
    case O_PAYLOAD: o->payload_bytes = opt_count("payload", v, 1, 1000000); break;
    case O_SAMPLE: o->sample = opt_count("sample", v, 1, 1000000); break;
    case O_WARM: o->n_warm = opt_count("warm", v, 0, 1000000); break;
    case O_SETTLE: o->settle_s = opt_real("settle", v, 0); break;
    case O_HOLD: o->hold_s = opt_real("hold", v, 0); break;
    case O_HANDSHAKES: o->n_handshakes = opt_count("handshakes", v, 1, 100000); break;
    case O_SOURCES: o->n_sources = opt_count("sources", v, 1, 250); break;
    case O_NAP: o->nap_us = opt_count("nap", v, 0, 999999); break;
    case O_TIMEOUT: o->timeout_s = opt_real("timeout", v, 0.1); break;
    case O_JSON: o->json = true; break;
    case 'c': o->n_conns = opt_count("connections", v, 1, 0xffffff); break;
    case 'P': o->pids = v; break;
    case 'h': usage(stdout); exit(0);
    default: exit(2);
    }
}

static enum mode opt_mode(const char *text)
{
    for (unsigned i = 0; i < sizeof(mode_names) / sizeof(mode_names[0]); i++) {
        if (strcmp(text, mode_names[i]) == 0)
            return (enum mode)i;
    }
    die("no mode \"%s\"; --help lists them", text);
}

/* Defaults that depend on the mode, and what follows from the rest. */
static void options_complete(options_t *o, bool has_seconds)
{
    bool traffic = o->mode == MODE_FANOUT || o->mode == MODE_INGEST;

    if (o->settle_s < 0)
        o->settle_s = o->mode == MODE_IDLE ? 2 : 0.2;
    if (!o->n_conns)
        o->n_conns = o->mode == MODE_CONNECT ? 50 : 1000;
    if (!o->n_rooms)
        o->n_rooms = o->mode == MODE_FANOUT || o->mode == MODE_RECONNECT ? 1 : o->mode == MODE_INGEST ? 10 : 100;
    if (!o->n_handshakes)
        o->n_handshakes = o->mode == MODE_RECONNECT ? o->n_conns : 200;
    if (o->mode == MODE_IDLE && o->n_rooms > o->n_conns)
        o->n_rooms = o->n_conns;
    if (o->mode == MODE_IDLE || o->mode == MODE_RECONNECT)
        o->n_members = (o->n_conns + o->n_rooms - 1) / o->n_rooms;
    if (!o->n_members)
        o->n_members = o->mode == MODE_FANOUT ? 100 : 10;
    if (traffic && (uint64_t)o->n_rooms * o->n_members > 0xffffff)
        die("too many connections: --rooms times --members is at most %u", 0xffffffu);
    if (traffic)
        o->n_conns = o->n_rooms * o->n_members;
    if (o->n_messages && (has_seconds || !traffic))
        die("--messages belongs to fanout and ingest, and not beside --seconds");
    if (o->rate > 0 && o->window)
        die("--rate and --window exclude each other");
    if (!o->window)
        o->window = 1;
    if (o->mode == MODE_FANOUT)
        o->all_senders = false;
    if (!o->n_sources)
        o->n_sources = 1 + (o->n_conns - 1) / CONNS_PER_SOURCE;
}

static void options_read(options_t *o, int argc, char **argv)
{
    bool has_seconds = false;
    int key;

    *o = (options_t){
        .url = "ws://127.0.0.1:8080", .tokens_file = "run/tokens",
        .trip_format = "00000000-0000-4000-8000-%012d", .n_warm = 10, .sample = 8,
        .payload_bytes = 100, .seconds = 5, .warmup_s = 1, .settle_s = -1, .timeout_s = 60, .all_senders = true
    };
    while ((key = getopt_long(argc, argv, "c:P:h", long_options, NULL)) != -1) {
        has_seconds = has_seconds || key == O_SECONDS;
        options_set(o, key, optarg);
    }
    if (optind + 1 != argc) {
        usage(stderr);
        exit(2);
    }
    o->mode = opt_mode(argv[optind]);
    options_complete(o, has_seconds);
}

/* ws[s]://HOST[:PORT][/PATH]: sets server, host, path; whether it is TLS. */
static bool url_read(bench_t *b)
{
    const char *p = b->opt.url, *end;
    bool tls = strncmp(p, "wss://", 6) == 0;
    unsigned long port;
    char host[64];
    size_t n;

    if (!tls && strncmp(p, "ws://", 5) != 0)
        die("--url begins with ws:// or wss://, not \"%s\"", p);
    p += tls ? 6 : 5;
    tls = tls || b->opt.force_tls;
    n = strcspn(p, ":/?");
    snprintf(host, sizeof(host), "%.*s", (int)n, p);
    p += n;
    port = tls ? 443 : 80;
    if (*p == ':') {
        char *rest;

        port = strtoul(p + 1, &rest, 10);
        p = rest;
    }
    if (port == 0 || port > 65535 || (*p && *p != '/') || strchr(p, '?'))
        die("can't read the URL \"%s\"", b->opt.url);
    b->server.sin_family = AF_INET;
    b->server.sin_port = htons((uint16_t)port);
    if (inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &b->server.sin_addr) != 1
        || ntohl(b->server.sin_addr.s_addr) >> 24 != 127)
        die("\"%s\" is refused: only localhost and 127.x.y.z are loaded by this tool", host);
    snprintf(b->host, sizeof(b->host), "%s:%lu", host, port);
    end = p + strlen(p);
    if (end - p < 2)
        p = "/ws/chat/";
    if ((size_t)snprintf(b->path, sizeof(b->path), "%s%s", p, p[strlen(p) - 1] == '/' ? "" : "/") >= sizeof(b->path))
        die("the URL's path is too long");
    return tls;
}

static void tokens_read(bench_t *b)
{
    FILE *f = fopen(b->opt.tokens_file, "r");
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;

    if (!f)
        die("can't read %s: %s", b->opt.tokens_file, strerror(errno));
    while ((n = getline(&line, &cap, f)) > 0) {
        while (n > 0 && isspace((unsigned char)line[n - 1]))
            line[--n] = '\0';
        if (n == 0)
            continue;
        b->tokens = grow(b->tokens, b->n_tokens + 1, sizeof(*b->tokens));
        b->tokens[b->n_tokens] = strdup(line);
        if (!b->tokens[b->n_tokens++])
            die("out of memory");
    }
    free(line);
    fclose(f);
    if (!b->n_tokens)
        die("no token in %s", b->opt.tokens_file);
    if (b->opt.n_members > b->n_tokens)
        note("more members a room (%u) than tokens (%u): users repeat within a room", b->opt.n_members, b->n_tokens);
}

static void tls_init(bench_t *b)
{
    b->tls = SSL_CTX_new(TLS_client_method());
    if (!b->tls)
        die("SSL_CTX_new failed");
    SSL_CTX_set_verify(b->tls, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_mode(b->tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
                     | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(b->tls, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_session_cache_mode(b->tls, SSL_SESS_CACHE_OFF);
}

/* One key for all handshakes of the run, so the accept value is worked out once. RFC 6455, 4.2.2. */
static void key_init(bench_t *b)
{
    unsigned char nonce[16], hash[EVP_MAX_MD_SIZE];
    unsigned hash_len = 0;
    char text[80];

    if (RAND_bytes(nonce, sizeof(nonce)) != 1)
        die("RAND_bytes failed");
    memcpy(&b->run_id, nonce, 4);
    memcpy(&b->rng, nonce + 4, 4);
    b->rng |= 1;
    EVP_EncodeBlock((unsigned char *)b->ws_key, nonce, sizeof(nonce));
    snprintf(text, sizeof(text), "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", b->ws_key);
    if (EVP_Digest(text, strlen(text), hash, &hash_len, EVP_sha1(), NULL) != 1)
        die("SHA-1 failed");
    EVP_EncodeBlock((unsigned char *)b->ws_accept, hash, (int)hash_len);
}

static void files_init(const bench_t *b)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        die("getrlimit: %s", strerror(errno));
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        die("setrlimit: %s", strerror(errno));
    if (limit.rlim_cur < (rlim_t)b->n_conns + 16)
        die("%u connections don't fit in %llu file descriptors (ulimit -Hn)", b->n_conns,
            (unsigned long long)limit.rlim_cur);
}

/* A wrong -P is an error at once; children of a pidfile's process may have ended since they were listed. */
static void pids_check(const bench_t *b)
{
    pidset_t set;
    proc_t p;

    pidset_find(b, &set);
    for (uint32_t i = 0; i < set.n; i++) {
        if (!proc_read(set.pids[i], &p) && (i == 0 || b->opt.pids[0] != 'p'))
            die("-P %s: there is no process %ld", b->opt.pids, (long)set.pids[i]);
    }
}

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

static void bench_init(bench_t *b)
{
    struct sigaction stop;
    char trip[160];

    memset(&stop, 0, sizeof(stop));
    stop.sa_handler = on_signal;
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    b->n_conns = b->opt.n_conns;
    files_init(b);
    trip_name(b, 0, trip, sizeof(trip));
    pids_check(b);
    if (url_read(b))
        tls_init(b);
    tokens_read(b);
    key_init(b);
    template_make(b);
    b->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (b->epoll_fd < 0)
        die("epoll_create1: %s", strerror(errno));
    b->conns = zeroed(b->n_conns, sizeof(*b->conns));
    b->senders = zeroed(b->n_conns, sizeof(conn_t *));
    b->room_max = zeroed(b->opt.n_rooms, sizeof(*b->room_max));
    b->seq_hint[0] = b->seq_hint[1] = 16;
    for (uint32_t i = 0; i < b->n_conns; i++) {
        b->conns[i].fd = -1;
        b->conns[i].index = i;
        /* conn_start seats the first n_rooms connections as member 0 of each room */
        if ((b->opt.mode == MODE_FANOUT || b->opt.mode == MODE_INGEST) && (b->opt.all_senders || i < b->opt.n_rooms))
            sender_create(b, &b->conns[i]);
    }
    b->json = open_memstream(&b->json_text, &b->json_len);
    if (!b->json)
        die("out of memory");
}

static void fig_setting(bench_t *b)
{
    const options_t *o = &b->opt;
    bool traffic = o->mode == MODE_FANOUT || o->mode == MODE_INGEST;

    printf("tcload %s %s://%s%s\n", mode_names[o->mode], b->tls ? "wss" : "ws", b->host, b->path);
    fprintf(b->json, "{\"mode\":\"%s\",\"tls\":%s", mode_names[o->mode], b->tls ? "true" : "false");
    fig_count(b, "rooms", o->n_rooms, "");
    if (o->mode != MODE_CONNECT)
        fig_count(b, "members", o->n_members, "a room");
    if (traffic && o->rate > 0)
        fig_num(b, "rate", o->rate, "messages/s and sender");
    else if (traffic)
        fig_count(b, "window", o->window, "outstanding a sender");
    if (traffic)
        fig_count(b, "payload", b->opt.payload_bytes < STAMP_BYTES + 16 ? STAMP_BYTES + 16 : o->payload_bytes,
                  "B of content");
}

static int bench_finish(bench_t *b)
{
    bool ok;

    if (b->opt.mode == MODE_FANOUT || b->opt.mode == MODE_INGEST)
        fig_order(b);
    close_all(b);
    if (interrupted)
        note("stopped by a signal");
    fig_count(b, "failed_connections", b->n_failed, "");
    fig_reasons(b, "failures", &b->failures);
    ok = !b->n_lost && !b->n_duplicated && !b->n_reordered && !b->n_unanswered && !b->n_stray && !b->n_failed
        && !b->timed_out && !b->trouble && !interrupted;
    printf("%-30s %12s\n", "result", ok ? "ok" : "FAILED");
    fprintf(b->json, ",\"timed_out\":%s,\"ok\":%s}\n", b->timed_out ? "true" : "false", ok ? "true" : "false");
    fclose(b->json);
    if (b->opt.json)
        fputs(b->json_text, stdout);
    free(b->json_text);
    return ok ? 0 : 1;
}

int main(int argc, char **argv)
{
    static bench_t bench;
    bench_t *b = &bench;

    options_read(&b->opt, argc, argv);
    bench_init(b);
    fig_setting(b);
    switch (b->opt.mode) {
    case MODE_IDLE:
        run_idle(b);
        break;
    case MODE_FANOUT:
    case MODE_INGEST:
        run_traffic(b);
        break;
    case MODE_CONNECT:
        run_connect(b);
        break;
    case MODE_RECONNECT:
        run_reconnect(b);
        break;
    }
    return bench_finish(b);
}
