/* Checks of whole sites. See check.h. */
#include "httpd/check.h"

#include "httpd/child_files.h"
#include "httpd/complaints.h"
#include "httpd/conftree.h"
#include "httpd/dbd_pools.h"
#include "httpd/handlers.h"
#include "httpd/inherit.h"
#include "httpd/notes.h"
#include "store/sql_dialect.h"

#include <ap_mpm.h>
#include <apr_optional.h>
#include <http_log.h>
#include <http_main.h>
#include <mod_dbd.h>

APLOG_USE_MODULE(tripchat);

typedef enum { NO_HANDLER, OF_A_SITE, OF_THE_SERVER } handler_e;

static handler_e find_handler(const char *name)
{
    if (strcmp(name, TC_HANDLER_METRICS) == 0) {
        return OF_THE_SERVER;
    }
    return strcmp(name, TC_HANDLER_WEBSOCKET) == 0 || strcmp(name, TC_HANDLER_REST) == 0
                   || strcmp(name, TC_HANDLER_HEALTH) == 0
               ? OF_A_SITE
               : NO_HANDLER;
}

/* True if a virtual host with a Redis inherits a value from the main server. */
static bool is_passed_on(const server_rec *server, tc_directive_e directive)
{
    const char *place = tc_config_of(server)->values[directive].place;

    for (server = server->is_virtual ? NULL : server->next; server != NULL; server = server->next) {
        const tc_config_t *config = tc_config_of(server);
        const tc_config_value_t *value = &config->values[directive];

        if (config->vhost != NULL && config->vhost->bus->state != TC_BUS_ALONE && value->is_set && value->place == place) {
            return true;
        }
    }
    return false;
}

/* Values of a Redis whose server has none: nobody reads them, so a password file may even be missing. */
static void warn_of_idle_redis(const tc_vhost_t *vhost)
{
    static const tc_directive_e of_redis[] = {TC_D_REDIS_USER, TC_D_REDIS_PASSWORD_FILE, TC_D_REDIS_PREFIX, TC_D_REDIS_TIMEOUT};
    const server_rec *server = vhost->store.server;
    size_t i;

    for (i = 0; i < sizeof(of_redis) / sizeof(of_redis[0]) && vhost->bus->state == TC_BUS_ALONE; i++) {
        const tc_config_value_t *value = &tc_config_of(server)->values[of_redis[i]];
        bool is_none = value->text == NULL && !tc_config_has_number(of_redis[i]);

        if (tc_config_is_own(server, of_redis[i]) && !is_none && !is_passed_on(server, of_redis[i])) {
            tc_complain(server, value->place, APLOG_WARNING, APR_SUCCESS,
                        "TC0082: %s: %s is local, so there is no Redis and the directive does nothing; write %s "
                        "redis://host:port, or remove the line",
                        tc_config_name(of_redis[i]), tc_config_name(TC_D_BUS), tc_config_name(TC_D_BUS));
        }
    }
}

/* Where the cause of a missing database stands: the line that makes the server a site. */
static int has_no_database(const server_rec *server, const char *what)
{
    tc_complain(server, tc_config_place(tc_config_of(server), TC_D_JWT_SECRET_FILE), APLOG_EMERG, APR_SUCCESS,
                "TC0044: %s; write LoadModule dbd_module (Debian: a2enmod dbd), DBDriver and DBDParams", what);
    return HTTP_INTERNAL_SERVER_ERROR;
}

/* The first SetHandler of the chat that stands in the server. NULL: there is none. */
static const ap_directive_t *find_handler_line(const server_rec *server, apr_pool_t *pool)
{
    const ap_directive_t *line = NULL;

    do {
        line = tc_conftree_next(server, "SetHandler", line);
    } while (line != NULL && find_handler(tc_conftree_argument(line, pool)) != OF_A_SITE);
    return line;
}

/*
 * True if a client can reach the site. A virtual host inherits the main server's <Location>s. One that is there for a
 * redirect alone belongs to the main server's site, and has no path of the chat.
 */
static bool is_reachable(const tc_vhost_t *vhost, apr_pool_t *pool)
{
    const server_rec *server = vhost->store.server;

    if (server->is_virtual || server->next == NULL) {
        return true;
    }
    while (server != NULL && (tc_config_of(server)->vhost != vhost || find_handler_line(server, pool) == NULL)) {
        server = server->next;
    }
    return server != NULL;
}

