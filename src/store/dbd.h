/*
 * The store over apr_dbd. Each site has a store with db threads of its own, so that a database that hangs does not hold
 * up another site. The threads take all jobs that wait and store them in one transaction (group commit). The worker
 * that authorizes a connection asks the site's own tables, users and access, through this file, too.
 */
#ifndef TC_STORE_DBD_H
#define TC_STORE_DBD_H

#include "domain/store.h"
#include "store/sql.h"
#include "store/sql_query.h"

#include <stdatomic.h>

struct tc_db_threads_t;

/* How a thread gets a connection to a site's database. The glue implements it with mod_dbd. */
typedef struct {
    /* Fills in *sql. False when there is no connection; the reason has been logged. Any thread; may block. */
    bool (*open)(void *server, apr_pool_t *pool, tc_sql_t *sql);
    void (*close)(void *server, tc_sql_t *sql);
} tc_dbd_gate_t;

typedef struct tc_dbd_t {
    tc_store_t store; /* stands first */
    void *server;     /* the gate's; const after start-up */
    const tc_dbd_gate_t *gate;
    const tc_sql_query_t *access_query; /* trip, user -> a row when the user may enter */
    const tc_sql_query_t *user_query;   /* user -> id, email, username, full_name */
    _Atomic(const tc_sql_dialect_t *) dialect; /* NULL until the first connection was opened */
    void *child;                        /* whose threads serve the store; const after the child's start */
    struct tc_db_threads_t *threads;    /* loop; NULL until the site's first job */
    bool complained;                    /* loop; it was logged that the threads could not be started */
    struct tc_dbd_t *next_served; /* loop; the next store of the child that has threads */
    atomic_llong shut_until_us;         /* monotonic; no connection is asked for before that */
    atomic_uint asking;                 /* workers and db threads that have a connection or wait for one */
    atomic_llong answered_us;           /* monotonic; when the database last answered, or the first began to ask */
    atomic_bool fits;                   /* the chat's tables have the version of this module */
    atomic_uint waiting;                /* threads that wait for a connection */
    atomic_uint lent;                   /* connections that threads have */
    atomic_bool asks_singly;            /* the access query cannot stand inside another one */
} tc_dbd_t;

/* Initializes the atomic fields. The glue sets the const ones; the child that serves the store sets store.submit. */
void tc_dbd_init(tc_dbd_t *store);

/*
 * False when the database hangs: other threads have been asking for 3 s, and none of them got an answer. A caller that
 * asks would hang, too. When at least `many` ask, half a second without an answer is enough; 0: always 3 s. Worker.
 */
bool tc_dbd_answers(tc_dbd_t *store, unsigned many);

/* Notes that the database has answered. Any thread. */
void tc_dbd_note_answer(tc_dbd_t *store);

/*
 * Opens a connection and makes it ready for the chat. False when that fails, which has been logged, or when another try
 * failed less than half a second ago. tc_dbd_close() may be called twice. Worker or db thread, as all below.
 */
bool tc_dbd_open(tc_dbd_t *store, tc_sql_t *sql, apr_pool_t *pool);
void tc_dbd_close(tc_dbd_t *store, tc_sql_t *sql);

/*
 * _rest() says that a thread keeps its connection for later and asks nothing meanwhile. _resume() ends that; it stands
 * before the next use of the connection and before tc_dbd_close(). Db.
 */
void tc_dbd_rest(tc_dbd_t *store);
void tc_dbd_resume(tc_dbd_t *store);

/* True when somebody waits for a connection, and all that there are belong to threads that keep `kept` of them. Db. */
bool tc_dbd_is_short(tc_dbd_t *store, unsigned kept);

/*
 * After a failure: forgets prepared statements. If the database is a server, closes the connection and opens another
 * one. False: there is no other one, and *sql is closed.
 */
bool tc_dbd_reopen(tc_dbd_t *store, tc_sql_t *sql, apr_pool_t *pool);

/*
 * After a statement that writes failed: if the connection cannot write, because the server is a standby or read-only,
 * ends it for good and opens another one. True if there is another one, so that it is worth to try again. The address
 * may lead to another server by now.
 */
bool tc_dbd_renew(tc_dbd_t *store, tc_sql_t *sql, apr_pool_t *pool);

/*
 * APR_SUCCESS with *user: a reference, the caller's, or NULL when there is no such user. Here and below, a query that
 * fails has been logged, and `pool` is for the call.
 */
apr_status_t tc_dbd_find_user(tc_dbd_t *store, tc_sql_t *sql, const char *user_id,
                              tc_user_t **user, apr_pool_t *pool);

/* APR_SUCCESS with *allowed. Nobody is allowed into a trip that does not exist. */
apr_status_t tc_dbd_check_access(tc_dbd_t *store, tc_sql_t *sql,
                                 const tc_trip_t *trip, const char *user_id,
                                 bool *allowed, apr_pool_t *pool);

/* APR_SUCCESS with *found and, if it is true, the trip of the room `id` or, with `of_message`, of the message `id`. */
apr_status_t tc_dbd_find_trip(tc_dbd_t *store, tc_sql_t *sql, const tc_uuid_t *id,
                              bool of_message, tc_trip_t *trip, bool *found,
                              apr_pool_t *pool);

/* APR_SUCCESS with the last_seq of a room, -1 when the room does not exist any more. */
apr_status_t tc_dbd_find_head(tc_dbd_t *store, tc_sql_t *sql, const tc_uuid_t *room_id,
                              int64_t *last_seq, apr_pool_t *pool);

/*
 * APR_SUCCESS with the id of the trip's room, which is created if there is none. *trip becomes the trip's id as the
 * room's row has it: for the database, other texts may be the same id.
 */
apr_status_t tc_dbd_open_room(tc_dbd_t *store, tc_sql_t *sql, tc_trip_t *trip,
                              tc_uuid_t *room_id, apr_pool_t *pool);

#endif
