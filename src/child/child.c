/* What one httpd child runs for the chat. See child.h. */
#include "child/child.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/thread.h"
#include "base/weight.h"
#include "child/journal.h"
#include "codec/close.h"
#include "engine/transport.h"
#include "peer/parcel.h"
#include "peer/peer.h"
#include "peer/session.h"
#include "peer/shed.h"
#include "peer/stream.h"

#include <stdlib.h>
#include <unistd.h>

#define TICK_US TC_US_PER_S
#define WATCH_US (2 * TICK_US)
#define GAP_US (50 * TC_US_PER_MS)
#define GRACE_US (TC_STOP_GRACE_MS * TC_US_PER_MS) /* for clients to answer the Close */
#define LEAVING_US (20 * TC_US_PER_MS)
#define JOIN_LOOP_US (2 * TC_US_PER_S) /* in addition to the time for the farewells */
#define JOIN_DB_US (3 * TC_US_PER_S)
#define JOIN_JOURNAL_US TC_US_PER_S
#define JOIN_BUS_US (2 * TC_US_PER_S)

static tc_child_t *child_of(tc_peers_t *peers)
{
    return (tc_child_t *)((char *)peers - offsetof(tc_child_t, peers));
}

/* ---- counting ---- */

bool tc_child_reserve(tc_child_t *child, tc_claim_t *claim)
{
    unsigned held = atomic_load(&child->connections);

    do {
        if (held >= child->max_connections) {
            return false;
        }
    } while (!atomic_compare_exchange_weak(&child->connections, &held, held + 1));
    claim->by_child = true;
    if (child->place != NULL) {
        atomic_fetch_add(&child->place->held, 1);
    }
    return true;
}

bool tc_child_count(tc_child_t *child, uint64_t key, unsigned max, uint64_t *counted)
{
    bool was_counted = false;
    bool fits = key == 0 || !child->has_seat || tc_tally_add(&child->seat, key, max, &was_counted);

    *counted = was_counted ? key : 0;
    return fits;
}

void tc_child_release(tc_child_t *child, tc_claim_t *claim)
{
    if (claim->by_child) {
        atomic_fetch_sub(&child->connections, 1);
        if (child->place != NULL) {
            atomic_fetch_sub(&child->place->held, 1);
        }
    }
    if (claim->address_key != 0) {
        tc_tally_remove(&child->seat, claim->address_key);
    }
    if (claim->user_key != 0) {
        tc_tally_remove(&child->seat, claim->user_key);
    }
    *claim = (tc_claim_t){false, 0, 0};
}

static void release(tc_peers_t *peers, tc_claim_t *claim)
{
    tc_child_release(child_of(peers), claim);
}

/* ---- the connection log ---- */

static void tell(tc_peers_t *peers, const tc_site_t *site, const tc_buf_t *line)
{
    tc_child_t *child = child_of(peers);
    static tc_log_limit_t limit = TC_LOG_LIMIT(1);
    char more[TC_LOG_MORE_CHARS];
    apr_status_t rv = APR_SUCCESS;

    if (child->journal == NULL) {
        rv = tc_journal_start(&child->journal, tc_worker_thread_pool(&child->thread));
    }
    if (rv == APR_SUCCESS) {
        tc_journal_write(child->journal, site->connection_log, line);
    }
    else if (tc_log_may(&limit, more)) {
        tc_log(TC_LOG_ERR, rv, "TC0006: cannot start the thread of the connection log, so a line is lost; check the "
               "limits on threads and memory%s", more);
    }
}

/* ---- the loop's mail and timers ---- */

static void admit(tc_task_t *task)
{
    tc_adoption_t *adoption = (tc_adoption_t *)((char *)task - offsetof(tc_adoption_t, task));

    if (adoption->stream != NULL) {
        tc_stream_create(adoption->peers, adoption);
    }
    else {
        tc_session_create(adoption->peers, adoption);
    }
}

/* A thousand newcomers at once must not delay the answers of the store, which come by mail as well. */
static void deliver_adoption(tc_mail_t *mail, void *context)
{
    tc_adoption_t *adoption = (tc_adoption_t *)mail;
    tc_child_t *child = context;

    adoption->peers = &child->peers;
    adoption->task.run = admit;
    tc_loop_later(child->peers.loop, &adoption->task);
}

static void deliver_job(tc_mail_t *mail, void *context)
{
    tc_child_t *child = context;

    tc_hub_on_job(child->peers.hub, (tc_job_t *)mail, tc_loop_now_us(child->peers.loop));
}

