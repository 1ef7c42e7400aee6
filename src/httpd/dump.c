/* Prints the sites. See dump.h. */
#include "httpd/dump.h"

#include "httpd/complaints.h"
#include "httpd/conftree.h"
#include "httpd/vhost.h"

#include <apr_strings.h>
#include <http_config.h>
#include <http_core.h>
#include <stdio.h>

/* Everything of a site is a line: "    bus              redis://…". */
static void print(const char *name, const char *value)
{
    printf("    %-18s %s\n", name, value);
}

/* A value, and where it stands unless it is the default. */
static void print_value(const tc_config_t *config, tc_directive_e directive, const char *name, const char *value,
                        apr_pool_t *pool)
{
    const char *place = config->values[directive].is_set ? config->values[directive].place : "the default";

    print(name, apr_psprintf(pool, "%s (%s)", value ? value : "none", place));
}

static void print_text(const tc_config_t *config, tc_directive_e directive, const char *name, apr_pool_t *pool)
{
    print_value(config, directive, name, tc_config_text(config, directive), pool);
}

static void print_server(const server_rec *server, apr_pool_t *pool)
{
    const char *name = tc_complaints_server_name(server, pool);

    print("server", !server->is_virtual         ? apr_pstrcat(pool, name, " (main server)", NULL)
                    : server->defn_name == NULL ? name
                                                : apr_psprintf(pool, "%s (line %u of %s)", name,
                                                               server->defn_line_number, server->defn_name));
}

/* ---- keys ---- */

static void print_key_list(const tc_jwt_key_t *key, apr_pool_t *pool)
{
    for (; key != NULL; key = key->next) {
        print("key", apr_pstrcat(pool, key->alg->name, key->kid ? ", kid " : ", no kid", key->kid ? key->kid : "", NULL));
    }
}

static void print_required(const tc_jwt_required_t *required, apr_pool_t *pool)
{
    for (; required != NULL; required = required->next) {
        print("required", apr_pstrcat(pool, strcmp(required->name, TC_FACTS_TYPE) == 0 ? "typ" : required->name, "=",
                                      required->value, NULL));
    }
}

static void print_issuers(const tc_jwt_issuer_t *issuer, apr_pool_t *pool)
{
    for (; issuer != NULL; issuer = issuer->next) {
        const char *const *audience;

        print("further issuer", issuer->name);
        print_key_list(issuer->keys, pool);
        for (audience = issuer->audiences; audience != NULL && *audience != NULL; audience++) {
            print("audience", *audience);
        }
        print_required(issuer->required, pool);
        print("user claim", issuer->user_claim);
    }
}

static void print_keys(const tc_vhost_t *vhost, const tc_config_t *config, apr_pool_t *pool)
{
    const char *const *words = tc_config_words(config, TC_D_JWT_KEY);

    if (tc_config_text(config, TC_D_JWT_SECRET_FILE) != NULL) {
        print_text(config, TC_D_JWT_SECRET_FILE, "secret file", pool);
    }
    for (; words != NULL && *words != NULL; words += TC_CONFIG_KEY_WORDS) {
        print("key file", apr_psprintf(pool, "%s %s%s%s (%s)", words[0], words[1], *words[2] ? " kid " : "", words[2],
                                       words[3]));
    }
    if (tc_config_text(config, TC_D_JWT_KEY_SET) != NULL) {
        print_text(config, TC_D_JWT_KEY_SET, "key set", pool);
    }
    print_key_list(vhost->jwt.keys, pool);
    print_text(config, TC_D_JWT_AUDIENCE, "audience", pool);
    print_text(config, TC_D_JWT_ISSUER, "issuer", pool);
    print_required(vhost->jwt.required, pool);
    print_text(config, TC_D_JWT_USER_CLAIM, "user claim", pool);
    print_issuers(vhost->jwt.issuers, pool);
}

/* ---- database ---- */

/* Words of libpq's parameters that hold no secret, and one parameter each. All others are left out. */
static int may_be_shown(const char *word)
{
    static const char *const names[] = {"host=", "hostaddr=", "port=", "dbname=", "user=", "service=", "passfile=",
                                        "sslmode=", NULL};
    int i;

    for (i = 0; names[i] != NULL; i++) {
        if (strncasecmp(word, names[i], strlen(names[i])) == 0) {
            return strchr(strchr(word, '=') + 1, '=') == NULL;
        }
    }
    return 0;
}

