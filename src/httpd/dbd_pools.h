/* mod_dbd's pools of connections: whether they can be made, and which sites have one together. In check_config. */
#ifndef TC_HTTPD_DBD_POOLS_H
#define TC_HTTPD_DBD_POOLS_H

#include "httpd/vhost.h"

/*
 * OK if mod_dbd can make a pool for the server, or makes none (DBDPersist Off). HTTP_INTERNAL_SERVER_ERROR: a complaint says
 * which numbers do not fit.
 */
int tc_dbd_pools_check(const server_rec *server, apr_pool_t *pool);

/*
 * mod_dbd makes one pool in a child for all servers with the same driver, parameters and numbers. Tells the stores of such
 * sites, and how many workers may ask at a time for connections of each pool.
 */
void tc_dbd_pools_share(tc_vhost_t *first, apr_pool_t *pool);

#endif
