/*
 * Which virtual hosts are one chat site, and what a site is called. Virtual hosts with the same values and the same
 * database are one site, as are those with the same TripChatSite. So a copy of a virtual host for another port is the
 * same chat. A site is known by its name, never by its place in the configuration: what outlives a reload (counts,
 * connections) is found by name.
 */
#ifndef TC_HTTPD_SITES_H
#define TC_HTTPD_SITES_H

#include "httpd/config.h"

#include <stdbool.h>

/* The virtual hosts of one site. All but `name` is what the configuration says. */
typedef struct tc_site_plan_t {
    server_rec *server;     /* the first of its virtual hosts, or the main server */
    const tc_config_t *config; /* that one's; the values of the others are the same */
    const char *database;   /* DBDriver, DBDParams, and the lines of DBDInitSQL and DBDPrepareSQL */
    const char *name;       /* unique in this httpd: TripChatSite, else host:port of one of its virtual hosts */
    const char *unique_name; /* `name`, once all names are known */
    bool is_named;          /* by TripChatSite */
    apr_array_header_t *servers; /* server_rec *: all of them */
    apr_array_header_t *hosts;   /* const char *: host:port of each */
    struct tc_site_plan_t *next;
} tc_site_plan_t;

/*
 * Plans the sites of all servers on `pool`; *first is their list in the order of the configuration, NULL: there is none.
 * OK, or HTTP_INTERNAL_SERVER_ERROR: virtual hosts with one TripChatSite have different values, as the error log says.
 * From check_config on.
 */
int tc_sites_plan(server_rec *main_server, tc_site_plan_t **first, apr_pool_t *pool);

#endif
