/* httpd's reloads. See reload.h. */
#include "httpd/reload.h"

#include "base/hash.h"
#include "peer/parcel.h"

#include <ap_mpm.h>
#include <apr_file_info.h>
#include <apr_shm.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_log.h>
#include <mpm_common.h>
#include <scoreboard.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

APLOG_USE_MODULE(tripchat);

#define RETAINED "mod_tripchat handover 3" /* raise the number when the shared memory changes its layout */
#define RETAINED_BEFORE "mod_tripchat handover 2"
#define RETAINED_RULES "mod_tripchat token rules 1"
#define ALIGNMENT 64                       /* the shared memory begins at a cache line */
#define ENOUGH 4                           /* prefork's children that receive connections of others */

static tc_handover_t handover;        /* const after post_config */
static const tc_vhost_t *sites;       /* const after child_init */
static ap_generation_t own_generation;/* const after child_init */
static unsigned own_configuration;    /* const after child_init */
static _Atomic uint64_t *newest_rules;/* const after post_config; a hash of all sites' rules, shared by all generations */
static uint64_t own_rules;            /* const after post_config; the same, of this configuration */
static const char *pid_file;          /* const after child_init; NULL: it cannot be found */
static int slots;                     /* const after child_init; in which children may be */
static atomic_bool told_to_end; /* set by a signal, read by the loop */

/* ---- what is shared ---- */

/* This record outlives the module, which a reload loads anew. So nothing in it may point into the module. */
typedef struct {
    apr_shm_t *shm; /* NULL: there is none yet */
    void *memory;   /* in it, aligned */
    apr_size_t size;
} memory_t;

/* Makes memory without a name on the pool of the process. Children inherit it. */
static apr_status_t make_memory(memory_t *memory, apr_size_t size, apr_pool_t *process)
{
    apr_status_t rv;
    uintptr_t at;

    if (memory->shm != NULL) {
        (void)apr_shm_destroy(memory->shm);
    }
    rv = apr_shm_create(&memory->shm, size + ALIGNMENT, NULL, process);
    if (rv != APR_SUCCESS) {
        memory->shm = NULL;
        return rv;
    }
    at = (uintptr_t)apr_shm_baseaddr_get(memory->shm);
    at = (at + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    memory->memory = (void *)at; /* NOLINT(performance-no-int-to-ptr): it is rounded up */
    memory->size = size;
    return APR_SUCCESS;
}

void *tc_reload_memory(server_rec *server, const char *name, apr_size_t size, bool (*fits)(const void *memory),
                       bool *fresh)
{
    memory_t *memory = ap_retained_data_get(name);
    apr_status_t rv;

    if (memory == NULL) {
        memory = ap_retained_data_create(name, sizeof(*memory));
    }
    *fresh = memory->shm == NULL || memory->size != size || (fits != NULL && !fits(memory->memory));
    if (*fresh) {
        rv = make_memory(memory, size, server->process->pool);
        if (rv != APR_SUCCESS) {
            ap_log_error(APLOG_MARK, APLOG_EMERG, rv, server,
                         "TC0065: cannot make the memory that all children share (%s); check the limits on memory "
                         "and shared memory", name);
            return NULL;
        }
    }
    return memory->memory;
}

/*
 * Children with an older board go on with their passage. The connections that still wait in it when the last of them has
 * ended are closed by the system then, because nobody else has its ends. So their clients reconnect.
 */
static void end_passage(tc_passage_t *passage)
{
    if (passage != NULL) {
        tc_passage_close(passage);
    }
}

/* A new board gets a new passage, so that children that share the one share the other. */
static int make_passage(server_rec *server, bool fresh)
{
    tc_passage_t *passage = ap_retained_data_get(RETAINED " passage");
    apr_status_t rv;

    end_passage(ap_retained_data_get(RETAINED_BEFORE " passage"));
    if (passage == NULL) {
        passage = ap_retained_data_create(RETAINED " passage", sizeof(*passage));
        passage->out = passage->in = -1;
        fresh = true;
    }
    if (fresh) {
        end_passage(passage);
        rv = tc_passage_open(passage);
        if (rv != APR_SUCCESS) {
            ap_log_error(APLOG_MARK, APLOG_EMERG, rv, server,
                         "TC0036: cannot make the sockets through which connections move between children; check "
                         "the descriptor limit");
            return HTTP_INTERNAL_SERVER_ERROR;
        }
    }
    handover.passage = *passage;
    return OK;
}

unsigned tc_reload_children(void)
{
    int children = 1;

    (void)ap_mpm_query(AP_MPMQ_HARD_LIMIT_DAEMONS, &children);
    return children > 0 ? (unsigned)children : 1;
}

int tc_reload_make(server_rec *server)
{
    bool fresh;

    tc_handover_plan(&handover, tc_reload_children(), TC_PARCEL_VERSION);
    handover.board = tc_reload_memory(server, RETAINED, tc_handover_size(&handover), NULL, &fresh);
    if (handover.board == NULL) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    atomic_fetch_add(&handover.board->configurations, 1);
    return make_passage(server, fresh);
}

int tc_reload_tell_rules(server_rec *server, const tc_vhost_t *vhosts)
{
    bool fresh;

    if (vhosts == NULL && ap_retained_data_get(RETAINED_RULES) == NULL) {
        return OK; /* no child has ever had a chat */
    }
    newest_rules = tc_reload_memory(server, RETAINED_RULES, sizeof(*newest_rules), NULL, &fresh);
    if (newest_rules == NULL) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    own_rules = TC_HASH_BASIS;
    for (; vhosts != NULL; vhosts = vhosts->next) {
        uint64_t rules = tc_jwt_rules_hash(&vhosts->jwt);

        own_rules = tc_hash_bytes(tc_hash_text(own_rules, vhosts->site.name), &rules, sizeof(rules));
    }
    atomic_store(newest_rules, own_rules);
    return OK;
}

bool tc_reload_has_other_rules(void)
{
    return atomic_load(newest_rules) != own_rules;
}

/* ---- httpd's plans ---- */

static bool is_reload(void)
{
    return ap_scoreboard_image->global->running_generation != own_generation;
}

/* httpd removes its PidFile when it is told to stop, and writes it anew when it reloads. */
static bool does_server_end(void)
{
    struct stat about;

    return pid_file != NULL && stat(pid_file, &about) != 0 && errno == ENOENT;
}

/* Under event and worker, threads wake their own process with a SIGTERM, which does not count here. */
static void on_signal(int number, siginfo_t *about, void *context)
{
    (void)number;
    (void)context;
    if (about->si_pid != getpid()) {
        atomic_store(&told_to_end, true);
    }
}

void tc_reload_listen(void)
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO;
    (void)sigaction(SIGTERM, &action, NULL);
}