void tc_child_close_all(tc_child_t *child, unsigned code)
{
    tc_peer_t *peer;
    int64_t by_us = tc_loop_now_us(child->peers.loop) + GRACE_US;

    TC_ASSERT_THREAD(TC_THREAD_LOOP);
    child->peers.farewell_code = code;
    if (child->leave_by_us > by_us) {
        child->leave_by_us = by_us;
    }
    for (peer = child->peers.first; peer != NULL; peer = peer->next) { /* close() frees no peer at once */
        peer->kind->close(peer, code, TC_FAREWELL_REASON);
    }
}

static void say_farewell(tc_child_t *child)
{
    tc_arrival_end(child);
    switch (atomic_load(&child->farewell)) {
    case TC_FAREWELL_MOVE:
        tc_departure_begin(child);
        break;
    case TC_FAREWELL_RESTART:
        tc_child_close_all(child, TC_CLOSE_RESTART);
        break;
    default:
        tc_child_close_all(child, TC_CLOSE_GOING_AWAY);
        break;
    }
}

static void deliver_welcome(tc_mail_t *mail, void *context)
{
    tc_child_t *child = context;

    (void)mail;
    if (child->place != NULL && atomic_load(&child->farewell) == TC_FAREWELL_NONE) {
        tc_arrival_begin(child);
    }
}

static void deliver_farewell(tc_mail_t *mail, void *context)
{
    (void)mail;
    say_farewell(context);
}

/* How long all connections may take to leave, at most. */
static int64_t parting_us(const tc_child_t *child)
{
    return atomic_load(&child->farewell) == TC_FAREWELL_MOVE ? child->succession.drain_us + GRACE_US : GRACE_US;
}

/* Ends the loop when all connections have left, or their time is over. */
static void on_leaving(tc_timer_t *timer, int64_t now_us)
{
    tc_child_t *child = (tc_child_t *)((char *)timer - offsetof(tc_child_t, leaving));

    /* Connections that wait for their turn are counted, but are no peers yet. */
    if ((child->peers.first == NULL && atomic_load(&child->connections) == 0) || now_us >= child->leave_by_us) {
        tc_departure_end(child);
        tc_loop_quit(child->peers.loop);
        return;
    }
    tc_timer_set(tc_loop_timers(child->peers.loop), timer, now_us + LEAVING_US);
}

static void deliver_quit(tc_mail_t *mail, void *context)
{
    tc_child_t *child = context;

    (void)mail;
    child->quit_us = tc_loop_now_us(child->peers.loop);
    say_farewell(child);
    child->leave_by_us = child->quit_us + (child->peers.farewell_code != 0 ? GRACE_US : parting_us(child));
    on_leaving(&child->leaving, tc_loop_now_us(child->peers.loop));
}

/* True while this child or another one ends. Then children share rooms, and a local bus does not connect them. */
static bool has_company(const tc_child_t *child)
{
    return child->place != NULL
           && (atomic_load(&child->farewell) != TC_FAREWELL_NONE
               || tc_handover_has_leavers(child->succession.handover, child->succession.generation));
}

static void on_tick(tc_timer_t *timer, int64_t now_us)
{
    tc_child_t *child = (tc_child_t *)((char *)timer - offsetof(tc_child_t, tick));

    int64_t next_us = timer->due_us + TICK_US; /* it fires a little late each time; the delays must not add up */
    tc_dbd_t *store;

    if (has_company(child)) {
        tc_hub_watch_until(child->peers.hub, now_us + WATCH_US);
    }
    for (store = child->stores; store != NULL; store = store->next_served) {
        store->store.connects = atomic_load(&store->connects);
    }
    tc_hub_tick(child->peers.hub, now_us);
    tc_metrics_set(TC_METRICS_CHILD, TC_M_MEMORY, tc_weight_get());
    tc_peers_check(&child->peers);
    for (store = child->stores; store != NULL; store = store->next_served) {
        tc_db_threads_tick(store->threads);
    }
    tc_timer_set(tc_loop_timers(child->peers.loop), timer, next_us > now_us ? next_us : now_us + TICK_US);
}

/* Events that two children store at once may arrive in another order. Most of these gaps close in a moment. */
static void on_gap(void *context)
{
    tc_child_t *child = context;

    if (child->gaps.link == NULL) {
        tc_timer_set(tc_loop_timers(child->peers.loop), &child->gaps,
                     tc_loop_now_us(child->peers.loop) + GAP_US);
    }
}

static void on_gaps_due(tc_timer_t *timer, int64_t now_us)
{
    (void)now_us;
    tc_hub_fill_gaps(((tc_child_t *)((char *)timer - offsetof(tc_child_t, gaps)))->peers.hub);
}

/* Members of large rooms have their turn behind what has waited longer. */
static void on_unserved(void *context)
{
    tc_child_t *child = context;

    tc_loop_later(child->peers.loop, &child->portions);
}

