/* Which virtual hosts are one chat site. See sites.h. */
#include "httpd/sites.h"

#include "base/hash.h"
#include "httpd/complaints.h"
#include "httpd/conftree.h"
#include "httpd/likeness.h"

#include <apr_strings.h>

/* Every line of a directive, as it stands, in the order of the configuration. */
static const char *lines_of(const server_rec *server, const char *directive, apr_pool_t *pool)
{
    const ap_directive_t *line = NULL;
    const char *lines = "";

    while ((line = tc_conftree_next(server, directive, line)) != NULL) {
        lines = apr_pstrcat(pool, lines, "\n", directive, " ", line->args, NULL);
    }
    return lines;
}

/* Statements that connections run or prepare: two with another search_path see other tables. */
static const char *statements_of(const server_rec *server, apr_pool_t *pool)
{
    return apr_pstrcat(pool, lines_of(server, "DBDInitSQL", pool), lines_of(server, "DBDPrepareSQL", pool), NULL);
}

static const char *database_of(const server_rec *server, const server_rec *main_server, apr_pool_t *pool)
{
    const char *driver = tc_conftree_value(server, "DBDriver", NULL, pool);
    const char *params = tc_conftree_value(server, "DBDParams", NULL, pool);

    return apr_pstrcat(pool, driver ? driver : "", " ", params ? params : "", statements_of(main_server, pool),
                       server != main_server ? statements_of(server, pool) : "", NULL);
}

/* ---- names ---- */

/* Where a virtual host stands, for messages. */
static const char *place_of(const server_rec *server, apr_pool_t *pool)
{
    return server->defn_name ? apr_psprintf(pool, "%s (%s:%u)", tc_complaints_server_name(server, pool), server->defn_name,
                                            server->defn_line_number)
                             : "the main server";
}

/* The order of the virtual hosts does not count: another one that comes before these changes nothing. */
static bool is_better_name(const char *name, const char *than)
{
    size_t len = strlen(name), than_len = strlen(than);

    return len != than_len ? len < than_len : strcmp(name, than) < 0;
}

static void name_plan(tc_site_plan_t *plan)
{
    const char *set = tc_config_text(plan->config, TC_D_SITE);
    int i;

    plan->is_named = set != NULL;
    plan->name = set ? set : APR_ARRAY_IDX(plan->hosts, 0, const char *);
    for (i = 1; i < plan->hosts->nelts && set == NULL; i++) {
        const char *host = APR_ARRAY_IDX(plan->hosts, i, const char *);

        plan->name = is_better_name(host, plan->name) ? host : plan->name;
    }
}

/* The addresses of the virtual hosts that have the site's name, in any order. */
static uint64_t hash_addresses(const tc_site_plan_t *plan)
{
    uint64_t sum = 0;
    int i;

    for (i = 0; i < plan->servers->nelts; i++) {
        const server_addr_rec *address = APR_ARRAY_IDX(plan->servers, i, server_rec *)->addrs;

        for (; address != NULL && strcmp(APR_ARRAY_IDX(plan->hosts, i, const char *), plan->name) == 0; address = address->next) {
            uint64_t hash = tc_hash_text(TC_HASH_BASIS, address->virthost ? address->virthost : "");

            sum += tc_hash_bytes(hash, &address->host_port, sizeof(address->host_port));
        }
    }
    return sum;
}

/* What tells sites of one name apart. What a reload changes least often comes first. */
typedef enum { BY_ADDRESS, BY_KEYS, BY_VALUES } trait_e;

static unsigned hash_traits(const tc_site_plan_t *plan, trait_e last)
{
    uint64_t hash = hash_addresses(plan);

    if (last >= BY_KEYS) {
        hash = tc_hash_text(tc_likeness_hash_keys(plan->config, hash), plan->database);
    }
    return (unsigned)(last >= BY_VALUES ? tc_likeness_hash(plan->config, hash) : hash);
}

