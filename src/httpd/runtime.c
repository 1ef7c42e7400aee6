/* The chat's life inside httpd. See runtime.h. */
#include "httpd/runtime.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "engine/tls.h"
#include "httpd/admission.h"
#include "httpd/check.h"
#include "httpd/complaints.h"
#include "httpd/dbd_pools.h"
#include "httpd/keyring.h"
#include "httpd/monitor.h"
#include "httpd/reload.h"
#include "httpd/scrub.h"
#include "httpd/server_log.h"
#include "store/people.h"

#include <ap_mpm.h>
#include <apr_optional.h>
#include <apr_strings.h>
#include <http_log.h>
#include <http_main.h>
#include <mod_dbd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

APLOG_USE_MODULE(tripchat);

#define STATEMENTS "tripchat statements" /* in a connection's table, which other modules use too */
#define RESERVE_BASE 64 /* descriptors for listeners, logs, databases */
#define RESERVE_A_THREAD 2
#define FIRST_PAUSE_US TC_US_PER_S /* after a start that failed; doubles with each one */
#define LONGEST_PAUSE_US (60 * TC_US_PER_S)

static tc_vhost_t *vhosts;                              /* const after post_config */
static APR_OPTIONAL_FN_TYPE(ap_dbd_open) *dbd_open;     /* const after post_config */
static APR_OPTIONAL_FN_TYPE(ap_dbd_close) *dbd_close;   /* const after post_config */
static tc_child_config_t child_config;                  /* const after child_init */
static apr_thread_mutex_t *start_lock;                  /* const after child_init */
static _Atomic(tc_child_t *) child;                     /* NULL until its threads are started */
static atomic_bool ended;                               /* the child ends: nothing more is started */
static pid_t own_pid;                                   /* const after child_init; the child's */
static int64_t next_try_us;                             /* lock: start_lock; monotonic; not before that */
static int64_t pause_us = FIRST_PAUSE_US;               /* lock: start_lock; after another try that fails */

/* ---- mod_dbd's connections ---- */

static bool gate_open(void *server, apr_pool_t *pool, tc_sql_t *sql)
{
    ap_dbd_t *dbd = dbd_open(pool, server);

    if (dbd == NULL) {
        return false; /* mod_dbd has logged why */
    }
    sql->driver = dbd->driver;
    sql->handle = dbd->handle;
    sql->pool = dbd->pool;
    sql->lease = dbd;
    sql->prepared = apr_hash_get(dbd->prepared, STATEMENTS, APR_HASH_KEY_STRING);
    if (sql->prepared == NULL) {
        sql->prepared = apr_hash_make(dbd->pool);
        apr_hash_set(dbd->prepared, STATEMENTS, APR_HASH_KEY_STRING, sql->prepared);
    }
    return true;
}

static void gate_close(void *server, tc_sql_t *sql)
{
    dbd_close(server, sql->lease);
}

static const tc_dbd_gate_t gate = {gate_open, gate_close};

/* ---- start-up ---- */

int tc_runtime_pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    const char *wrong = tc_config_init_defaults(pconf);

    (void)plog;
    (void)ptemp;
    tc_complaints_begin(pconf);
    if (wrong != NULL) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, NULL, "TC0043: a default of the module is wrong, which is a bug; "
                     "report it: %s", wrong);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return OK;
}

/*
 * mpm-itk forks a process for each connection, and ends it after the connection. The loop's thread is not in that process.
 */
static int check_mpm(const server_rec *server)
{
    if (vhosts == NULL || ap_find_linked_module("mpm_itk.c") == NULL) {
        return OK;
    }
    tc_complain(server, NULL, APLOG_EMERG, APR_SUCCESS, "TC0108: mod_tripchat cannot work with mpm-itk, which forks a process "
                "for each connection; use mpm_event with PHP-FPM pools of different users instead (Debian: a2dismod mpm_itk), "
                "or serve the chat by another httpd");
    return HTTP_INTERNAL_SERVER_ERROR;
}

static int check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *server)
{
    int made = tc_vhosts_make(pconf, server, &gate, &vhosts), checked = tc_check_sites(vhosts, ptemp);
    int mpm = check_mpm(server), complained;

    tc_dbd_pools_share(vhosts, ptemp);
    tc_check_idle_lines(server, ptemp);
    complained = tc_complaints_end(server, plog);
    return made != OK ? made : checked != OK ? checked : mpm != OK ? mpm : complained;
}

/*
 * True for `httpd -k stop` and `-k graceful-stop`, also `-kstop`: httpd checks its configuration before it signals. The MPM
 * takes -k out of process_rec's arguments, so they are read from the kernel. Where it has no /proc, the answer is no.
 */
