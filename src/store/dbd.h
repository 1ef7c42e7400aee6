/*
 * The store over apr_dbd. Each site has a store with db threads of its own, so that a database that hangs does not hold
 * up another site. The threads take all jobs that wait and store them in one transaction (group commit). The worker
 * that authorizes a connection asks the site's own tables, users and access, through this file, too.
 */
#ifndef TC_STORE_DBD_H
#define TC_STORE_DBD_H

#include "domain/store.h"
#include "engine/semaphore.h"
#include "store/sql.h"
#include "store/site_sql.h"

#include <stdatomic.h>

struct tc_db_threads_t;
struct tc_people_t;

/* What is asked in one statement where that works. */
typedef enum { TC_ASK_VISIT, TC_ASK_ACCESS, TC_ASK_PEOPLE, TC_ASK_COUNT } tc_ask_e;

/* How a thread gets a connection to a site's database. The glue implements it with mod_dbd. */
typedef struct {
    /* Fills in *sql. False when there is no connection; the reason has been logged. Any thread; may block. */
    bool (*open)(void *server, apr_pool_t *pool, tc_sql_t *sql);
    void (*close)(void *server, tc_sql_t *sql);
} tc_dbd_gate_t;

/*
 * The use of a pool of connections. mod_dbd gives all servers with the same values one pool, so their sites' stores have it
 * together: what they wait for and keep concerns the others. Of a child.
 */
typedef struct {
    unsigned max_visitors;        /* const after start-up; 0: no limit */
    tc_semaphore_t places;        /* how many more visitors may ask */
    atomic_uint visitors;         /* workers who ask, or wait for a place */
    atomic_llong visitor_left_us; /* monotonic; when one last left, or the first came */
    atomic_uint waiting;          /* threads that wait for a connection */
    atomic_uint lent;             /* connections that threads have */
    atomic_uint kept;             /* of these, connections of db threads */
    atomic_uint resting;          /* of these, connections that are kept for later */
    tc_calls_t calls;             /* to the driver: one site's may wait for what another's waits for */
} tc_dbd_pool_t;

typedef struct tc_dbd_t {
    tc_store_t store; /* stands first */
    void *server;     /* the gate's; const after start-up */
    const tc_dbd_gate_t *gate;
    tc_site_queries_t queries;          /* const after start-up */
    _Atomic(const tc_sql_dialect_t *) dialect; /* NULL until the first connection was opened */
    void *child;                        /* whose threads serve the store; const after the child's start */
    struct tc_db_threads_t *threads;    /* loop; NULL until the site's first job */
    bool complained;                    /* loop; it was logged that the threads could not be started */
    struct tc_dbd_t *next_served; /* loop; the next store of the child that has threads */
    atomic_llong shut_until_us;         /* monotonic; no connection is asked for before that */
    tc_dbd_pool_t *pool;                /* const after start-up; own_pool, or another store's */
    tc_dbd_pool_t own_pool;
    atomic_uint lost_names;             /* sql.h */
    atomic_llong written_us;            /* monotonic; when a batch was last stored; 0: never */
    atomic_llong unwritten_us;          /* the same, when the server took no writes */
    atomic_bool fits;                   /* the chat's tables have the version of this module */
    atomic_uint connects;               /* connections that were made, or made again */
    atomic_llong singly_until_us[TC_ASK_COUNT]; /* monotonic; the queries cannot stand in one statement */
    atomic_llong unfit_until_us;        /* monotonic; ids of the chat's tables do not fit the user query's place */
    _Atomic(struct tc_people_t *) spare_people; /* readers' memory of users that nobody uses now */
    /* the checks of check.h */
    tc_site_types_t types;
    atomic_bool has_types;              /* `types` is filled in, and const from then on */
    atomic_bool is_checking;            /* a thread of the child is at it */
    atomic_bool is_checked;             /* the last check came to its end */
    atomic_uint wrong;                  /* a set of 1 << tc_check_e: what the last check found wrong */
    atomic_llong check_again_us;        /* monotonic */
} tc_dbd_t;

/* Initializes the atomic fields. The glue sets the const ones; the child that serves the store sets store.submit. */
void tc_dbd_init(tc_dbd_t *store);

/*
 * False when the database hangs: calls to the driver have been under way for 3 s, and none of them came back. A caller that
 * asks would hang, too. When at least `many` threads ask or wait for a connection, half a second is enough; 0: always
 * 3 s. A thread that waits for a connection of others is no sign of a database that hangs, nor is one that has a
 * connection and does not use it. Worker.
 */
bool tc_dbd_answers(tc_dbd_t *store, unsigned many);

/* Has the store use the pool of connections that `other` uses. At the start, before the fork. */
void tc_dbd_share_pool(tc_dbd_t *store, const tc_dbd_t *other);

/*
 * _limit() says how many workers may ask at a time for connections of the store's pool: fewer than there are connections, so
 * that the queries of newcomers, which may wait for a lock, leave some to the db threads. It is called once for each pool at
 * the start, before the fork. _enter() waits for a place, 3 s at most. False: there was none, or the database hangs, or
 * `many` workers ask and none of them has left for half a second (0: however many). After true, _leave() is called once.
 * Worker.
 */