/*
 * What of DBDParams may be shown: a path, or words such as host=… A password is in none of these. A value in quotes may have
 * spaces, so from the first quote on nothing is shown.
 */
static const char *show_params(const char *driver, const char *params, apr_pool_t *pool)
{
    const char *shown = "";
    char *word, *rest;

    if (driver != NULL && strcmp(driver, "sqlite3") == 0) {
        return params;
    }
    word = apr_strtok(apr_pstrdup(pool, params), " ", &rest);
    for (; word != NULL && strchr(word, '\'') == NULL; word = apr_strtok(NULL, " ", &rest)) {
        shown = apr_pstrcat(pool, shown, *shown ? " " : "", may_be_shown(word) ? word : "…", NULL);
    }
    return word != NULL ? apr_pstrcat(pool, shown, *shown ? " " : "", "…", NULL) : shown;
}

static void print_database(const server_rec *server, apr_pool_t *pool)
{
    const char *place = NULL, *driver = tc_conftree_value(server, "DBDriver", &place, pool);
    const char *params = tc_conftree_value(server, "DBDParams", NULL, pool);

    print("database", apr_psprintf(pool, "%s %s (%s)", driver ? driver : "none",
                                   params ? show_params(driver, params, pool) : "", place ? place : "DBDriver is not set"));
}

/* ---- sites ---- */

static void print_bus(const tc_config_t *config, apr_pool_t *pool)
{
    print_text(config, TC_D_BUS, "bus", pool);
    if (strcasecmp(tc_config_text(config, TC_D_BUS), "local") == 0) {
        return;
    }
    print_text(config, TC_D_REDIS_PREFIX, "redis prefix", pool);
    print_text(config, TC_D_REDIS_USER, "redis user", pool);
    print_text(config, TC_D_REDIS_PASSWORD_FILE, "redis password in", pool);
}

static void print_identity(const tc_config_t *config, apr_pool_t *pool)
{
    int by_token = tc_config_number(config, TC_D_IDENTITY) == TC_IDENTITY_TOKEN;

    print_value(config, TC_D_IDENTITY, "identity", by_token ? "token" : "database", pool);
    if (by_token) {
        print_text(config, TC_D_JWT_TRIPS_CLAIM, "trips claim", pool);
        return;
    }
    print_text(config, TC_D_USER_QUERY, "user query", pool);
    print_text(config, TC_D_ACCESS_QUERY, "access query", pool);
}

static void print_site(const tc_vhost_t *vhost, const server_rec *main_server, apr_pool_t *pool)
{
    const server_rec *server = vhost->store.server, *member;
    const tc_config_t *config = tc_config_of(server);

    printf("site %s\n", vhost->site.name);
    for (member = main_server; member != NULL; member = member->next) {
        if (tc_config_of(member)->vhost == vhost) {
            print_server(member, pool);
        }
    }
    print_keys(vhost, config, pool);
    print_bus(config, pool);
    print_database(server, pool);
    print_identity(config, pool);
    print_text(config, TC_D_CONNECTION_LOG, "connection log", pool);
}

/* Servers whose requests never reach a site. */
static void print_others(const server_rec *main_server, apr_pool_t *pool)
{
    const server_rec *server;
    int any = 0;

    for (server = main_server; server != NULL; server = server->next) {
        if (tc_config_of(server)->vhost == NULL) {
            if (!any++) {
                printf("without a chat\n");
            }
            print_server(server, pool);
        }
    }
}

void tc_dump_sites(apr_pool_t *pconf, server_rec *main_server)
{
    const server_rec *server;

    if (!ap_exists_config_define("DUMP_TRIPCHAT")) {
        return;
    }
    printf("TripChat configuration:\n");
    for (server = main_server; server != NULL; server = server->next) {
        const tc_vhost_t *vhost = tc_config_of(server)->vhost;

        /* A site is printed where its own server stands; others that belong to it are in its list. */
        if (vhost != NULL && vhost->store.server == server) {
            print_site(vhost, main_server, pconf);
        }
    }
    print_others(main_server, pconf);
    (void)fflush(stdout); /* httpd's own words go to stderr, and would stand in the middle of a line */
}
