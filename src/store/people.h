/*
 * A db thread's memory of the site's users, so that a history of fifty messages does not ask for its senders fifty
 * times. All users are forgotten after TC_STORE_USER_TTL_S seconds, or when there are TC_STORE_USERS of them. Db.
 */
#ifndef TC_STORE_PEOPLE_H
#define TC_STORE_PEOPLE_H

#include "store/dbd.h"

typedef struct tc_people_t tc_people_t;

tc_people_t *tc_people_create(apr_pool_t *pool);

/* Gives back the references to users. The pool keeps the memory. */
void tc_people_destroy(tc_people_t *people);

/*
 * Finds the user's record, which `people` owns and which is valid until the next tc_people_refresh(). If the site does
 * not have the user any more, the record has an id alone. APR_SUCCESS, or the query's failure (logged).
 */
apr_status_t tc_people_find(tc_people_t *people, tc_dbd_t *store, tc_sql_t *sql,
                            const char *user_id, const tc_user_t **user, apr_pool_t *pool);

/* Forgets all users when they are too old or too many. Between jobs. */
void tc_people_refresh(tc_people_t *people);

#endif
