/*
 * What the site's own tables say: who a token's claim is, whether they may enter a trip, and their names. One statement
 * asks everything where that works (site_sql.h). If the site's queries cannot stand in one statement, they are asked
 * one by one for some minutes, and then it is tried again. A query that fails has been logged. Not inside a transaction.
 * Worker or db thread.
 */
#ifndef TC_STORE_SITE_H
#define TC_STORE_SITE_H

#include "store/dbd.h"

/* A visitor: who they are, and what they asked for. */
typedef struct {
    tc_user_t *user;   /* a reference, the caller's; NULL: there is no such user, and nothing below is set */
    bool has_trip;     /* false: there is no such room or message */
    tc_trip_t trip;    /* as the room's row has it, else as it was asked for */
    bool allowed;      /* on the trip */
    bool has_room;
    tc_uuid_t room_id;
    int64_t last_seq;  /* of the room */
    int32_t epoch;     /* of the room */
} tc_site_visit_t;

/* What a request names: a trip, a room or a message. Only the ids that `by` names are used. */
typedef struct {
    tc_visit_by_e by;
    tc_uuid_t id;   /* of the room or message */
    tc_trip_t trip;
    bool wants_head; /* last_seq and epoch are needed */
    bool needs_no_room; /* a room that is not there is not made */
} tc_site_target_t;

/* Finds user, access and room for a token's claim and what the request names. */
apr_status_t tc_site_visit(tc_dbd_t *store, tc_sql_t *sql, const tc_site_target_t *target, const char *claim,
                           tc_site_visit_t *out, apr_pool_t *pool);

/*
 * The same for a site whose tokens say who the user is: the site's tables are not asked. *out has neither user nor
 * access.
 */
apr_status_t tc_site_visit_room(tc_dbd_t *store, tc_sql_t *sql, const tc_site_target_t *target, tc_site_visit_t *out,
                                apr_pool_t *pool);

/* Finds a user by the claim of their token. *user is a reference, the caller's; NULL: there is no such user. */
apr_status_t tc_site_find_user(tc_dbd_t *store, tc_sql_t *sql, const char *claim, tc_user_t **user, apr_pool_t *pool);

/*
 * May the users of these rooms still enter the rooms' trips? `users` are those of the first room, then those of the
 * second one, and so on. Fills in their results and each room's `answered`: if a query fails for a room, the others are
 * asked for nevertheless. A failure says that no room has an answer.
 */
apr_status_t tc_site_check_users(tc_dbd_t *store, tc_sql_t *sql, tc_access_room_t *rooms, int room_count,
                                 tc_access_t *users, apr_pool_t *pool);

/*
 * Find the names of users by the database's ids. _people(): those of the user query or, if that does not know the id, those
 * of chat_people, under which they wrote last. _former(): those of chat_people first, so that the site's tables, which may
 * be locked, are hardly ever asked. If tokens say who a user is, chat_people alone is asked. users[i] gets a reference, the
 * caller's, or stays NULL.
 */
typedef apr_status_t tc_site_find_t(tc_dbd_t *store, tc_sql_t *sql, const char *const *ids, int count, tc_user_t **users,
                                    apr_pool_t *pool);
tc_site_find_t tc_site_find_people, tc_site_find_former;

#endif
