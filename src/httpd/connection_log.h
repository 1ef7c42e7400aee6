/*
 * Opens the files and programs to which sites write their connection logs (TripChatConnectionLog).
 */
#ifndef TC_HTTPD_CONNECTION_LOG_H
#define TC_HTTPD_CONNECTION_LOG_H

#include "httpd/config.h"

/*
 * Opens `target`, a file's name or | and a program, for appending; *fd is open as long as pconf lives. OK, or
 * HTTP_INTERNAL_SERVER_ERROR and the cause on the error log. In post_config, as root.
 */
int tc_connection_log_open(server_rec *server, const char *target, int *fd, apr_pool_t *pconf);

#endif