/*
 * True if no slot is free for another child and, after a reload, there are fewer new children than old ones. Only httpd
 * may index its scoreboard: process_score grew in 2.4.63, and this module may be older than the httpd that runs it.
 */
static bool is_crowded(void)
{
    ap_generation_t running = ap_scoreboard_image->global->running_generation;
    int old = 0, followed = 0, i;

    for (i = 0; i < slots; i++) {
        const process_score *process = ap_get_scoreboard_process(i);

        if (process == NULL || process->pid == 0) {
            return false;
        }
        if (process->generation == running && !process->quiescing) {
            followed++;
        }
        else {
            old++;
        }
    }
    return !is_reload() || followed < old;
}

static tc_outlook_t look_out(void)
{
    tc_outlook_t outlook;

    outlook.is_reload = is_reload();
    outlook.has_successor = atomic_load(&handover.board->configurations) != own_configuration;
    outlook.server_ends = atomic_load(&told_to_end) || (!outlook.is_reload && does_server_end());
    outlook.crowded = is_crowded();
    return outlook;
}

/*
 * prefork calls child_stopping without `graceful` in any case. If prefork calls it from a signal handler, the child is
 * being killed. In a handler the signal is blocked (sigaction(2)), which tells.
 */
static bool is_killed(void)
{
    sigset_t blocked;

    return pthread_sigmask(SIG_BLOCK, NULL, &blocked) != 0 || sigismember(&blocked, SIGTERM) == 1
           || sigismember(&blocked, SIGHUP) == 1;
}

/*
 * To prefork, a child that waits for its connections to leave looks idle, and prefork starts no child in its place. So
 * the scoreboard says that the child finishes.
 */