static void serve_on(tc_task_t *task)
{
    tc_child_t *child = (tc_child_t *)((char *)task - offsetof(tc_child_t, portions));

    if (tc_hub_serve_on(child->peers.hub)) {
        on_unserved(child);
    }
}

static void loop_main(void *context)
{
    tc_child_t *child = context;

    tc_thread_set_role(TC_THREAD_LOOP);
    if (tc_worker_thread_wait(&child->thread)) { /* else another thread could not be started */
        on_tick(&child->tick, tc_loop_now_us(child->peers.loop));
        tc_loop_run(child->peers.loop, child);
    }
    tc_loop_close(child->peers.loop, child);
    while (child->peers.first != NULL) {
        tc_peer_destroy(child->peers.first);
    }
    tc_hub_destroy(child->peers.hub);
    tc_deflater_destroy(child->peers.deflater);
    tc_inflater_destroy(child->peers.inflater);
}

/* ---- starting and stopping ---- */

/* Sends finished jobs back to the loop. Db. */
static bool take_jobs(void *context, tc_mail_t *jobs)
{
    tc_child_t *child = context;
    tc_mail_t *mail;

    for (mail = jobs; mail != NULL; mail = mail->next) {
        mail->deliver = deliver_job;
    }
    return tc_loop_post(child->peers.loop, jobs);
}

static apr_status_t start_db_threads(tc_child_t *child, tc_dbd_t *store)
{
    apr_status_t rv = tc_db_threads_start(&store->threads, child->db_threads, take_jobs, child,
                                          tc_worker_thread_pool(&child->thread));

    TC_ASSERT_THREAD(TC_THREAD_LOOP);
    if (rv != APR_SUCCESS) {
        if (!store->complained) {
            tc_log(TC_LOG_ERR, rv, "TC0005: cannot start the database threads of site %s, which can store nothing "
                   "until a later try succeeds; check the limits on threads and memory",
                   store->store.site->name);
        }
        store->complained = true;
        return rv;
    }
    store->complained = false;
    store->next_served = child->stores;
    child->stores = store;
    return APR_SUCCESS;
}

/* A site's threads start with its first job. Loop. */
static apr_status_t submit_job(tc_store_t *door, tc_job_t *job)
{
    tc_dbd_t *store = (tc_dbd_t *)door;

    if (store->threads == NULL && start_db_threads(store->child, store) != APR_SUCCESS) {
        return APR_EAGAIN;
    }
    return tc_db_threads_submit(store->threads, job);
}

void tc_child_serve_store(tc_child_t *child, tc_dbd_t *store)
{
    store->store.submit = submit_job;
    store->child = child;
}

/*
 * The loop's thread is made first, and waits: the loop talks to the bus, and the bus posts to the loop. If one of them
 * cannot be made, none of them has run. Whatever the result, the loop's pool is in order, or gone with the loop.
 */
static apr_status_t start_threads(tc_child_t *child, const tc_child_config_t *config,
                                  apr_pool_t *pool)
{
    apr_status_t rv = tc_worker_thread_start(&child->thread, loop_main, child, pool);

    if (rv == APR_SUCCESS && config->doors != NULL) {
        rv = tc_bus_redis_start(&child->redis, config->doors, child->peers.loop, child->peers.hub,
                                config->meter, pool);
        if (rv != APR_SUCCESS) {
            tc_worker_thread_ask_to_stop(&child->thread);
            (void)tc_worker_thread_join(&child->thread, INT64_MAX); /* it has nothing to do */
        }
    }
    if (rv == APR_SUCCESS) {
        tc_worker_thread_wake(&child->thread);
    }
    return rv;
}

/* Takes the child's seats in the memory that all children share. */
static void sit_down(tc_child_t *child, const tc_child_config_t *config)
{
    child->has_seat = config->tally != NULL && tc_tally_sit(config->tally, getpid(), &child->seat);
    child->succession = config->succession;
    if (config->succession.handover != NULL) {
        child->place = tc_handover_sit(config->succession.handover, getpid(), config->succession.generation,
                                       config->max_connections);
    }
}

static void stand_up(const tc_child_t *child)
{
    if (child->has_seat) {
        tc_tally_leave(&child->seat);
    }
    if (child->place != NULL) {
        tc_handover_leave(child->succession.handover, child->place);
    }
}

