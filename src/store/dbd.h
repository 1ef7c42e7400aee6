/*
 * The store over apr_dbd: one a site, served by db threads of its own (a database that stands still must
 * not hold up another site's), which take whatever jobs wait and store them in one transaction (group
 * commit). The site's own tables, users and access, are asked
 * here too, by the worker that authorizes a connection.
 */
#ifndef TC_STORE_DBD_H
#define TC_STORE_DBD_H

#include "domain/store.h"
#include "store/sql.h"
#include "store/sql_query.h"

#include <stdatomic.h>

struct tc_db_threads_t;

/* How a thread comes by a connection to a site's database: the glue's, over mod_dbd. */
typedef struct {
    /* False when there is none to be had; the reason was logged. Any thread; may block. */
    bool (*open)(void *server, apr_pool_t *pool, tc_sql_t *sql);
    void (*close)(void *server, tc_sql_t *sql);
} tc_dbd_gate_t;

typedef struct tc_dbd_t {
    tc_store_t store; /* stands first */
    void *server;     /* the gate's: const after start-up */
    const tc_dbd_gate_t *gate;
    const tc_sql_query_t *access_query; /* trip, user -> a row when the user may enter */
    const tc_sql_query_t *user_query;   /* user -> id, email, username, full_name */
    _Atomic(const tc_sql_dialect_t *) dialect; /* NULL until a connection said what it is */
    void *child;                        /* whose threads serve it; const after the child's start */
    struct tc_db_threads_t *threads;    /* loop; NULL until the site's first job */
    bool complained;                    /* loop; that they could not be started */
    struct tc_dbd_t *next_served; /* loop; those of the child that have threads */
    atomic_llong shut_until_us;         /* there was no connection: none is asked for till then */
    atomic_uint asking;                 /* workers and db threads that have a connection, or want one */
    atomic_llong answered_us;           /* when one of them was done last, or the first began */
    atomic_bool asks_singly;            /* its access query cannot stand in another one */
} tc_dbd_t;

/* Makes ready what is atomic. The glue sets what is const, the child that serves the store how it takes jobs. */
void tc_dbd_init(tc_dbd_t *store);

/*
 * False when others have been asking for seconds and none of them was answered: the database is there and
 * stands still, and whoever asks it stands still, too. `many` is the number of others of which half a
 * second of that is enough; 0: none. Worker.
 */
bool tc_dbd_answers(tc_dbd_t *store, unsigned many);

/* The database has answered somebody. Any thread. */
void tc_dbd_note_answer(tc_dbd_t *store);

/*
 * Opens a connection and makes it ready for the chat; false when that fails (logged). Worker or db
 * thread.
 */
bool tc_dbd_open(tc_dbd_t *store, tc_sql_t *sql, apr_pool_t *pool);
void tc_dbd_close(tc_dbd_t *store, tc_sql_t *sql);

/*
 * After a failure: forgets what was prepared and, where the connection may be lost, fetches one that
 * was looked at. False: there is none, and the one at hand is closed.
 */
bool tc_dbd_reopen(tc_dbd_t *store, tc_sql_t *sql, apr_pool_t *pool);

/* APR_SUCCESS with *user (a reference, the caller's) or NULL when there is no such user. */
apr_status_t tc_dbd_find_user(tc_dbd_t *store, tc_sql_t *sql, const char *user_id,
                              tc_user_t **user, apr_pool_t *pool);

/* APR_SUCCESS with *allowed; a trip that does not exist allows nobody. */
apr_status_t tc_dbd_check_access(tc_dbd_t *store, tc_sql_t *sql,
                                 const tc_uuid_t *trip_id, const char *user_id,
                                 bool *allowed, apr_pool_t *pool);

/* The trip of a room or, if `of_message`, of a message. */
apr_status_t tc_dbd_find_trip(tc_dbd_t *store, tc_sql_t *sql, const tc_uuid_t *id,
                              bool of_message, tc_uuid_t *trip_id, bool *found,
                              apr_pool_t *pool);

/* How far a room has come; -1 when it is no more. */
apr_status_t tc_dbd_find_head(tc_dbd_t *store, tc_sql_t *sql, const tc_uuid_t *room_id,
                              int64_t *last_seq, apr_pool_t *pool);

/* Finds the trip's room or makes it. */
apr_status_t tc_dbd_open_room(tc_dbd_t *store, tc_sql_t *sql, const tc_uuid_t *trip_id,
                              tc_uuid_t *room_id, apr_pool_t *pool);

#endif
