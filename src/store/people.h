/*
 * A memory of the site's users, so that a history of fifty messages does not ask for its senders fifty times. A user is
 * forgotten after TC_STORE_USER_TTL_S seconds, and the one that was not needed for the longest time when there are more
 * than TC_STORE_USERS. One thread at a time uses a memory: a db thread, or a worker that reads a page.
 */
#ifndef TC_STORE_PEOPLE_H
#define TC_STORE_PEOPLE_H

#include "store/dbd.h"

typedef struct tc_people_t tc_people_t;

/* The memory of _create() lives until _destroy(), which also gives back the references to users; NULL is allowed. */
tc_people_t *tc_people_create(void);
void tc_people_destroy(tc_people_t *people);

/*
 * Asks the site, in one statement, for those of the users whom the memory does not know. No entry of `ids` may be NULL;
 * there may be TC_STORE_USERS / 2. APR_SUCCESS, or the query's failure (logged). Not inside a transaction.
 */
apr_status_t tc_people_learn(tc_people_t *people, tc_dbd_t *store, tc_sql_t *sql, const char *const *ids, int count,
                             apr_pool_t *pool);

/* The same, but only those whom chat_people does not have are asked of the site: tc_site_find_former(). */
apr_status_t tc_people_learn_former(tc_people_t *people, tc_dbd_t *store, tc_sql_t *sql, const char *const *ids, int count,
                                    apr_pool_t *pool);

/*
 * The user's record, which is valid until the memory has been asked for many others. Never NULL: whoever is not in it,
 * because the site and chat_people do not have them any more, is "(deleted user)" without an e-mail address.
 */
const tc_user_t *tc_people_get(tc_people_t *people, const tc_dbd_t *store, const char *user_id);

/*
 * Lend a memory that outlives a request, and take it back. A second reader at the same time gets an empty one. Without
 * a lock, because prefork ends a child from a signal handler. Worker.
 */
tc_people_t *tc_people_borrow(tc_dbd_t *store);
void tc_people_return(tc_dbd_t *store, tc_people_t *people);

#endif
