/* The chat sites of this httpd. See vhost.h. */
#include "httpd/vhost.h"

#include "bus/local.h"
#include "bus/redis_order.h"
#include "httpd/complaints.h"
#include "httpd/connection_log.h"
#include "httpd/conftree.h"
#include "httpd/keys.h"
#include "httpd/likeness.h"

#include <apr_strings.h>
#include <http_core.h>
#include <http_log.h>
#include <limits.h>

APLOG_USE_MODULE(tripchat);

/* The site's bus: the one that all local sites share, or a door to a Redis. */
static int make_bus(server_rec *server, tc_vhost_t *vhost, apr_pool_t *pool)
{
    const tc_config_t *config = tc_config_of(server);
    const char *url = tc_config_text(config, TC_D_BUS);
    tc_redis_address_t *address = &vhost->door.address;

    if (strcasecmp(url, "local") == 0) {
        vhost->bus = tc_bus_local();
        return OK;
    }
    (void)tc_redis_url_parse(url, address, pool); /* it was checked when the directive was read */
    address->user = tc_config_text(config, TC_D_REDIS_USER);
    address->timeout_us = tc_config_number(config, TC_D_REDIS_TIMEOUT);
    tc_redis_order_init(&vhost->door);
    vhost->bus = &vhost->door.bus;
    vhost->door.site = &vhost->site;
    vhost->door.prefix = tc_config_text(config, TC_D_REDIS_PREFIX);
    if (tc_config_text(config, TC_D_REDIS_PASSWORD_FILE) != NULL) {
        return tc_keys_read_password(server, TC_D_REDIS_PASSWORD_FILE, &address->password, pool);
    }
    return address->user ? tc_config_wrong(server, TC_D_REDIS_USER,
                                           "has no password; write TripChatRedisPasswordFile and the path of "
                                           "the file with the password")
                         : OK;
}

static void fill_site(tc_site_t *site, const tc_config_t *config)
{
    site->rules.max_content_chars = (size_t)tc_config_number(config, TC_D_MAX_CONTENT);
    site->rules.message_types = tc_config_words(config, TC_D_MESSAGE_TYPES);
    site->rules.trip_form = (tc_trip_form_e)tc_config_number(config, TC_D_TRIP_KEY);
    site->history_msgs = (int)tc_config_number(config, TC_D_HISTORY);
    site->resume_events = (int)tc_config_number(config, TC_D_RESUME_LIMIT);
    site->room_cache_bytes = (size_t)tc_config_number(config, TC_D_ROOM_CACHE);
    site->token_warning_us = tc_config_number(config, TC_D_TOKEN_WARNING);
    site->by_token = tc_config_number(config, TC_D_IDENTITY) == TC_IDENTITY_TOKEN;
    site->recheck_us = tc_config_number(config, TC_D_RECHECK);
    site->room_linger_us = tc_config_number(config, TC_D_ROOM_LINGER);
    site->typing_interval_us = tc_config_number(config, TC_D_TYPING_INTERVAL);
    site->typing_max_room = (unsigned)tc_config_number(config, TC_D_TYPING_MAX_ROOM);
    site->inflate_ratio = (unsigned)tc_config_number(config, TC_D_INFLATE_RATIO);
    site->max_message_bytes = (size_t)tc_config_number(config, TC_D_MAX_MESSAGE_SIZE);
    site->send_queue_msgs = (unsigned)tc_config_number(config, TC_D_SEND_QUEUE);
    site->send_queue_bytes = (size_t)tc_config_number(config, TC_D_SEND_QUEUE_SIZE);
    site->rates[TC_ACTION_MESSAGE] = tc_config_rate(config, TC_D_MESSAGE_RATE);
    site->rates[TC_ACTION_EDIT] = tc_config_rate(config, TC_D_EDIT_RATE);
    site->rates[TC_ACTION_TYPING] = tc_config_rate(config, TC_D_TYPING_RATE);
    site->user_rates[TC_ACTION_MESSAGE] = tc_config_rate(config, TC_D_USER_MESSAGE_RATE);
    site->user_rates[TC_ACTION_EDIT] = tc_config_rate(config, TC_D_USER_EDIT_RATE);
    site->user_rates[TC_ACTION_TYPING] = tc_config_rate(config, TC_D_USER_TYPING_RATE);
    site->refusal_rate = tc_config_rate(config, TC_D_REFUSAL_RATE);
    site->control_rate = tc_config_rate(config, TC_D_CONTROL_RATE);
    site->max_pending = (unsigned)tc_config_number(config, TC_D_MAX_PENDING);
    site->ping_interval_us = tc_config_number(config, TC_D_PING_INTERVAL);
    site->pong_timeout_us = tc_config_number(config, TC_D_PONG_TIMEOUT);
    site->frame_timeout_us = tc_config_number(config, TC_D_FRAME_TIMEOUT);
    site->close_timeout_us = tc_config_number(config, TC_D_CLOSE_TIMEOUT);
}

