/*
 * One question of a worker to the database: who the sender of a request is, whether they may enter, the room, and a page of
 * its messages. A connection is taken, asked and given back within one call. So a worker that reads from its client or
 * writes to it has no connection: no other file of src/httpd can get one, and this folder knows no clients
 * (t/00-unit/layers.t checks both). Worker.
 */
#ifndef TC_STORE_VISITOR_H
#define TC_STORE_VISITOR_H

#include "store/site.h"
#include "token/claims.h"

/* A page that a visitor wants to read. */
typedef struct {
    int64_t after, before; /* -1: not given */
    int64_t epoch;         /* to which `after` belongs; -1: not given. Of another epoch: the newest messages */
    int limit;
} tc_visitor_page_t;

typedef struct {
    const char *claim;             /* the user, as the token names them */
    const tc_claimed_t *claimed;   /* what the token says about the user; NULL: the site's tables are asked */
    const tc_site_target_t *target; /* NULL: the user alone is asked for */
    const tc_visitor_page_t *page; /* NULL: none */
    unsigned many;                 /* tc_dbd_enter() */
} tc_visitor_t;

typedef enum {
    TC_VISITOR_OK,
    TC_VISITOR_NO_ANSWER,   /* of the database; *fault says why */
    TC_VISITOR_NO_USER,
    TC_VISITOR_NO_PLACE,    /* there is no such room or message */
    TC_VISITOR_NOT_CLAIMED, /* the token does not have the trip */
    TC_VISITOR_NOT_ALLOWED, /* the access query does not let the user in */
    TC_VISITOR_NO_TRIP      /* the user may enter, but the database has no such trip */
} tc_visitor_e;

typedef struct {
    tc_site_visit_t site;  /* with a room, if that is OK. site.user: a reference, the caller's, whatever the answer */
    tc_sql_fault_e fault;
    bool is_fresh;         /* the page is of another epoch than `after` */
    tc_event_t *events;    /* of the page; references, the caller's, if that is OK */
    int event_count;
    bool is_full;          /* the page has as many as it may have, so another one may follow */
} tc_visited_t;

/* Asks. The room is made when a visitor first comes. May wait for the database. */
tc_visitor_e tc_visitor_ask(tc_dbd_t *store, const tc_visitor_t *visitor, tc_visited_t *out, apr_pool_t *pool);

#endif