static void tell_prefork(void)
{
    int i;

    for (i = 0; i < slots; i++) {
        const process_score *process = ap_get_scoreboard_process(i);

        if (process != NULL && process->pid == getpid()) {
            (void)ap_update_child_status_from_indexes(i, 0, SERVER_GRACEFUL, NULL);
        }
    }
}

static bool is_prefork(void)
{
    int is_threaded = 0;

    (void)ap_mpm_query(AP_MPMQ_IS_THREADED, &is_threaded);
    return !is_threaded;
}

bool tc_reload_ends_child(void)
{
    int state = AP_MPMQ_RUNNING;

    (void)ap_mpm_query(AP_MPMQ_MPM_STATE, &state);
    return is_reload() || (is_prefork() && state == AP_MPMQ_STOPPING);
}

tc_farewell_e tc_reload_farewell(int graceful)
{
    if (is_prefork() && !is_killed()) {
        tell_prefork();
        return TC_FAREWELL_MOVE;
    }
    if (graceful) {
        tc_reload_listen();
        return TC_FAREWELL_MOVE;
    }
    return is_reload() ? TC_FAREWELL_RESTART : TC_FAREWELL_STOP;
}

bool tc_reload_wants_receivers(void)
{
    return !is_prefork() || tc_handover_receivers(&handover, NULL, ENOUGH) < ENOUGH;
}

void tc_reload_clear(pid_t pid)
{
    tc_handover_clear(&handover, pid);
}

/* ---- a child's part ---- */

/* True if a virtual host of the site was known by this name, before the site got another one. */
static bool was_called(const tc_vhost_t *vhost, const char *name)
{
    const apr_array_header_t *hosts = vhost->plan->hosts;
    int i;

    for (i = 0; i < hosts->nelts; i++) {
        if (strcmp(APR_ARRAY_IDX(hosts, i, const char *), name) == 0) {
            return true;
        }
    }
    return false;
}

/* The only site for a connection that came to a site of this name. NULL: there is none, or it cannot be told. */
static const tc_vhost_t *find_vhost(const char *name)
{
    const tc_vhost_t *vhost, *found = NULL;
    unsigned count = 0;

    for (vhost = sites; vhost != NULL; vhost = vhost->next) {
        if (strcmp(vhost->site.name, name) == 0) {
            return vhost;
        }
        if (was_called(vhost, name)) {
            found = vhost;
            count++;
        }
    }
    return count == 1 ? found : NULL;
}

static bool find_site(const char *name, tc_adoption_t *adoption)
{
    const tc_vhost_t *found = find_vhost(name);

    if (found == NULL) {
        return false;
    }
    adoption->site = &found->site;
    adoption->store = (tc_store_t *)&found->store.store;
    adoption->bus = found->bus;
    adoption->lease.rules = &found->jwt;
    return true;
}

/* In how many slots children may be. MPMs other than event use only as many as MaxRequestWorkers needs. */
static int count_slots(void)
{
    int hard = (int)tc_reload_children(), most = 1, is_async = 0;

    (void)ap_mpm_query(AP_MPMQ_IS_ASYNC, &is_async);
    if (!is_async && ap_mpm_query(AP_MPMQ_MAX_DAEMONS, &most) == APR_SUCCESS && most < hard) {
        return most;
    }
    return hard;
}

void tc_reload_config(tc_child_config_t *config, const tc_vhost_t *vhosts, apr_pool_t *pchild,
                      server_rec *server)
{
    struct stat about;

    sites = vhosts;
    slots = count_slots();
    (void)ap_mpm_query(AP_MPMQ_GENERATION, &own_generation);
    own_configuration = atomic_load(&handover.board->configurations);
    pid_file = ap_pid_fname ? ap_server_root_relative(pchild, ap_pid_fname) : NULL;
    if (pid_file != NULL && stat(pid_file, &about) != 0) {
        pid_file = NULL; /* it is not where it should be, or this child may not see it */
    }
    config->succession.handover = &handover;
    config->succession.generation = (unsigned)own_generation;
    config->succession.drain_us = tc_config_number(tc_config_of(server), TC_D_DRAIN_TIME);
    config->succession.look_out = look_out;
    config->succession.find_site = find_site;
}