/* Which claims describe a user, where tokens do that. */
static void fill_claims(tc_vhost_t *vhost, const tc_config_t *config)
{
    vhost->claims.email = tc_config_text(config, TC_D_JWT_EMAIL_CLAIM);
    vhost->claims.username = tc_config_text(config, TC_D_JWT_USERNAME_CLAIM);
    vhost->claims.full_name = tc_config_text(config, TC_D_JWT_NAME_CLAIM);
    vhost->claims.trips = tc_config_text(config, TC_D_JWT_TRIPS_CLAIM);
    vhost->claims.trip_form = vhost->site.rules.trip_form;
    vhost->jwt.names = vhost->site.by_token ? &vhost->claims : NULL;
}

/* How many connections to its database a child may have for this server. */
static unsigned dbd_max_of(const server_rec *server, apr_pool_t *pool)
{
    const char *value = tc_conftree_value(server, "DBDMax", NULL, pool);
    apr_int64_t max = value ? apr_atoi64(value) : 0;

    return max > 0 && max <= INT_MAX ? (unsigned)max : TC_DBD_MAX_DEFAULT;
}

/* All connections but those of the db threads are for handshakes and REST, at least one. */
static void limit_visitors(const server_rec *server, const tc_config_t *config, tc_dbd_t *store, apr_pool_t *pool)
{
    unsigned max = dbd_max_of(server, pool), threads = (unsigned)tc_config_number(config, TC_D_DB_THREADS);

    tc_dbd_limit(store, max > threads ? max - threads : 1);
}

static int make_vhost(const tc_site_plan_t *plan, const tc_dbd_gate_t *gate, tc_vhost_t *vhost,
                      apr_pool_t *pool)
{
    const tc_config_t *config = plan->config;
    server_rec *server = plan->server;
    int keys = tc_keys_read(server, &vhost->jwt, pool), bus = make_bus(server, vhost, pool);
    int log = tc_connection_log_check(server, tc_config_text(config, TC_D_CONNECTION_LOG), pool);

    fill_site(&vhost->site, config);
    fill_claims(vhost, config);
    vhost->plan = plan;
    vhost->site.name = plan->name;
    vhost->reject = (tc_reject_e)tc_config_number(config, TC_D_REJECT);
    vhost->allowed_origins = tc_config_words(config, TC_D_ALLOWED_ORIGINS);
    vhost->missing_origin = (tc_missing_origin_e)tc_config_number(config, TC_D_MISSING_ORIGIN);
    vhost->site.log_server = server;
    vhost->handshake_rate = tc_config_rate(config, TC_D_HANDSHAKE_RATE);
    vhost->request_rate = tc_config_rate(config, TC_D_REQUEST_RATE);
    vhost->user_request_rate = tc_config_rate(config, TC_D_USER_REQUEST_RATE);
    vhost->address_connections = (unsigned)tc_config_number(config, TC_D_ADDRESS_CONNECTIONS);
    vhost->user_connections = (unsigned)tc_config_number(config, TC_D_USER_CONNECTIONS);
    vhost->deflates = tc_config_number(config, TC_D_DEFLATE) == TC_DEFLATE_ON;
    vhost->max_wait_us = tc_config_number(config, TC_D_MAX_WAIT);
    tc_dbd_init(&vhost->store);
    vhost->store.store.site = &vhost->site;
    vhost->site.database = &vhost->store.store.database;
    vhost->store.server = server;
    vhost->store.gate = gate;
    limit_visitors(server, config, &vhost->store, pool);
    vhost->store.queries.access = tc_config_query(config, TC_D_ACCESS_QUERY);
    vhost->store.queries.user = tc_config_query(config, TC_D_USER_QUERY);
    return keys != OK ? keys : bus != OK ? bus : log;
}

/* A key makes a server a chat site. So TripChat directives without any key are most likely a mistake. */
static int complain_of_no_secret(server_rec *main_server)
{
    server_rec *server;

    for (server = main_server; server != NULL; server = server->next) {
        if (tc_config_of(server)->own_set && !tc_config_is_off(tc_config_of(server))) {
            return tc_config_wrong(server, TC_D_JWT_SECRET_FILE,
                                   "no server has a key for tokens (TripChatJWTSecretFile, TripChatJWTKey or "
                                   "TripChatJWTKeySet), so none has a chat; write TripChatJWTSecretFile and the "
                                   "path of the file with the secret");
        }
    }
    return OK;
}

/* ---- neighbours ---- */

static bool share_redis(const tc_vhost_t *one, const tc_vhost_t *other)
{
    return one->bus == &one->door.bus && other->bus == &other->door.bus
           && strcmp(one->door.address.name, other->door.address.name) == 0
           && strcmp(one->door.prefix, other->door.prefix) == 0;
}

/* Two sites on one database, because a virtual host has a value of its own: was that meant? NULL: most likely. */
static const char *ask_if_meant(const tc_site_plan_t *one, const tc_site_plan_t *other, apr_pool_t *pool)
{
    int different = tc_likeness_difference(one->config, other->config);

    if ((one->is_named && other->is_named) || !tc_likeness_of_keys(one->config, other->config)) {
        return NULL;
    }
    return apr_psprintf(pool, "have the same database, bus and keys, but are two sites, because %s is not the same; users' "
                        "rates and connections count for each site, and each has its own threads and connections to the "
                        "database; write the same value for both, or a %s for each if you want two sites",
                        different < 0 ? tc_config_name(TC_D_SITE) : tc_config_name((tc_directive_e)different),
                        tc_config_name(TC_D_SITE));
}