/*
 * A local bus reaches one child, so members in two children would not receive each other's messages. A main server that only
 * passes values on to virtual hosts with a Redis has no members.
 */
static int check_bus(const tc_vhost_t *vhost, apr_pool_t *pool)
{
    const server_rec *server = vhost->store.server;
    bool has_members = is_reachable(vhost, pool);
    int children = 1;

    if (vhost->bus->state != TC_BUS_ALONE || ap_mpm_query(AP_MPMQ_MAX_DAEMONS, &children) != APR_SUCCESS || children <= 1
        || (!has_members && !tc_vhost_is_used(vhost))) {
        return OK;
    }
    tc_complain(server, tc_config_place(tc_config_of(server), TC_D_BUS), has_members ? APLOG_EMERG : APLOG_WARNING, APR_SUCCESS,
                "TC0045: %s local serves one child process, but this MPM may run %d. For several, write %s "
                "redis://host:port. For one, write ServerLimit 1, and MaxRequestWorkers no greater than ThreadsPerChild "
                "(event, worker) or MaxRequestWorkers 1 (prefork)",
                tc_config_name(TC_D_BUS), children, tc_config_name(TC_D_BUS));
    return has_members ? HTTP_INTERNAL_SERVER_ERROR : OK;
}

static int check_no_driver(const tc_vhost_t *vhost, apr_pool_t *pool)
{
    const server_rec *server = vhost->store.server;

    if (is_reachable(vhost, pool)) {
        return has_no_database(server, "mod_tripchat stores messages in a database, and DBDriver is not set for this server");
    }
    if (tc_vhost_is_used(vhost)) {
        tc_complain(server, tc_config_place(tc_config_of(server), TC_D_JWT_SECRET_FILE), APLOG_WARNING, APR_SUCCESS,
                    "TC0107: the site %s has no DBDriver, and no SetHandler of the chat, but virtual hosts without a directive "
                    "of the chat belong to it; write TripChat off in those that have no chat", vhost->site.name);
    }
    return OK;
}