/* The site's name if it is alone with it; else the name also says in what the site differs, which no order changes. */
static const char *make_unique(const tc_site_plan_t *plan, const tc_site_plan_t *other, apr_pool_t *pool)
{
    trait_e last = BY_ADDRESS;
    bool is_alone = true;

    for (; other != NULL; other = other->next) {
        if (other == plan || strcmp(other->name, plan->name) != 0) {
            continue;
        }
        is_alone = false;
        while (!other->is_named && last < BY_VALUES && hash_traits(plan, last) == hash_traits(other, last)) {
            last++;
        }
    }
    return is_alone ? plan->name : apr_psprintf(pool, "%s~%08x", plan->name, hash_traits(plan, last));
}

/* Virtual hosts may share a name, and may have one that is another's TripChatSite. */
static void tell_apart(tc_site_plan_t *first, apr_pool_t *pool)
{
    tc_site_plan_t *plan;

    for (plan = first; plan != NULL; plan = plan->next) {
        plan->unique_name = plan->is_named ? plan->name : make_unique(plan, first, pool);
    }
    for (plan = first; plan != NULL; plan = plan->next) {
        plan->name = plan->unique_name;
    }
}

/* ---- planning ---- */

static int complain(server_rec *server, const tc_site_plan_t *plan, const char *what, apr_pool_t *pool)
{
    return tc_config_wrong(server, TC_D_SITE,
                           apr_psprintf(pool, "%s and %s are both the site %s, but have different values of %s; write the "
                                        "same value in both, or another TripChatSite in one of them",
                                        place_of(plan->server, pool), place_of(server, pool),
                                        tc_config_text(plan->config, TC_D_SITE), what));
}

/* True if the server belongs to the site. *rc says if it should, by its TripChatSite, and cannot. */
static bool belongs(server_rec *server, const char *database, const tc_site_plan_t *plan, int *rc, apr_pool_t *pool)
{
    const tc_config_t *config = tc_config_of(server);
    const char *name = tc_config_text(config, TC_D_SITE), *of_plan = tc_config_text(plan->config, TC_D_SITE);
    int different = tc_likeness_difference(plan->config, config);
    bool has_same = different < 0 && strcmp(database, plan->database) == 0;

    if (name == NULL || of_plan == NULL) {
        return name == of_plan && has_same;
    }
    if (strcmp(name, of_plan) != 0) {
        return false;
    }
    if (!has_same) {
        *rc = complain(server, plan,
                       different < 0 ? "DBDriver, DBDParams, DBDInitSQL or DBDPrepareSQL" : tc_config_name((tc_directive_e)different), pool);
    }
    return true;
}

static void add_server(tc_site_plan_t *plan, server_rec *server, apr_pool_t *pool)
{
    APR_ARRAY_PUSH(plan->servers, server_rec *) = server;
    APR_ARRAY_PUSH(plan->hosts, const char *) = tc_complaints_server_name(server, pool);
}

static tc_site_plan_t *make_plan(server_rec *server, const char *database, apr_pool_t *pool)
{
    tc_site_plan_t *plan = apr_pcalloc(pool, sizeof(*plan));

    plan->server = server;
    plan->config = tc_config_of(server);
    plan->database = database;
    plan->servers = apr_array_make(pool, 2, sizeof(server_rec *));
    plan->hosts = apr_array_make(pool, 2, sizeof(char *));
    return plan;
}

/* httpd gives a virtual host without a directive of ours the main server's configuration itself. */
static bool has_own_config(server_rec *server, server_rec *main_server)
{
    return server == main_server || tc_config_of(server) != tc_config_of(main_server);
}

int tc_sites_plan(server_rec *main_server, tc_site_plan_t **first, apr_pool_t *pool)
{
    tc_site_plan_t **end = first, *plan;
    server_rec *server;
    int rc = OK;

    *first = NULL;
    for (server = main_server; server != NULL && rc == OK; server = server->next) {
        const char *database;

        if (!has_own_config(server, main_server) || !tc_config_is_site(tc_config_of(server))) {
            continue;
        }
        database = database_of(server, main_server, pool);
        for (plan = *first; plan != NULL && !belongs(server, database, plan, &rc, pool); plan = plan->next) {
        }
        if (plan == NULL) {
            plan = *end = make_plan(server, database, pool);
            end = &plan->next;
        }
        add_server(plan, server, pool);
    }
    for (plan = *first; plan != NULL; plan = plan->next) {
        name_plan(plan);
    }
    tell_apart(*first, pool);
    return rc;
}
