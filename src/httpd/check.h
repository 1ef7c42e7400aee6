/*
 * The checks of sites that need the whole configuration: the bus and the MPM, mod_dbd and its driver, handlers. `httpd -t` makes
 * them, too. Checks of one value are made when its directive is read (config.h).
 */
#ifndef TC_HTTPD_CHECK_H
#define TC_HTTPD_CHECK_H

#include "httpd/vhost.h"

/* OK, or HTTP_INTERNAL_SERVER_ERROR and complaints. At the end of check_config, when the MPM knows its limits. */
int tc_check_sites(const tc_vhost_t *first, apr_pool_t *pool);

/* Warns of SetHandler, AuthType and Require lines and directives that do nothing, for example in a virtual host without a chat. As above. */
void tc_check_idle_lines(const server_rec *main_server, apr_pool_t *pool);

#endif