static int check_database(const tc_vhost_t *vhost, apr_pool_t *pool)
{
    const server_rec *server = vhost->store.server;
    const char *place = NULL, *driver;

    if (APR_RETRIEVE_OPTIONAL_FN(ap_dbd_open) == NULL || APR_RETRIEVE_OPTIONAL_FN(ap_dbd_close) == NULL) {
        return has_no_database(server, "mod_tripchat stores messages through mod_dbd, which is not loaded");
    }
    driver = tc_conftree_value(server, "DBDriver", &place, pool);
    if (driver == NULL) {
        return check_no_driver(vhost, pool);
    }
    if (tc_sql_dialect_find(driver) == NULL) {
        tc_complain(server, place, APLOG_EMERG, APR_SUCCESS, "TC0086: DBDriver: mod_tripchat cannot use %s; write pgsql or "
                    "sqlite3. If the users are in another database, see TripChatIdentity token", driver);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    if (strcmp(driver, "sqlite3") == 0 && tc_conftree_value(server, "DBDParams", NULL, pool) == NULL) {
        return has_no_database(server, "DBDriver sqlite3 needs the path of the database in DBDParams");
    }
    tc_child_files_check(server, driver, pool);
    return is_reachable(vhost, pool) ? tc_dbd_pools_check(server, pool) : OK;
}

static int check_site(const tc_vhost_t *vhost, apr_pool_t *pool)
{
    int identity = tc_inherit_check(vhost->store.server);
    int database = check_database(vhost, pool);
    int bus = check_bus(vhost, pool);

    warn_of_idle_redis(vhost);
    return identity != OK ? identity : database != OK ? database : bus;
}

/* ---- handlers ---- */

/* The section around a line by which a tenant might have written it, or that httpd reads after the mapping. NULL: there is none. */
static const char *find_inner_section(const ap_directive_t *line)
{
    static const char *const sections[] = {"<Directory", "<DirectoryMatch", "<Files", "<FilesMatch", "<If", "<ElseIf", "<Else"};
    size_t i;

    for (line = line->parent; line != NULL; line = line->parent) {
        for (i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
            if (strcasecmp(line->directive, sections[i]) == 0) {
                return sections[i];
            }
        }
    }
    return NULL;
}

/* Metrics and health count in a <Location> alone (monitor.h). */
static void check_section(const server_rec *server, const ap_directive_t *line, const char *name, apr_pool_t *pool)
{
    const char *section = find_inner_section(line);

    if (section != NULL && (strcmp(name, TC_HANDLER_METRICS) == 0 || strcmp(name, TC_HANDLER_HEALTH) == 0)) {
        tc_complain(server, tc_complaints_place(line, pool), APLOG_WARNING, APR_SUCCESS,
                    "TC0103: SetHandler %s: it counts in a <Location> alone, and answers 403 in %s>; write it in a <Location> "
                    "without a condition", name, section);
    }
}

/* A path whose handler nobody has is 404, and one in a virtual host without a chat is 500. Both are mistakes. */
static void check_handler(const server_rec *server, const ap_directive_t *line, apr_pool_t *pool)
{
    const char *name = tc_conftree_argument(line, pool);
    handler_e handler = find_handler(name);

    if (strncasecmp(name, "tripchat", 8) == 0 && handler == NO_HANDLER) {
        tc_complain(server, tc_complaints_place(line, pool), APLOG_WARNING, APR_SUCCESS,
                    "TC0089: SetHandler: there is no handler %s; write " TC_HANDLER_WEBSOCKET ", " TC_HANDLER_REST ", "
                    TC_HANDLER_METRICS " or " TC_HANDLER_HEALTH, name);
    }
    else if (handler == OF_A_SITE && server->is_virtual && tc_config_of(server)->vhost == NULL
             && !tc_config_is_off(tc_config_of(server))) {
        tc_complain(server, tc_complaints_place(line, pool), APLOG_WARNING, APR_SUCCESS,
                    "TC0089: SetHandler %s: this virtual host has no chat, so the path answers 500; write "
                    "TripChatJWTSecretFile, TripChatJWTKey or TripChatJWTKeySet there, or remove the line", name);
    }
    else {
        check_section(server, line, name, pool);
    }
}

/* ---- AuthType and Require ---- */

/* True if the lines of the server count for a chat. Virtual hosts inherit those of the main server. */
static bool has_chat(const server_rec *server)
{
    bool is_main = !server->is_virtual;

    while (is_main && server != NULL && tc_config_of(server)->vhost == NULL) {
        server = server->next;
    }
    return server != NULL && tc_config_of(server)->vhost != NULL;
}

/* True if an AuthType TripChat stands in the server, or an AuthType that each request evaluates. */
static bool has_auth_type(const server_rec *server, apr_pool_t *pool)
{
    const ap_directive_t *line = NULL;

    while ((line = tc_conftree_next(server, "AuthType", line)) != NULL) {
        const char *type = tc_conftree_argument(line, pool);

        if (strcasecmp(type, TC_AUTH_TYPE) == 0 || strchr(type, '%') != NULL) {
            return true;
        }
    }
    return false;
}

/* True if an AuthType TripChat may count where a Require of the server does. */
static bool is_auth_type_in_reach(const server_rec *server, apr_pool_t *pool)
{
    bool is_main = !server->is_virtual;

    if (has_auth_type(server, pool) || (!is_main && has_auth_type(ap_server_conf, pool))) {
        return true;
    }
    for (server = server->next; is_main && server != NULL; server = server->next) {
        if (has_auth_type(server, pool)) {
            return true;
        }
    }
    return false;
}

/* True for `Require tripchat-member …`, and with `not`. */
static bool is_for_members(const ap_directive_t *line, apr_pool_t *pool)
{
    const char *arguments = line->args, *word = ap_getword_conf(pool, &arguments);

    if (strcasecmp(word, "not") == 0) {
        word = ap_getword_conf(pool, &arguments);
    }
    return strcmp(word, TC_REQUIRE_MEMBER) == 0;
}

static void check_auth_types(const server_rec *server, apr_pool_t *pool)
{
    const ap_directive_t *line = NULL;

    while (!has_chat(server) && (line = tc_conftree_next(server, "AuthType", line)) != NULL) {
        if (strcasecmp(tc_conftree_argument(line, pool), TC_AUTH_TYPE) == 0) {
            tc_complain(server, tc_complaints_place(line, pool), APLOG_WARNING, APR_SUCCESS,
                        "TC0094: AuthType TripChat: this server has no chat, so the path answers 500; write "
                        "TripChatJWTSecretFile, TripChatJWTKey, TripChatJWTKeySet or TripChatIssuer there, or remove the line");
        }
    }
}

static void check_requires(const server_rec *server, apr_pool_t *pool)
{
    const ap_directive_t *line = NULL;
    bool is_chat = has_chat(server);

    while ((line = tc_conftree_next(server, "Require", line)) != NULL) {
        if (!is_for_members(line, pool) || (is_chat && is_auth_type_in_reach(server, pool))) {
            continue;
        }
        tc_complain(server, tc_complaints_place(line, pool), APLOG_WARNING, APR_SUCCESS, "TC0095: Require " TC_REQUIRE_MEMBER
                    ": %s, so it takes nobody for a member; write %s, or remove the line",
                    is_chat ? "AuthType TripChat stands neither in this server nor in the main server"
                            : "this server has no chat",
                    is_chat ? "AuthType TripChat in the same section"
                            : "TripChatJWTSecretFile, TripChatJWTKey, TripChatJWTKeySet or TripChatIssuer there");
    }
}

/* ---- directives that do nothing ---- */

/* Warns once of a virtual host that is to have a chat, by its keys or by a SetHandler, but inherits TripChat off. */
static void check_off(const server_rec *server, apr_pool_t *pool)
{
    const tc_config_t *config = tc_config_of(server);
    const char *name = "SetHandler", *place;
    const ap_directive_t *line;
    int i;

    if (!server->is_virtual || !tc_config_is_off(config) || tc_config_is_own(server, TC_D_CHAT)) {
        return;
    }
    line = find_handler_line(server, pool);
    place = line != NULL ? tc_complaints_place(line, pool) : NULL;
    for (i = 0; i < TC_DIRECTIVE_COUNT; i++) {
        const tc_config_value_t *value = &config->values[i];

        if (tc_config_is_key((tc_directive_e)i) && tc_config_is_own(server, (tc_directive_e)i)
            && (value->text || value->words)) {
            name = tc_config_name((tc_directive_e)i);
            place = value->place;
        }
    }
    if (place != NULL) {
        tc_complain(server, place, APLOG_WARNING, APR_SUCCESS, "TC0089: %s: this virtual host inherits TripChat off from %s, so "
                    "it has no chat; write TripChat on in the virtual host, or remove the line", name,
                    config->values[TC_D_CHAT].place);
    }
}

/*
 * A virtual host that sets something of the chat itself, but has no key: nothing of it counts. httpd gives a virtual host
 * without a directive of ours the main server's configuration, which has no `outer`.
 */
static void check_keyless(const server_rec *server)
{
    const tc_config_t *config = tc_config_of(server);
    tc_directive_e i;

    if (!server->is_virtual || config->outer == NULL || config->vhost != NULL || !config->own_set
        || tc_config_is_off(config) || tc_config_sets_keys(config)) {
        return;
    }
    for (i = 0; i < TC_DIRECTIVE_COUNT; i++) {
        if (tc_config_is_own(server, i)) {
            tc_complain(server, config->values[i].place, APLOG_WARNING, APR_SUCCESS,
                        "TC0082: %s: this virtual host has no key for tokens, so it has no chat and the directive does nothing; "
                        "write TripChatJWTSecretFile, TripChatJWTKey, TripChatJWTKeySet or TripChatIssuer there, or remove the "
                        "line", tc_config_name(i));
            return;
        }
    }
}

void tc_check_idle_lines(const server_rec *main_server, apr_pool_t *pool)
{
    const server_rec *server;

    for (server = main_server; server != NULL; server = server->next) {
        const ap_directive_t *line = NULL;

        check_keyless(server);
        check_off(server, pool);
        check_auth_types(server, pool);
        check_requires(server, pool);
        while ((line = tc_conftree_next(server, "SetHandler", line)) != NULL) {
            check_handler(server, line, pool);
        }
    }
}

int tc_check_sites(const tc_vhost_t *first, apr_pool_t *pool)
{
    int rc = OK;

    for (; first != NULL; first = first->next) {
        int site = check_site(first, pool);

        rc = rc == OK ? site : rc;
    }
    return rc;
}
