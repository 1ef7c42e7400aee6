/* mod_dbd's pools of connections. See dbd_pools.h. */
#include "httpd/dbd_pools.h"

#include "httpd/complaints.h"
#include "httpd/conftree.h"

#include <apr_hash.h>
#include <apr_strings.h>
#include <http_log.h>
#include <limits.h>

APLOG_USE_MODULE(tripchat);

/* The numbers of a pool, and mod_dbd's defaults. */
enum { POOL_MIN, POOL_KEEP, POOL_MAX, POOL_EXPTIME, POOL_NUMBERS };

static const struct {
    const char *name;
    apr_int64_t usual;
} numbers[POOL_NUMBERS] = {{"DBDMin", 1}, {"DBDKeep", 2}, {"DBDMax", 10}, {"DBDExptime", 300}};

typedef struct {
    const char *name, *place; /* place: NULL if it is mod_dbd's default */
    apr_int64_t number;
} pool_size_t;

static pool_size_t find_size(const server_rec *server, int which, apr_pool_t *pool)
{
    pool_size_t size = {numbers[which].name, NULL, numbers[which].usual};
    const char *value = tc_conftree_value(server, size.name, &size.place, pool);

    if (value != NULL) {
        size.number = apr_atoi64(value);
    }
    return size;
}

/* Without a pool, each who asks gets a connection of their own. */
static bool has_pool(const server_rec *server, apr_pool_t *pool)
{
    const char *persist = tc_conftree_value(server, "DBDPersist", NULL, pool);

    return persist == NULL || strcasecmp(persist, "off") != 0;
}

/* ---- whether it can be made ---- */

/* True if the one is not greater than the other. */
static bool is_in_order(const server_rec *server, const pool_size_t *less, const pool_size_t *more)
{
    if (less->number <= more->number) {
        return true;
    }
    tc_complain(server, less->place ? less->place : more->place, APLOG_EMERG, APR_SUCCESS,
                "TC0086: %s %" APR_INT64_T_FMT "%s is greater than %s %" APR_INT64_T_FMT "%s, so mod_dbd makes no connection to "
                "the database; write %s %" APR_INT64_T_FMT " or more, or a smaller %s",
                less->name, less->number, less->place ? "" : " (the default)", more->name, more->number,
                more->place ? "" : " (the default)", more->name, less->number, less->name);
    return false;
}

/* apr_reslist wants DBDMin <= DBDKeep <= DBDMax, and DBDMax above 0. mod_dbd finds out when a child asks for a connection. */
int tc_dbd_pools_check(const server_rec *server, apr_pool_t *pool)
{
    pool_size_t min = find_size(server, POOL_MIN, pool), keep = find_size(server, POOL_KEEP, pool);
    pool_size_t max = find_size(server, POOL_MAX, pool);
    bool is_ordered;

    if (!has_pool(server, pool)) {
        return OK;
    }
    is_ordered = is_in_order(server, &min, &keep) && is_in_order(server, &keep, &max);
    if (is_ordered && max.number == 0) {
        tc_complain(server, max.place, APLOG_EMERG, APR_SUCCESS, "TC0086: DBDMax 0 allows no connection to the database; write "
                    "the number of connections that a child may have, for example 10");
    }
    return is_ordered && max.number > 0 ? OK : HTTP_INTERNAL_SERVER_ERROR;
}

/* ---- who has it ---- */

/* A pool, and the sites that have it. */
typedef struct {
    tc_vhost_t *elder; /* the first of them */
    unsigned sites, threads;
} shared_pool_t;

/* What mod_dbd compares to find servers of one pool, as a text. A site that has no pool, or is not used, has its own text. */
static const char *key_of(const tc_vhost_t *vhost, apr_pool_t *pool)
{
    const server_rec *server = vhost->store.server;
    const char *driver, *params;

    if (!tc_vhost_is_used(vhost) || !has_pool(server, pool)) {
        return apr_psprintf(pool, "alone %u", vhost->site.index);
    }
    driver = tc_conftree_value(server, "DBDriver", NULL, pool);
    params = tc_conftree_value(server, "DBDParams", NULL, pool);
    return apr_psprintf(pool, "%" APR_INT64_T_FMT " %" APR_INT64_T_FMT " %" APR_INT64_T_FMT " %" APR_INT64_T_FMT " %s %s",
                        find_size(server, POOL_MIN, pool).number, find_size(server, POOL_KEEP, pool).number,
                        find_size(server, POOL_MAX, pool).number, find_size(server, POOL_EXPTIME, pool).number,
                        driver ? driver : "", params ? params : "");
}

/* Finds the pool of a site, or makes it. */
static shared_pool_t *pool_of(apr_hash_t *pools, tc_vhost_t *vhost, apr_pool_t *pool)
{
    const char *key = key_of(vhost, pool);
    shared_pool_t *found = apr_hash_get(pools, key, APR_HASH_KEY_STRING);

    if (found == NULL) {
        found = apr_pcalloc(pool, sizeof(*found));
        found->elder = vhost;
        apr_hash_set(pools, key, APR_HASH_KEY_STRING, found);
    }
    return found;
}

/*
 * All connections but those of the db threads are for handshakes and REST. If several sites have the pool together, half of
 * the connections are at least: the threads of all sites are seldom busy together.
 */
static void limit_visitors(const shared_pool_t *shared, apr_pool_t *pool)
{
    apr_int64_t number = find_size(shared->elder->store.server, POOL_MAX, pool).number;
    unsigned max = number > 0 && number <= INT_MAX ? (unsigned)number : (unsigned)numbers[POOL_MAX].usual;
    unsigned half = shared->sites > 1 ? max / 2 : 0, rest = max > shared->threads ? max - shared->threads : 0;
    unsigned places = rest > half ? rest : half;

    tc_dbd_limit(&shared->elder->store, places > 0 ? places : 1);
}

void tc_dbd_pools_share(tc_vhost_t *first, apr_pool_t *pool)
{
    apr_hash_t *pools = apr_hash_make(pool);
    apr_hash_index_t *at;
    tc_vhost_t *vhost;

    for (vhost = first; vhost != NULL; vhost = vhost->next) {
        shared_pool_t *shared = pool_of(pools, vhost, pool);

        shared->sites++;
        shared->threads += (unsigned)tc_config_number(vhost->plan->config, TC_D_DB_THREADS);
        tc_dbd_share_pool(&vhost->store, &shared->elder->store);
    }
    for (at = apr_hash_first(pool, pools); at != NULL; at = apr_hash_next(at)) {
        limit_visitors(apr_hash_this_val(at), pool);
    }
}