static bool is_to_stop(void)
{
    char words[4096];
    FILE *file = fopen("/proc/self/cmdline", "re");
    size_t size = file != NULL ? fread(words, 1, sizeof(words) - 1, file) : 0, at = 0;

    if (file != NULL) {
        (void)fclose(file);
    }
    words[size] = '\0';
    while (at < size && strncmp(words + at, "-k", 2) != 0) {
        at += strlen(words + at) + 1;
    }
    if (at >= size) {
        return false;
    }
    at += words[at + 2] != '\0' ? 2 : 3;
    return at < size && (strcmp(words + at, "stop") == 0 || strcmp(words + at, "graceful-stop") == 0);
}

/* A broken file must not keep an administrator from stopping a running httpd. */
int tc_runtime_check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *server)
{
    return is_to_stop() ? OK : check_config(pconf, plog, ptemp, server);
}

/* How many connections fit into a descriptor limit, beside what HTTP needs. */
static unsigned fitting_connections(rlim_t limit)
{
    int threads = 1;
    rlim_t reserve;

    (void)ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads);
    reserve = RESERVE_BASE + RESERVE_A_THREAD * (rlim_t)(threads > 0 ? threads : 1);
    if (limit == RLIM_INFINITY || limit > 10000000) {
        limit = 10000000;
    }
    return (unsigned)(limit > 2 * reserve ? limit - reserve : limit / 2);
}

/* How many connections a child will hold at most. */
static unsigned expected_connections(const server_rec *server)
{
    apr_int64_t asked = tc_config_number(tc_config_of(server), TC_D_MAX_CONNECTIONS);
    struct rlimit limit;

    if (asked > 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return (unsigned)asked;
    }
    return fitting_connections(limit.rlim_cur);
}

int tc_runtime_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                           server_rec *server)
{
    int rc;

    (void)plog;
    tc_vhosts_open_logs(vhosts, pconf);
    tc_complaints_log(server);
    tc_keyring_sweep();
    rc = tc_reload_tell_rules(server, vhosts);
    if (vhosts == NULL || rc != OK) {
        return rc;
    }
    dbd_open = APR_RETRIEVE_OPTIONAL_FN(ap_dbd_open);
    dbd_close = APR_RETRIEVE_OPTIONAL_FN(ap_dbd_close);
    tc_scrub_make(pconf, ptemp, server);
    rc = tc_reload_make(server);
    if (rc == OK) {
        rc = tc_admission_make(server, expected_connections(server));
    }
    return rc == OK ? tc_monitor_make(server, vhosts) : rc;
}

/* ---- the child ---- */

/* How many connections the child may hold. If `asked` needs it, the soft limit is raised, up to the hard limit. */
static unsigned decide_max_connections(server_rec *server, apr_int64_t asked)
{
    struct rlimit limit;
    unsigned fitting;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return asked > 0 ? (unsigned)asked : 256;
    }
    fitting = fitting_connections(limit.rlim_cur);
    if (asked > (apr_int64_t)fitting && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) == 0) {
            fitting = fitting_connections(limit.rlim_cur);
        }
    }
    if (asked > (apr_int64_t)fitting) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, server,
                     "TC0046: %s %" APR_INT64_T_FMT " does not fit into the descriptor limit, so a child holds at most "
                     "%u; "
                     TC_RAISE_DESCRIPTORS,
                     tc_config_name(TC_D_MAX_CONNECTIONS), asked, fitting);
    }
    return asked > 0 && asked < (apr_int64_t)fitting ? (unsigned)asked : fitting;
}

static apr_status_t stop_child(void *data)
{
    tc_child_t *running;
    tc_vhost_t *vhost;

    (void)data;
    if (getpid() != own_pid) {
        return APR_SUCCESS; /* the threads and the seats are another process's */
    }
    running = atomic_exchange(&child, NULL);
    atomic_store(&ended, true);
    if (running != NULL) {
        tc_reload_listen();
    }
    if (running == NULL || tc_child_stop(running)) {
        tc_server_log_end();
    }
    tc_tls_end();
    for (vhost = vhosts; vhost != NULL; vhost = vhost->next) {
        tc_people_destroy(atomic_exchange(&vhost->store.spare_people, NULL));
    }
    return APR_SUCCESS;
}

/*
 * prefork's allocator of the child has no lock. But mod_dbd makes pools of it on our threads, and httpd on its own. So
 * the allocator gets a lock, unless it has one.
 */
static void lock_allocator(apr_pool_t *pchild)
{
    apr_allocator_t *allocator = apr_pool_allocator_get(pchild);
    apr_thread_mutex_t *lock;

    if (apr_allocator_mutex_get(allocator) == NULL
        && apr_thread_mutex_create(&lock, APR_THREAD_MUTEX_DEFAULT, pchild) == APR_SUCCESS) {
        apr_allocator_mutex_set(allocator, lock);
    }
}

void tc_runtime_prepare(apr_pool_t *pchild, server_rec *server, const tc_child_config_t *config)
{
    own_pid = getpid();
    tc_server_log_bind(server);
    lock_allocator(pchild);
    child_config = *config;
    child_config.max_connections = decide_max_connections(server, config->max_connections);
    if (apr_thread_mutex_create(&start_lock, APR_THREAD_MUTEX_DEFAULT, pchild) != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, 0, server, "TC0047: cannot make a mutex, so this child serves no chat; "
                     "check the limits on memory");
        atomic_store(&ended, true);
        return;
    }
    apr_pool_pre_cleanup_register(pchild, NULL, stop_child);
}

