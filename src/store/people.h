/*
 * What a db thread remembers of the site's users, so that a history of fifty messages does not ask for
 * its senders fifty times. Forgets everything every TC_STORE_USER_TTL_S seconds or TC_STORE_USERS
 * users. Db.
 */
#ifndef TC_STORE_PEOPLE_H
#define TC_STORE_PEOPLE_H

#include "store/dbd.h"

typedef struct tc_people_t tc_people_t;

tc_people_t *tc_people_create(apr_pool_t *pool);

/* Gives back what is remembered. The pool keeps the rest. */
void tc_people_destroy(tc_people_t *people);

/*
 * The user's record, owned by the memory and good until the next tc_people_refresh(). A user that the
 * site no longer has is a record with an id alone. APR_SUCCESS, or the query's failure (logged).
 */
apr_status_t tc_people_find(tc_people_t *people, tc_dbd_t *store, tc_sql_t *sql,
                            const char *user_id, const tc_user_t **user, apr_pool_t *pool);

/* Forgets what is too old or too much. Between jobs. */
void tc_people_refresh(tc_people_t *people);

#endif
