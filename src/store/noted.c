/* The senders whose names are in chat_people. See noted.h. */
#include "store/noted.h"

#include "base/hash.h"
#include "base/limits.h"

/* Each user has one place, found by a hash of their names; the place holds the whole hash. */
struct tc_noted_t {
    uint64_t hashes[TC_STORE_USERS];
};

tc_noted_t *tc_noted_create(apr_pool_t *pool)
{
    return apr_pcalloc(pool, sizeof(tc_noted_t));
}

/* Of the site and the sender object, which has the id and all names. Never 0, which is an empty place. */
static uint64_t hash_names(const tc_site_t *site, const tc_user_t *user)
{
    return tc_hash_text(TC_HASH_BASIS ^ site->index, user->sender_json) | 1;
}

bool tc_noted_has(const tc_noted_t *noted, const tc_site_t *site, const tc_user_t *user)
{
    uint64_t hash = hash_names(site, user);

    return noted->hashes[(hash >> 1) % TC_STORE_USERS] == hash;
}

void tc_noted_add(tc_noted_t *noted, const tc_site_t *site, const tc_user_t *user)
{
    uint64_t hash = hash_names(site, user);

    noted->hashes[(hash >> 1) % TC_STORE_USERS] = hash;
}
