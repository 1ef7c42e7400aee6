/*
 * What one httpd child runs for the chat: the loop with its hub and peers, the db threads, the bus, and
 * the orders in which they start and stop. Knows nothing of httpd; the glue starts it with the child's first
 * connection and stops it with the child.
 */
#ifndef TC_ADAPTERS_CHILD_H
#define TC_ADAPTERS_CHILD_H

#include "adapters/arrival.h"
#include "adapters/departure.h"
#include "base/mail.h"
#include "bus/redis.h"
#include "codec/deflate.h"
#include "domain/hub.h"
#include "engine/loop.h"
#include "engine/worker_thread.h"
#include "shared/handover.h"
#include "shared/meter.h"
#include "shared/tally.h"
#include "shared/usage.h"
#include "store/db_threads.h"
#include "token/lease.h"

#include <openssl/ssl.h>

struct tc_adoption_t;
struct tc_application_t;
struct tc_parcel_t;
struct tc_peer_t;

#define TC_FAREWELL_REASON "server stops, reconnect"

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
    bool (*find_site)(const char *name, unsigned index, struct tc_adoption_t *adoption);
} tc_succession_t;

typedef struct tc_child_t {
    tc_loop_t *loop;
    tc_hub_t *hub;                 /* loop */
    struct tc_peer_t *peers;       /* loop; all of them */
    uint64_t last_peer_id;         /* loop */
    atomic_uint connections;       /* held, or on their way to the loop */
    unsigned max_connections;      /* const */
    int64_t write_interval_us;     /* const; between two writes of what is in no hurry */
    tc_succession_t succession;    /* const */
    tc_handover_seat_t *place;     /* const; NULL: nothing moves */
    tc_departure_t departure;      /* loop */
    tc_arrival_t arrival;          /* loop */
    atomic_uint farewell;          /* tc_farewell_e, set once */
    unsigned farewell_code;        /* loop; 0, or what newcomers are closed with */
    unsigned db_threads;           /* const; of a store */
    tc_dbd_t *stores;        /* loop; those that have threads */
    tc_bus_redis_t *redis;         /* const; NULL when no site's bus is a Redis */
    tc_tally_seat_t seat;          /* const */
    bool has_seat;                 /* const; else connections are not counted by user and address */
    struct tc_journal_t *journal;  /* loop; NULL until a connection's end is to be told of */
    tc_inflater_t *inflater;       /* loop; NULL until it is needed */
    tc_deflater_t *deflater;       /* loop; the same */
    apr_pool_t *scratch;           /* loop; empty but within a call */
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

/* What a connection is counted as, and goes with it. Zeroed: as nothing. */
typedef struct {
    bool by_child;        /* in tc_child_t.connections */
    uint64_t address_key; /* in the tally; 0: not */
    uint64_t user_key;
} tc_claim_t;

/* What a client without WebSocket wants of its connection. */
typedef struct {
    bool is_poll;         /* one answer when there is news; else server-sent events without an end */
    unsigned limit;       /* poll: events in the answer */
    int64_t wait_us;      /* poll: until it is given anyway */
    const char *headers;  /* poll: lines with CRLF that the answer shall have; in text[] */
    const char *url;      /* poll: of the list, ready for the next parameter; in text[] */
    char text[];
} tc_stream_request_t;

/*
 * A connection that httpd has let go of. Owns everything in it. `reject_code` not 0: say so and close;
 * then there is no user and no store.
 */
typedef struct tc_adoption_t {
    tc_mail_t mail;
    int fd;                  /* non-blocking, close-on-exec */
    SSL *ssl;                /* one reference, with fd as its BIO; NULL: plain */
    bool bridged;            /* fd is a worker's end of a pair (httpd/bridge.h) */
    const tc_site_t *site;
    tc_store_t *store;
    tc_bus_t *bus;
    tc_user_t *user;
    tc_lease_t lease;
    tc_uuid_t trip_id;
    tc_uuid_t room_id;
    int64_t after;           /* -1: a newcomer */
    char address[TC_USAGE_ADDRESS_CHARS]; /* the client's; "": not known */
    unsigned reject_code;
    const char *reject_reason; /* a literal */
    tc_stream_request_t *stream; /* malloc'ed; NULL: a WebSocket */
    tc_claim_t claim;
    tc_deflate_terms_t deflate; /* of a WebSocket */
    const struct tc_application_t *application; /* of a WebSocket (session.h); NULL: the chat */
    struct tc_parcel_t *parcel; /* malloc'ed; of one that comes from another child; NULL: a new one */
    size_t input_len;        /* what the client sent behind its handshake */
    unsigned char *input;    /* malloc'ed, NULL when there is none */
} tc_adoption_t;

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

/* What compresses and inflates for all clients, made when first needed; NULL: no memory. Loop. */
tc_deflater_t *tc_child_deflater(tc_child_t *child);
tc_inflater_t *tc_child_inflater(tc_child_t *child);

/* Writes a line, which stays the caller's, into a site's connection log. Loop. */
void tc_child_tell(tc_child_t *child, const tc_site_t *site, const tc_buf_t *line);

/* Has a store's jobs done by threads of the child's, from the first job on. Worker, before tc_child_welcome(). */
void tc_child_serve_store(tc_child_t *child, tc_dbd_t *store);

/* Hands a connection to the loop, or drops it when the loop has ended. Any thread. */
void tc_child_adopt(tc_child_t *child, tc_adoption_t *adoption);

/* Frees what an adoption still has when its connection has been taken over. Loop. */
void tc_adoption_free(tc_adoption_t *adoption);

/* Frees an adoption that no loop takes: closes its descriptor, counts it out. Any thread. */
void tc_child_drop(tc_child_t *child, tc_adoption_t *adoption);

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
