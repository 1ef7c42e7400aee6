/* A db thread's memory of users. See people.h. */
#include "store/people.h"

#include "base/clock.h"
#include "base/limits.h"

#include <apr_strings.h>

struct tc_people_t {
    apr_pool_t *pool;  /* cleared when all users are forgotten */
    apr_hash_t *users; /* "site user" to tc_user_t, with a reference each */
    int64_t since_us;
};

tc_people_t *tc_people_create(apr_pool_t *pool)
{
    tc_people_t *people = apr_pcalloc(pool, sizeof(*people));

    apr_pool_create(&people->pool, pool);
    people->users = apr_hash_make(people->pool);
    people->since_us = tc_clock_monotonic_us();
    return people;
}

static void forget_all(tc_people_t *people)
{
    apr_hash_index_t *at;

    for (at = apr_hash_first(NULL, people->users); at != NULL; at = apr_hash_next(at)) {
        tc_user_unref(apr_hash_this_val(at));
    }
    apr_pool_clear(people->pool);
    people->users = apr_hash_make(people->pool);
    people->since_us = tc_clock_monotonic_us();
}

void tc_people_destroy(tc_people_t *people)
{
    forget_all(people);
}

void tc_people_refresh(tc_people_t *people)
{
    int64_t age_us = tc_clock_monotonic_us() - people->since_us;

    if (age_us >= TC_STORE_USER_TTL_S * TC_US_PER_S
        || apr_hash_count(people->users) >= TC_STORE_USERS) {
        forget_all(people);
    }
}

apr_status_t tc_people_find(tc_people_t *people, tc_dbd_t *store, tc_sql_t *sql,
                            const char *user_id, const tc_user_t **out, apr_pool_t *pool)
{
    const char *key = apr_psprintf(pool, "%u %s", store->store.site->index, user_id);
    tc_user_t *user = apr_hash_get(people->users, key, APR_HASH_KEY_STRING);
    apr_status_t rv;

    if (user == NULL) {
        rv = tc_dbd_find_user(store, sql, user_id, &user, pool);
        if (rv != APR_SUCCESS) {
            return rv;
        }
        if (user == NULL) {
            user = tc_user_create(user_id, NULL, NULL, NULL);
        }
        apr_hash_set(people->users, apr_pstrdup(people->pool, key), APR_HASH_KEY_STRING, user);
    }
    *out = user;
    return APR_SUCCESS;
}