static void start_if_wanted(void)
{
    if (vhosts != NULL && getpid() == own_pid && atomic_load(&child) == NULL && tc_reload_wants_receivers()) {
        (void)tc_runtime_start();
    }
}

void tc_runtime_child_init(apr_pool_t *pchild, server_rec *server)
{
    const tc_config_t *config = tc_config_of(server);
    apr_int64_t connections = tc_config_number(config, TC_D_MAX_CONNECTIONS);
    tc_child_config_t wanted = {0};

    if (vhosts == NULL) {
        return;
    }
    wanted.max_connections = connections > 0 ? (unsigned)connections : 0;
    wanted.write_interval_us = tc_config_number(config, TC_D_WRITE_INTERVAL);
    wanted.memory_bytes = (size_t)tc_config_number(config, TC_D_MEMORY);
    wanted.db_threads = (unsigned)tc_config_number(config, TC_D_DB_THREADS);
    wanted.doors = tc_vhosts_doors(vhosts);
    tc_admission_config(&wanted);
    tc_reload_config(&wanted, vhosts, pchild, server);
    tc_monitor_sit(pchild, server);
    tc_runtime_prepare(pchild, server, &wanted);
    tc_metrics_set(TC_METRICS_CHILD, TC_M_MAX_CONNECTIONS, child_config.max_connections);
    start_if_wanted();
}

int tc_runtime_pre_connection(conn_rec *c, void *csd)
{
    (void)c;
    (void)csd;
    start_if_wanted();
    return DECLINED;
}

void tc_runtime_child_status(server_rec *server, pid_t pid, ap_generation_t generation, int slot,
                             mpm_child_status status)
{
    (void)server;
    (void)generation;
    (void)slot;
    if (status == MPM_CHILD_EXITED && vhosts != NULL) {
        tc_reload_clear(pid);
        tc_admission_clear(pid);
        tc_monitor_clear(pid);
    }
}

void tc_runtime_child_stopping(apr_pool_t *pchild, int graceful)
{
    tc_child_t *running = tc_runtime_child();

    (void)pchild;
    if (running != NULL) {
        tc_child_farewell(running, tc_reload_farewell(graceful));
    }
}

tc_child_t *tc_runtime_child(void)
{
    return getpid() == own_pid ? atomic_load(&child) : NULL;
}

unsigned tc_runtime_max_connections(void)
{
    return child_config.max_connections;
}

/*
 * A process that another module has forked from the child has a copy of its memory, but none of its threads. What it
 * handed to the loop would wait for ever.
 */
static bool is_forked(void)
{
    static tc_log_limit_t limit = TC_LOG_LIMIT(1);
    char more[TC_LOG_MORE_CHARS];

    if (getpid() == own_pid) {
        return false;
    }
    if (tc_log_may(&limit, more)) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, ap_server_conf, "TC0056: another module has forked this process from a child "
                     "of httpd, so it serves no chat; remove the module (mpm_itk does so for each connection)%s", more);
    }
    return true;
}

/* The pool of the threads is never destroyed, because a thread that did not end in time may still use it. */
static tc_child_t *start_child(void)
{
    tc_child_t *started = NULL;
    apr_pool_t *pool = NULL;
    tc_vhost_t *vhost;
    apr_status_t rv = apr_pool_create_unmanaged_ex(&pool, NULL, NULL);

    if (rv == APR_SUCCESS) {
        tc_server_log_start();
        rv = tc_child_start(&started, &child_config, pool);
    }
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, ap_server_conf, "TC0048: cannot start the chat in this child, so its "
                     "requests get 503 until another try, in %d seconds or later, succeeds; check the limits on threads, "
                     "memory, descriptors", (int)(pause_us / TC_US_PER_S));
        if (pool != NULL) {
            apr_pool_destroy(pool);
        }
        next_try_us = tc_clock_monotonic_us() + pause_us;
        pause_us = pause_us * 2 < LONGEST_PAUSE_US ? pause_us * 2 : LONGEST_PAUSE_US;
        return NULL;
    }
    pause_us = FIRST_PAUSE_US;
    for (vhost = vhosts; vhost != NULL; vhost = vhost->next) {
        tc_child_serve_store(started, &vhost->store);
    }
    tc_child_welcome(started);
    return started;
}

tc_child_t *tc_runtime_start(void)
{
    tc_child_t *running = tc_runtime_child();

    if (running != NULL || atomic_load(&ended) || is_forked()) {
        return running;
    }
    apr_thread_mutex_lock(start_lock);
    running = atomic_load(&child);
    if (running == NULL && !atomic_load(&ended) && tc_clock_monotonic_us() >= next_try_us) {
        running = start_child();
        atomic_store(&child, running);
    }
    apr_thread_mutex_unlock(start_lock);
    return running;
}