void tc_dbd_limit(tc_dbd_t *store, unsigned max_visitors);
bool tc_dbd_enter(tc_dbd_t *store, unsigned many);
void tc_dbd_leave(tc_dbd_t *store);

/*
 * Opens a connection and makes it ready for the chat. False when that fails, which has been logged, or when another try
 * failed less than half a second ago. tc_dbd_close() may be called twice. Worker or db thread, as all below.
 */
bool tc_dbd_open(tc_dbd_t *store, tc_sql_t *sql, apr_pool_t *pool);
void tc_dbd_close(tc_dbd_t *store, tc_sql_t *sql);

/*
 * _keep() says that a db thread has a connection, which it may keep, _unkeep() that it has it no longer; it stands behind
 * tc_dbd_close(). _rest() says that a thread keeps its connection for later and asks nothing meanwhile. _resume() ends that;
 * it stands before the next use of the connection and before tc_dbd_close(). Db.
 */
void tc_dbd_keep(tc_dbd_t *store);
void tc_dbd_unkeep(tc_dbd_t *store);
void tc_dbd_rest(tc_dbd_t *store);
void tc_dbd_resume(tc_dbd_t *store);

/* True when somebody waits for a connection of the store's pool, and db threads have all that there are. Db. */
bool tc_dbd_is_short(const tc_dbd_t *store);

/*
 * After a failure: forgets prepared statements. If the database is a server, closes the connection and opens another
 * one. False: there is no other one, and *sql is closed.
 */
bool tc_dbd_reopen(tc_dbd_t *store, tc_sql_t *sql, apr_pool_t *pool);

/*
 * _note_writes() notes whether the server took a batch: `stored`, or that it takes no writes at all. _try_writes() finds that
 * out by a statement that changes nothing, unless a batch was stored just now; a failure is logged (TC0101). Whether
 * _takes_writes(): true also if that is not known. A server that took none counts so for 15 s, or until it takes a
 * batch, because the statement does not see a disk that is full. _takes_writes(): any thread.
 */
void tc_dbd_note_writes(tc_dbd_t *store, bool stored);
void tc_dbd_try_writes(tc_dbd_t *store, tc_sql_t *sql, apr_pool_t *pool);
bool tc_dbd_takes_writes(tc_dbd_t *store);

/*
 * After a statement that writes failed: if the connection cannot write, because the server is a standby or read-only,
 * ends it for good and opens another one. True if there is another one, so that it is worth to try again. The address
 * may lead to another server by now.
 */
bool tc_dbd_renew(tc_dbd_t *store, tc_sql_t *sql, apr_pool_t *pool);

/*
 * Runs a query. *row is its first row, or NULL if there is none; the next ones follow with tc_sql_next(). If it fails, it is tried again: the connection may have been
 * lost since its last use, or the schema may have changed. In a transaction it is not tried again, because the
 * transaction is lost with the connection. *why gets the reason of a failure, which has not been logged, and sql->fault
 * its kind; if there is no other connection, the handle of *sql is NULL.
 */
apr_status_t tc_dbd_ask(tc_dbd_t *store, tc_sql_t *sql, const char *statement, const char **args, int count,
                        tc_sql_rows_t *rows, tc_sql_row_t **row, const char **why, apr_pool_t *pool);

/* The same, and here and below a query that fails has been logged. */
apr_status_t tc_dbd_select(tc_dbd_t *store, tc_sql_t *sql, const char *statement, const char **args, int count,
                           tc_sql_rows_t *rows, tc_sql_row_t **row, apr_pool_t *pool);

/*
 * APR_SUCCESS with *found and, if it is true, the trip of the room
 * `id` or, with `of_message`, of the message `id`.
 */
apr_status_t tc_dbd_find_trip(tc_dbd_t *store, tc_sql_t *sql, const tc_uuid_t *id,
                              bool of_message, tc_trip_t *trip, bool *found,
                              apr_pool_t *pool);

/*
 * APR_SUCCESS with the last_seq of a room, -1 when the room does not exist any more, and with its epoch. `epoch` may be
 * NULL.
 */
apr_status_t tc_dbd_find_head(tc_dbd_t *store, tc_sql_t *sql, const tc_uuid_t *room_id,
                              int64_t *last_seq, int32_t *epoch, apr_pool_t *pool);

/*
 * APR_SUCCESS with *found and, if it is true, the id of the trip's room. *trip becomes the trip's id as the room's row
 * has it: for the database, other texts may be the same id.
 */
apr_status_t tc_dbd_find_room(tc_dbd_t *store, tc_sql_t *sql, tc_trip_t *trip, tc_uuid_t *room_id,
                              bool *found, apr_pool_t *pool);

/*
 * Makes the trip's room, unless somebody else does at the same time. APR_SUCCESS with its id and *trip as above.
 * APR_NOTFOUND: there is no such trip. Any other failure has been logged, and sql->fault says what it is.
 */
apr_status_t tc_dbd_open_room(tc_dbd_t *store, tc_sql_t *sql, tc_trip_t *trip,
                              tc_uuid_t *room_id, apr_pool_t *pool);

#endif
