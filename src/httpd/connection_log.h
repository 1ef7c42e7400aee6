/*
 * Opens what sites write their connection logs to (TripChatConnectionLog).
 */
#ifndef TC_HTTPD_CONNECTION_LOG_H
#define TC_HTTPD_CONNECTION_LOG_H

#include "httpd/config.h"

/*
 * Opens `target`, a file's name or | and a program, for appending; *fd lasts as long as pconf. OK, or what is wrong on
 * the error log. Before there are children, as root.
 */
int tc_connection_log_open(server_rec *server, const char *target, int *fd, apr_pool_t *pconf);

#endif
