/* Which sites have a pool of connections together. In check_config. */
#ifndef TC_HTTPD_DBD_POOLS_H
#define TC_HTTPD_DBD_POOLS_H

#include "httpd/vhost.h"

/*
 * mod_dbd makes one pool in a child for all servers with the same driver, parameters and numbers. Tells the stores of such
 * sites, and how many workers may ask at a time for connections of each pool.
 */
void tc_dbd_pools_share(tc_vhost_t *first, apr_pool_t *pconf);

#endif
