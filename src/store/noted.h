/*
 * The senders whose names a db thread has written to chat_people, so that a batch carries names only where they are new.
 * A db thread's own; Db.
 */
#ifndef TC_STORE_NOTED_H
#define TC_STORE_NOTED_H

#include "domain/site.h"
#include "domain/user.h"

#include <apr_pools.h>
#include <stdbool.h>

typedef struct tc_noted_t tc_noted_t;

/* Makes an empty memory. It takes TC_STORE_USERS * 8 bytes of `pool`, and never more. */
tc_noted_t *tc_noted_create(apr_pool_t *pool);

/* True if the names of this user were noted for the site, and are still remembered. */
bool tc_noted_has(const tc_noted_t *noted, const tc_site_t *site, const tc_user_t *user);

/* Notes that the names are in the database. An older user may be forgotten, whose names are then written once more. */
void tc_noted_add(tc_noted_t *noted, const tc_site_t *site, const tc_user_t *user);

#endif
