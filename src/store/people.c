/* A memory of users. See people.h. */
#include "store/people.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "store/site.h"

#include <apr_strings.h>
#include <stdlib.h>

#define DELETED "(deleted user)" /* documented in docs/protocol.md */

/* A user that is remembered. It stands in the table and in the list of all, the newest use first. */
typedef struct person_t {
    struct person_t *newer, *older;
    tc_user_t *user; /* a reference */
    int64_t since_us;
    char key[];      /* "site user" */
} person_t;

struct tc_people_t {
    apr_pool_t *pool;
    apr_hash_t *table; /* key to person_t */
    person_t *newest, *oldest;
};

tc_people_t *tc_people_create(void)
{
    tc_people_t *people = tc_alloc_zero(sizeof(*people));

    apr_pool_create_unmanaged_ex(&people->pool, NULL, NULL);
    people->table = apr_hash_make(people->pool);
    return people;
}

static void unlink_person(tc_people_t *people, person_t *person)
{
    *(person->newer ? &person->newer->older : &people->newest) = person->older;
    *(person->older ? &person->older->newer : &people->oldest) = person->newer;
}

static void put_first(tc_people_t *people, person_t *person)
{
    person->newer = NULL;
    person->older = people->newest;
    *(people->newest ? &people->newest->newer : &people->oldest) = person;
    people->newest = person;
}

static void forget(tc_people_t *people, person_t *person)
{
    apr_hash_set(people->table, person->key, APR_HASH_KEY_STRING, NULL);
    unlink_person(people, person);
    tc_user_unref(person->user);
    free(person);
}

void tc_people_destroy(tc_people_t *people)
{
    person_t *person, *older;

    if (people == NULL) {
        return;
    }
    for (person = people->newest; person != NULL; person = older) {
        older = person->older;
        tc_user_unref(person->user);
        free(person);
    }
    apr_pool_destroy(people->pool);
    free(people);
}

/* Keys fit on the stack, or else are made on the heap: free_key() tells which. */
typedef struct {
    char text[128];
    char *heap;
} person_key_t;

static const char *make_key(person_key_t *key, const tc_dbd_t *store, const char *user_id)
{
    size_t size = strlen(user_id) + 16;

    key->heap = size > sizeof(key->text) ? tc_alloc(size) : NULL;
    apr_snprintf(key->heap ? key->heap : key->text, size > sizeof(key->text) ? size : sizeof(key->text), "%u %s",
                 store->store.site->index, user_id);
    return key->heap ? key->heap : key->text;
}

/* Finds a person who is not too old, as the newest; NULL: there is none. */
static person_t *find(tc_people_t *people, const char *key)
{
    person_t *person = apr_hash_get(people->table, key, APR_HASH_KEY_STRING);

    if (person == NULL || tc_clock_monotonic_us() - person->since_us >= TC_STORE_USER_TTL_S * TC_US_PER_S) {
        return NULL;
    }
    unlink_person(people, person);
    put_first(people, person);
    return person;
}

/* Remembers a user under a key, and takes the reference over. */
static void remember(tc_people_t *people, const char *key, tc_user_t *user)
{
    person_t *person = apr_hash_get(people->table, key, APR_HASH_KEY_STRING);

    if (person != NULL) {
        forget(people, person);
    }
    if (apr_hash_count(people->table) >= TC_STORE_USERS) {
        forget(people, people->oldest);
    }
    person = tc_alloc_zero(sizeof(*person) + strlen(key) + 1);
    strcpy(person->key, key); /* NOLINT(clang-analyzer-security.insecureAPI.strcpy): it was made to fit */
    person->user = user;
    person->since_us = tc_clock_monotonic_us();
    apr_hash_set(people->table, person->key, APR_HASH_KEY_STRING, person);
    put_first(people, person);
}

static void remember_as(tc_people_t *people, const tc_dbd_t *store, const char *user_id, tc_user_t *user)
{
    person_key_t key;

    remember(people, make_key(&key, store, user_id), user);
    free(key.heap);
}

static bool knows(tc_people_t *people, const tc_dbd_t *store, const char *user_id)
{
    person_key_t key;
    bool known = find(people, make_key(&key, store, user_id)) != NULL;

    free(key.heap);
    return known;
}

static apr_status_t learn(tc_people_t *people, tc_site_find_t *ask, tc_dbd_t *store, tc_sql_t *sql,
                          const char *const *ids, int count, apr_pool_t *pool)
{
    const char **unknown = apr_palloc(pool, ((apr_size_t)count + 1) * sizeof(*unknown));
    apr_hash_t *seen = apr_hash_make(pool);
    tc_user_t **users;
    int i, wanted = 0;
    apr_status_t rv;

    for (i = 0; i < count; i++) {
        if (apr_hash_get(seen, ids[i], APR_HASH_KEY_STRING) == NULL && !knows(people, store, ids[i])) {
            unknown[wanted++] = ids[i];
        }
        apr_hash_set(seen, ids[i], APR_HASH_KEY_STRING, ids[i]);
    }
    if (wanted == 0) {
        return APR_SUCCESS;
    }
    users = apr_palloc(pool, (apr_size_t)wanted * sizeof(tc_user_t *));
    rv = ask(store, sql, unknown, wanted, users, pool);
    for (i = 0; i < wanted; i++) {
        if (rv != APR_SUCCESS) {
            tc_user_unref(users[i]);
            continue;
        }
        remember_as(people, store, unknown[i],
                    users[i] ? users[i] : tc_user_create(unknown[i], "", DELETED, DELETED));
    }
    return rv;
}

apr_status_t tc_people_learn(tc_people_t *people, tc_dbd_t *store, tc_sql_t *sql, const char *const *ids, int count,
                             apr_pool_t *pool)
{
    return learn(people, tc_site_find_people, store, sql, ids, count, pool);
}

apr_status_t tc_people_learn_former(tc_people_t *people, tc_dbd_t *store, tc_sql_t *sql, const char *const *ids, int count,
                                    apr_pool_t *pool)
{
    return learn(people, tc_site_find_former, store, sql, ids, count, pool);
}

const tc_user_t *tc_people_get(tc_people_t *people, const tc_dbd_t *store, const char *user_id)
{
    person_key_t key;
    const char *text = make_key(&key, store, user_id);
    person_t *person = apr_hash_get(people->table, text, APR_HASH_KEY_STRING); /* also if it has just grown too old */

    if (person == NULL) {
        remember(people, text, tc_user_create(user_id, "", DELETED, DELETED));
        person = people->newest;
        person->since_us -= TC_STORE_USER_TTL_S * TC_US_PER_S; /* nobody was asked, so the next one asks */
    }
    unlink_person(people, person);
    put_first(people, person);
    free(key.heap);
    return person->user;
}

tc_people_t *tc_people_borrow(tc_dbd_t *store)
{
    tc_people_t *people = atomic_exchange(&store->spare_people, NULL);

    return people ? people : tc_people_create();
}

void tc_people_return(tc_dbd_t *store, tc_people_t *people)
{
    tc_people_destroy(atomic_exchange(&store->spare_people, people));
}
