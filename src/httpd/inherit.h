/*
 * What a virtual host inherits from the main server: every directive that it does not set itself, except values whose
 * partner it replaces by another value. A password for the main server's Redis, for example, is not sent to the Redis of a
 * virtual host.
 */
#ifndef TC_HTTPD_INHERIT_H
#define TC_HTTPD_INHERIT_H

#include "httpd/config.h"

/* For the module's record (http_config.h): the configuration of a virtual host. */
void *tc_inherit_merge(apr_pool_t *pool, void *base, void *add);

/*
 * Complains of directives that mean nothing with the server's TripChatIdentity. If a virtual host has keys of its own, warns
 * of checks of tokens that it does not inherit, and of names of claims that it does inherit. OK, or
 * HTTP_INTERNAL_SERVER_ERROR. In check_config.
 */
int tc_inherit_check(const server_rec *server);

#endif
