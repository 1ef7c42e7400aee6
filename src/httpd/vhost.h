/*
 * A chat site of this httpd: one virtual host or several (sites.h), with everything that the layers below need to serve
 * it. It is made in check_config on pconf, and const after post_config, except its store. A virtual host without a TripChat
 * directive of its own shares the main server's site, with its rooms and its database.
 */
#ifndef TC_HTTPD_VHOST_H
#define TC_HTTPD_VHOST_H

#include "bus/redis_door.h"
#include "httpd/sites.h"
#include "store/dbd.h"
#include "token/jwt.h"

typedef struct tc_vhost_t {
    tc_site_t site;
    tc_dbd_t store;
    tc_bus_t *bus;         /* the local one, or the door's */
    tc_redis_door_t door;  /* where the bus is a Redis */
    tc_jwt_rules_t jwt;
    tc_claim_names_t claims; /* for jwt.names, if TripChatIdentity says token */
    tc_reject_e reject;
    const tc_site_plan_t *plan;  /* its virtual hosts, and how it is called */
    const char *connection_log;         /* the value of TripChatConnectionLog; NULL: not set */
    const char *const *allowed_origins; /* NULL: only those of the same host */
    tc_missing_origin_e missing_origin;
    int64_t max_wait_us;
    bool deflates;
    tc_rate_t handshake_rate;      /* of an address */
    tc_rate_t request_rate;        /* the same, for requests over HTTP */
    tc_rate_t user_request_rate;   /* of a user, for both */
    unsigned address_connections;  /* 0: any number */
    unsigned user_connections;
    struct tc_vhost_t *next;
} tc_vhost_t;

/*
 * Makes the sites of all servers on pconf; *first is their list, NULL without sites. `gate` is borrowed. OK, or
 * HTTP_INTERNAL_SERVER_ERROR: complaints say which directives are wrong and what to write instead. In check_config.
 */
int tc_vhosts_make(apr_pool_t *pconf, server_rec *main_server, const tc_dbd_gate_t *gate, tc_vhost_t **first);

/*
 * True if requests reach the site. If each virtual host is a site of its own, the main server's only passes its directives
 * on, and may do without a database. After tc_vhosts_make().
 */
bool tc_vhost_is_used(const tc_vhost_t *vhost);

/* Opens the connection logs of sites. A log that cannot be opened is complained of and left out. In post_config. */
void tc_vhosts_open_logs(tc_vhost_t *first, apr_pool_t *pconf);

/* Links the doors of the sites whose bus is a Redis, and returns the first; NULL: there are none. In child_init. */
tc_redis_door_t *tc_vhosts_doors(tc_vhost_t *first);

#endif
