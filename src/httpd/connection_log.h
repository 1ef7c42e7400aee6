/*
 * Opens what sites write their connection logs to (TripChatConnectionLog), as root, before there are children.
 */
#ifndef TC_HTTPD_CONNECTION_LOG_H
#define TC_HTTPD_CONNECTION_LOG_H

#include "httpd/vhost.h"

/*
 * Sets the site's descriptor, 0 where it has no such log. Sites of the list that name the same one share it. OK, or what
 * is wrong on the error log.
 */
int tc_connection_log_open(server_rec *server, tc_vhost_t *vhost, const tc_vhost_t *others, apr_pool_t *pconf);

#endif
