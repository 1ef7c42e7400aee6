/*
 * What one httpd child runs for the chat: the loop with its hub and peers, the db threads, and the bus. This file also
 * has the order in which they start and stop. It knows nothing of httpd. The glue (httpd/runtime.h) starts the threads
 * when the httpd child gets its first connection, or must receive connections of others. They stop with the httpd
 * child.
 */
#ifndef TC_CHILD_CHILD_H
#define TC_CHILD_CHILD_H

#include "base/mail.h"
#include "bus/redis.h"
#include "child/arrival.h"
#include "child/departure.h"
#include "engine/worker_thread.h"
#include "peer/adoption.h"
#include "peer/peers.h"
#include "shared/handover.h"
#include "shared/meter.h"
#include "shared/tally.h"
#include "shared/usage.h"
#include "store/db_threads.h"
#include "token/lease.h"

/* How a child ends, as its clients see it. */
typedef enum {
    TC_FAREWELL_NONE,
    TC_FAREWELL_STOP,    /* all connections are closed with 1001: no child follows */
    TC_FAREWELL_RESTART, /* all connections are closed with 1012, at once */
    TC_FAREWELL_MOVE     /* they are moved, or closed with 1012 little by little (departure.h) */
} tc_farewell_e;

/* What the glue knows of the child's place in httpd. */
typedef struct {
    const tc_handover_t *handover; /* NULL: nothing moves from child to child */
    unsigned generation;
    int64_t drain_us; /* time over which connections that cannot move are closed */
    tc_outlook_t (*look_out)(void); /* what httpd is about to do; loop */
    /* Fills in an adoption's site, store, bus and the rules of its lease. False: there is no such site. Loop. */
    bool (*find_site)(const char *name, tc_adoption_t *adoption);
} tc_succession_t;

typedef struct tc_child_t {
    tc_peers_t peers;              /* with the loop and the hub; its callbacks lead back here */
    atomic_uint connections;       /* held, or on their way to the loop */
    unsigned max_connections;      /* const */
    tc_succession_t succession;    /* const */
    tc_handover_seat_t *place;     /* const; NULL: nothing moves */
    tc_departure_t departure;      /* loop */
    tc_arrival_t arrival;          /* loop */
    atomic_uint farewell;          /* tc_farewell_e, set once */
    unsigned db_threads;           /* const; number per store */
    tc_dbd_t *stores;              /* loop; list of those whose threads were started */
    tc_bus_redis_t *redis;         /* const; NULL when no site's bus is a Redis */
    tc_tally_seat_t seat;          /* const */
    bool has_seat;                 /* const; else connections are not counted by user and address */
    struct tc_journal_t *journal;  /* loop; NULL until the first line is to be written */
    tc_worker_thread_t thread;     /* the loop's */
    tc_timer_t tick;               /* loop; the hub's, once a second */
    tc_timer_t gaps;               /* loop; set while a room lacks an event */
    tc_task_t portions;            /* loop; queued while members of a room wait for their turn */
    tc_timer_t leaving;            /* loop; looks whether all peers have gone */
    int64_t quit_us;               /* loop; since when httpd waits for nothing but this child; 0: not yet */
    int64_t leave_by_us;           /* loop; at this time the loop ends even if peers are left */
    tc_mail_t welcome_mail;
    tc_mail_t farewell_mail;
    tc_mail_t quit_mail;
} tc_child_t;

/* What the glue decides. */
typedef struct {
    unsigned max_connections;
    int64_t write_interval_us;
    size_t memory_bytes;    /* what clients may make the child hold; 0: any number */
    unsigned db_threads;    /* number per store */
    tc_shared_meter_t *meter; /* NULL: users are not counted */
    const tc_tally_t *tally;  /* NULL: connections are not counted by user and address */
    tc_redis_door_t *doors; /* of the sites whose bus is a Redis */
    tc_succession_t succession;
} tc_child_config_t;

/*
 * Starts the threads of the loop and the bus. `pool` is the caller's, for bookkeeping, and outlives the child's
 * threads, which have pools of their own. What `config` points to is borrowed and lives as long. A status that is not
 * success: a thread, the loop or the bus cannot be made, nothing runs, and the
 * caller may destroy `pool`. Worker.
 */
apr_status_t tc_child_start(tc_child_t **child, const tc_child_config_t *config, apr_pool_t *pool);

/*
 * Counts one more connection and notes that in its claim. False: the child holds as many as it may. tc_child_release()
 * takes the connection out of all counts of its claim, when its peer ends or its adoption is dropped. Any thread.
 */
bool tc_child_reserve(tc_child_t *child, tc_claim_t *claim);
void tc_child_release(tc_child_t *child, tc_claim_t *claim);

/*
 * Counts one more connection for the user or the address that `key` stands for (0: nobody). False: all children have
 * `max` already. `counted` is the key's field of the claim: set to `key` if it was counted, else to 0. Any thread.
 */
bool tc_child_count(tc_child_t *child, uint64_t key, unsigned max, uint64_t *counted);

/* Has a store's jobs done by the child's threads, which start with the first job. Worker, before tc_child_welcome(). */
void tc_child_serve_store(tc_child_t *child, tc_dbd_t *store);

/* Hands a connection to the loop, or drops it if the loop has ended. Owns the adoption from now on. Any thread. */
void tc_child_adopt(tc_child_t *child, tc_adoption_t *adoption);

/* Has the loop receive connections from other children. Once, after tc_child_serve_store() for every site. Worker. */
void tc_child_welcome(tc_child_t *child);

/* Has the loop part from all connections, and does not wait. Only the first call counts. Signal-safe. Any thread. */
void tc_child_farewell(tc_child_t *child, tc_farewell_e farewell);

/* Closes all connections with `code`, also the connections that arrive later. Loop. */
void tc_child_close_all(tc_child_t *child, unsigned code);

/*
 * Says goodbye (TC_FAREWELL_STOP) if no farewell was said, waits for the threads and frees what they had. False: a
 * thread did not end in time. Then nothing is freed, because the process is about to end. Worker.
 */
bool tc_child_stop(tc_child_t *child);

#endif