/* What an administrator would not expect of two sites; NULL: nothing. Room ids are unique, except in a copied database. */
static const char *find_surprise(const tc_vhost_t *one, const tc_vhost_t *other, apr_pool_t *pool)
{
    bool share_bus = one->bus == other->bus || share_redis(one, other);

    if (strcmp(one->plan->database, other->plan->database) == 0) {
        return share_bus ? ask_if_meant(one->plan, other->plan, pool)
                         : "have the same database, but not the same TripChatBus and TripChatRedisPrefix, so in other "
                           "children their members hear each other up to three seconds late; write the same values for "
                           "both";
    }
    return share_redis(one, other) ? "use the same Redis with the same TripChatRedisPrefix, but not the same database; if one "
                                     "database is a copy of the other, write another prefix for one of them"
                                   : NULL;
}

bool tc_vhost_is_used(const tc_vhost_t *vhost)
{
    const server_rec *server = vhost->store.server, *other = server->next;

    if (server->is_virtual || other == NULL) {
        return true;
    }
    while (other != NULL && tc_config_of(other)->vhost != vhost) {
        other = other->next;
    }
    return other != NULL;
}

/* Warns of what is surprising about a site and those before it. */
static void warn_of_neighbours(const tc_vhost_t *first, const tc_vhost_t *added, apr_pool_t *pool)
{
    const tc_vhost_t *vhost;

    for (vhost = first; vhost != added; vhost = vhost->next) {
        const char *surprise = tc_vhost_is_used(vhost) ? find_surprise(vhost, added, pool) : NULL;

        if (surprise != NULL) {
            tc_complain(added->plan->server, NULL, APLOG_WARNING, 0, "TC0049: the sites %s and %s %s", vhost->site.name,
                        added->site.name, surprise);
        }
    }
}

tc_redis_door_t *tc_vhosts_doors(tc_vhost_t *vhost)
{
    tc_redis_door_t *doors = NULL;

    for (; vhost != NULL; vhost = vhost->next) {
        if (vhost->bus == &vhost->door.bus) {
            vhost->door.next = doors;
            doors = &vhost->door;
        }
    }
    return doors;
}

/* Opens a site's connection log. Sites that name the same log share its descriptor. */
static void open_connection_log(tc_vhost_t *vhost, const tc_vhost_t *others, apr_pool_t *pconf)
{
    const char *target = tc_config_text(tc_config_of(vhost->store.server), TC_D_CONNECTION_LOG);

    vhost->connection_log = target;
    if (target == NULL || strcasecmp(target, "off") == 0) {
        return;
    }
    for (; others != vhost; others = others->next) {
        if (others->site.connection_log > 0 && strcmp(others->connection_log, target) == 0) {
            vhost->site.connection_log = others->site.connection_log;
            return;
        }
    }
    tc_connection_log_open(vhost->store.server, target, &vhost->site.connection_log, pconf);
}

void tc_vhosts_open_logs(tc_vhost_t *first, apr_pool_t *pconf)
{
    tc_vhost_t *vhost;

    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) {
        return; /* httpd reads its configuration twice when it starts */
    }
    for (vhost = first; vhost != NULL; vhost = vhost->next) {
        open_connection_log(vhost, first, pconf);
    }
}

/* Makes the site of a plan, and has all of its virtual hosts use it. */
static int make_site(const tc_site_plan_t *plan, const tc_dbd_gate_t *gate, tc_vhost_t *vhost, apr_pool_t *pconf)
{
    int i, rc = make_vhost(plan, gate, vhost, pconf);

    for (i = 0; i < plan->servers->nelts; i++) {
        tc_config_of(APR_ARRAY_IDX(plan->servers, i, server_rec *))->vhost = vhost;
    }
    return rc;
}

int tc_vhosts_make(apr_pool_t *pconf, server_rec *main_server, const tc_dbd_gate_t *gate, tc_vhost_t **first)
{
    tc_site_plan_t *plan;
    tc_vhost_t **end = first, *vhost;
    unsigned count = 0;
    server_rec *server;
    int rc;

    *first = NULL;
    for (server = main_server; server != NULL; server = server->next) {
        tc_config_of(server)->vhost = NULL;
    }
    rc = tc_sites_plan(main_server, &plan, pconf);
    for (; plan != NULL; plan = plan->next) {
        int made;

        vhost = apr_pcalloc(pconf, sizeof(*vhost));
        vhost->site.index = count++;
        made = make_site(plan, gate, vhost, pconf);
        rc = rc == OK ? made : rc;
        *end = vhost;
        end = &vhost->next;
    }
    for (vhost = *first; vhost != NULL; vhost = vhost->next) {
        if (tc_vhost_is_used(vhost)) {
            warn_of_neighbours(*first, vhost, pconf);
        }
    }
    return count > 0 ? rc : complain_of_no_secret(main_server);
}
