/* Pools of connections that sites have together. See dbd_pools.h. */
#include "httpd/dbd_pools.h"

#include "httpd/conftree.h"

#include <apr_strings.h>
#include <limits.h>

/* What mod_dbd compares, with its defaults, so that a value that is written out is the same as one that is not. */
static const struct {
    const char *name;
    const char *otherwise;
} values[] = {{"DBDriver", ""}, {"DBDParams", ""}, {"DBDPersist", "on"}, {"DBDMin", "1"}, {"DBDKeep", "2"},
              {"DBDMax", APR_STRINGIFY(TC_DBD_MAX_DEFAULT)}, {"DBDExptime", "300"}};

#define VALUES (sizeof(values) / sizeof(values[0]))

static bool have_same_pool(const tc_vhost_t *one, const tc_vhost_t *other, apr_pool_t *pool)
{
    size_t i;

    for (i = 0; i < VALUES; i++) {
        const char *a = tc_conftree_value(one->store.server, values[i].name, NULL, pool);
        const char *b = tc_conftree_value(other->store.server, values[i].name, NULL, pool);

        if (strcmp(a ? a : values[i].otherwise, b ? b : values[i].otherwise) != 0) {
            return false;
        }
    }
    return true;
}

/* Without a pool, each asks for connections of its own. */
static bool has_pool(const tc_vhost_t *vhost, apr_pool_t *pool)
{
    const char *persist = tc_conftree_value(vhost->store.server, "DBDPersist", NULL, pool);

    return tc_vhost_is_used(vhost) && (persist == NULL || strcasecmp(persist, "off") != 0);
}

/* How many connections a child may have for this server. */
static unsigned max_of(const tc_vhost_t *vhost, apr_pool_t *pool)
{
    const char *value = tc_conftree_value(vhost->store.server, "DBDMax", NULL, pool);
    apr_int64_t max = value ? apr_atoi64(value) : 0;

    return max > 0 && max <= INT_MAX ? (unsigned)max : TC_DBD_MAX_DEFAULT;
}

/*
 * All connections but those of the db threads are for handshakes and REST. If several sites have the pool together, half of
 * the connections are at least: the threads of all sites are seldom busy together.
 */
static void limit_visitors(tc_vhost_t *vhost, unsigned sites, unsigned threads, apr_pool_t *pool)
{
    unsigned max = max_of(vhost, pool), half = sites > 1 ? max / 2 : 0;
    unsigned rest = max > threads ? max - threads : 0, places = rest > half ? rest : half;

    tc_dbd_limit(&vhost->store, places > 0 ? places : 1);
}

static unsigned threads_of(const tc_vhost_t *vhost)
{
    return (unsigned)tc_config_number(vhost->plan->config, TC_D_DB_THREADS);
}

/* The first site of those that have its pool, or the site itself. */
static tc_vhost_t *find_elder(tc_vhost_t *first, tc_vhost_t *vhost, apr_pool_t *pool)
{
    if (has_pool(vhost, pool)) {
        for (; first != vhost; first = first->next) {
            if (has_pool(first, pool) && have_same_pool(first, vhost, pool)) {
                return first;
            }
        }
    }
    return vhost;
}

void tc_dbd_pools_share(tc_vhost_t *first, apr_pool_t *pconf)
{
    tc_vhost_t *vhost, *other;

    for (vhost = first; vhost != NULL; vhost = vhost->next) {
        tc_dbd_share_pool(&vhost->store, &find_elder(first, vhost, pconf)->store);
    }
    for (vhost = first; vhost != NULL; vhost = vhost->next) {
        unsigned sites = 0, threads = 0;

        if (vhost->store.pool != &vhost->store.own_pool) {
            continue;
        }
        for (other = vhost; other != NULL; other = other->next) {
            if (other->store.pool == vhost->store.pool) {
                sites++;
                threads += threads_of(other);
            }
        }
        limit_visitors(vhost, sites, threads, pconf);
    }
}