apr_status_t tc_child_start(tc_child_t **out, const tc_child_config_t *config, apr_pool_t *pool)
{
    tc_child_t *child = apr_pcalloc(pool, sizeof(*child));
    apr_status_t rv = tc_worker_thread_init(&child->thread);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    atomic_init(&child->connections, 0);
    atomic_init(&child->farewell, 0);
    child->max_connections = config->max_connections;
    child->peers.write_interval_us = config->write_interval_us;
    child->db_threads = config->db_threads;
    tc_weight_set_limit(config->memory_bytes);
    tc_shed_init(&child->peers);
    child->peers.release = release;
    child->peers.tell = tell;
    child->tick.fire = on_tick;
    child->leaving.fire = on_leaving;
    child->gaps.fire = on_gaps_due;
    child->portions.run = serve_on;
    child->welcome_mail.deliver = deliver_welcome;
    child->farewell_mail.deliver = deliver_farewell;
    child->quit_mail.deliver = deliver_quit;
    rv = tc_loop_create(&child->peers.loop, config->write_interval_us,
                        tc_worker_thread_pool(&child->thread));
    if (rv != APR_SUCCESS) {
        tc_worker_thread_free(&child->thread);
        return rv;
    }
    apr_pool_create(&child->peers.scratch, tc_worker_thread_pool(&child->thread));
    child->peers.hub = tc_hub_create(tc_worker_thread_pool(&child->thread));
    tc_hub_watch_gaps(child->peers.hub, on_gap, child);
    tc_hub_serve_in_portions(child->peers.hub, TC_ROOM_PORTION, on_unserved, child);
    tc_hub_set_meter(child->peers.hub, config->meter ? &config->meter->meter : NULL);
    sit_down(child, config);
    rv = start_threads(child, config, pool);
    if (rv == APR_SUCCESS) {
        *out = child;
    }
    else {
        stand_up(child);
    }
    return rv;
}

void tc_child_adopt(tc_child_t *child, tc_adoption_t *adoption)
{
    adoption->mail.next = NULL;
    adoption->mail.deliver = deliver_adoption;
    if (!tc_loop_post(child->peers.loop, &adoption->mail)) {
        tc_adoption_drop(adoption, &child->peers);
    }
}

void tc_child_welcome(tc_child_t *child)
{
    (void)tc_loop_post(child->peers.loop, &child->welcome_mail);
}

void tc_child_farewell(tc_child_t *child, tc_farewell_e farewell)
{
    unsigned none = TC_FAREWELL_NONE;

    if (farewell == TC_FAREWELL_MOVE && child->place == NULL) {
        farewell = TC_FAREWELL_RESTART;
    }
    if (atomic_compare_exchange_strong(&child->farewell, &none, farewell)) {
        (void)tc_loop_post(child->peers.loop, &child->farewell_mail);
    }
}

/* Asks all stores to stop before it waits for the first, so that they stop at the same time. */
static bool stop_stores(tc_child_t *child)
{
    int64_t until_us = tc_clock_monotonic_us() + JOIN_DB_US;
    tc_dbd_t *store;
    bool ended = true;

    for (store = child->stores; store != NULL; store = store->next_served) {
        tc_db_threads_ask_to_stop(store->threads);
    }
    for (store = child->stores; store != NULL; store = store->next_served) {
        int64_t left_us = until_us - tc_clock_monotonic_us();

        if (!tc_db_threads_stop(store->threads, left_us > 0 ? left_us : 0)) {
            tc_log(TC_LOG_ERR, 0, "TC0003: a database thread of site %s did not end in time, so messages without an "
                   "answer may not be stored; check that the database answers",
                   store->store.site->name);
            ended = false;
        }
    }
    return ended;
}

bool tc_child_stop(tc_child_t *child)
{
    unsigned none = TC_FAREWELL_NONE;

    (void)atomic_compare_exchange_strong(&child->farewell, &none, TC_FAREWELL_STOP);
    (void)tc_loop_post(child->peers.loop, &child->quit_mail);
    if (!tc_worker_thread_await(&child->thread, parting_us(child) + JOIN_LOOP_US)) {
        tc_log(TC_LOG_ERR, 0, "TC0002: the loop did not end in time, so the child exits and its remaining connections "
               "break; check whether the machine is overloaded");
        return false;
    }
    if (!stop_stores(child)) {
        return false;
    }
    if (child->redis != NULL && !tc_bus_redis_stop(child->redis, JOIN_BUS_US)) {
        tc_log(TC_LOG_ERR, 0, "TC0004: the thread of the Redis bus did not end in time; check that the name server "
               "answers for the host of TripChatBus");
        return false;
    }
    if (child->journal != NULL && !tc_journal_stop(child->journal, JOIN_JOURNAL_US)) {
        tc_log(TC_LOG_ERR, 0, "TC0007: the thread of the connection log did not end in time, so its last lines may be "
               "missing; check the disk or the program that takes the log");
        return false;
    }
    stand_up(child);
    tc_worker_thread_free(&child->thread); /* until now the other threads could post mail to the loop */
    return true;
}
