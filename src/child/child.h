/*
 * What one httpd child runs for the chat: the loop with its hub and peers, the db threads, the bus, and
 * the orders in which they start and stop. Knows nothing of httpd; the glue starts it with the child's first
 * connection and stops it with the child.
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
    TC_FAREWELL_STOP,    /* all are closed with 1001: nobody follows */
    TC_FAREWELL_RESTART, /* with 1012, at once */
    TC_FAREWELL_MOVE     /* moved, or closed with 1012 little by little (departure.h) */
} tc_farewell_e;

/* What the glue knows of the child's place in httpd. */
typedef struct {
    const tc_handover_t *handover; /* NULL: nothing moves from child to child */
    unsigned generation;
    int64_t drain_us; /* that a child may take to part from what cannot be moved */
    tc_outlook_t (*look_out)(void); /* loop */
    /* Fills in an adoption's site, store, bus and the rules of its lease; false when there is no such site. Loop. */
    bool (*find_site)(const char *name, unsigned index, tc_adoption_t *adoption);
} tc_succession_t;

typedef struct tc_child_t {
    tc_peers_t peers;              /* with the loop and the hub; their calls lead back here */
    atomic_uint connections;       /* held, or on their way to the loop */
    unsigned max_connections;      /* const */
    tc_succession_t succession;    /* const */
    tc_handover_seat_t *place;     /* const; NULL: nothing moves */
    tc_departure_t departure;      /* loop */
    tc_arrival_t arrival;          /* loop */
    atomic_uint farewell;          /* tc_farewell_e, set once */
    unsigned db_threads;           /* const; of a store */
    tc_dbd_t *stores;              /* loop; those that have threads */
    tc_bus_redis_t *redis;         /* const; NULL when no site's bus is a Redis */
    tc_tally_seat_t seat;          /* const */
    bool has_seat;                 /* const; else connections are not counted by user and address */
    struct tc_journal_t *journal;  /* loop; NULL until a connection's end is to be told of */
    tc_worker_thread_t thread;     /* the loop's */
    tc_timer_t tick;               /* loop; the hub's, once a second */
    tc_timer_t gaps;               /* loop; set while a room lacks something */
    tc_timer_t leaving;            /* loop; looks whether all have gone */
    int64_t quit_us;               /* loop; since when httpd waits for nothing but this; 0: it does not */
    int64_t leave_by_us;           /* loop; then they are let go of anyway */
    tc_mail_t welcome_mail;
    tc_mail_t farewell_mail;
    tc_mail_t quit_mail;
} tc_child_t;

/* What the glue decides. */
typedef struct {
    unsigned max_connections;
    int64_t write_interval_us;
    unsigned db_threads;    /* of a store */
    tc_shared_meter_t *meter; /* NULL: users are not counted */
    const tc_tally_t *tally;  /* NULL: connections are not counted by user and address */
    tc_redis_door_t *doors; /* of the sites whose bus is a Redis */
    tc_succession_t succession;
} tc_child_config_t;

/*
 * Starts the threads. `pool` is the caller's for bookkeeping and outlives the child's threads; the
 * threads have pools of their own. Worker.
 */
apr_status_t tc_child_start(tc_child_t **child, const tc_child_config_t *config, apr_pool_t *pool);

/*
 * Counts one more connection in; false when there are as many as allowed. A connection leaves all counts
 * when its peer ends or its adoption is dropped. Any thread.
 */
bool tc_child_reserve(tc_child_t *child, tc_claim_t *claim);
void tc_child_release(tc_child_t *child, tc_claim_t *claim);

/*
 * The same for the connections, `max` at most in all children, of whomever a key stands for; *counted is the
 * claim's, and set when it was counted; key 0 is nobody's. Any thread.
 */
bool tc_child_count(tc_child_t *child, uint64_t key, unsigned max, uint64_t *counted);

/* Has a store's jobs done by threads of the child's, from the first job on. Worker, before tc_child_welcome(). */
void tc_child_serve_store(tc_child_t *child, tc_dbd_t *store);

/* Hands a connection to the loop, or drops it when the loop has ended. Any thread. */
void tc_child_adopt(tc_child_t *child, tc_adoption_t *adoption);

/* Has the loop take connections that other children leave; once, when the sites' stores know the child. Worker. */
void tc_child_welcome(tc_child_t *child);

/* Has the loop part from everybody. Does not wait; once. Signal-safe. Any thread. */
void tc_child_farewell(tc_child_t *child, tc_farewell_e farewell);

/* Says goodbye to all who are there, and to those who come yet. Loop. */
void tc_child_close_all(tc_child_t *child, unsigned code);

/*
 * Says goodbye if nobody has, waits for the threads and frees what they had. False when they did not
 * end in time: then nothing is freed, the process is about to end anyway. Worker.
 */
bool tc_child_stop(tc_child_t *child);

#endif
