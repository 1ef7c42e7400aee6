/*
 * Tries the site's queries, where they are asked, and the rights on the chat's tables, without touching a row, when a
 * child has its first connection to a site's database. So an administrator reads in the log what is wrong before a user
 * finds out. On PostgreSQL it also learns the types of the queries' places. A type of chat_rooms.trip_id that no id of
 * TripChatTripKey fits is logged once. What else is wrong is tried again every ten seconds.
 */
#ifndef TC_STORE_CHECK_H
#define TC_STORE_CHECK_H

#include "store/dbd.h"

typedef enum { TC_CHECK_USER_QUERY, TC_CHECK_ACCESS_QUERY, TC_CHECK_TABLES, TC_CHECK_COUNT } tc_check_e;

/*
 * Runs the check if it is due and no other thread is at it. Leaves the connection as usable as it was. Not inside a
 * transaction. Worker or db thread.
 */
void tc_check_if_due(tc_dbd_t *store, tc_sql_t *sql, apr_pool_t *pool);

/* The types of the queries' places; NULL: they are not known yet, or the database has no need of them. Any thread. */
const tc_site_types_t *tc_check_types(tc_dbd_t *store);

/* What the check found wrong, as a name for an administrator; NULL: nothing of that kind. Any thread. */
const char *tc_check_wrong(tc_dbd_t *store, tc_check_e what);

#endif
