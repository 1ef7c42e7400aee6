/*
 * Opens the files and programs to which sites write their connection logs (TripChatConnectionLog).
 */
#ifndef TC_HTTPD_CONNECTION_LOG_H
#define TC_HTTPD_CONNECTION_LOG_H

#include "httpd/config.h"

/*
 * Complains if `target` cannot be opened: its folder is missing, it is a directory, the program behind | is missing. NULL
 * and "off": there is no log. Nothing is made or opened. OK, or HTTP_INTERNAL_SERVER_ERROR, except in a reload, which goes
 * on without the log. In check_config.
 */
int tc_connection_log_check(const server_rec *server, const char *target, apr_pool_t *pool);

/*
 * Opens `target`, a file's name or | and a program, for appending; *fd is open as long as pconf lives. If that fails, it
 * complains and leaves *fd as it is. In post_config, as root.
 */
void tc_connection_log_open(const server_rec *server, const char *target, int *fd, apr_pool_t *pconf);

#endif
