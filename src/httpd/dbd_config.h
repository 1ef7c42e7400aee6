/* What the configuration says to mod_dbd, which keeps its own reading of it to itself. In check_config and post_config. */
#ifndef TC_HTTPD_DBD_CONFIG_H
#define TC_HTTPD_DBD_CONFIG_H

#include <httpd.h>

/*
 * The value of a directive of mod_dbd with one argument (DBDriver, DBDMax) that counts for a server: its own, or else the
 * main server's. On `pool`. NULL: the directive is not set. *place is where it stands ("line 12 of /etc/…"); `place` may
 * be NULL.
 */
const char *tc_dbd_config_find(const server_rec *server, const char *directive, const char **place, apr_pool_t *pool);

#endif
