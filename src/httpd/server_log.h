/*
 * Where the lines of the folders below src/httpd go: to the ErrorLog of the virtual host that they are about, at its LogLevel.
 * A line may block: an ErrorLog behind a pipe whose program stands still takes none. httpd's workers, the db threads and the
 * bus thread write by themselves. The loop must not wait, so a thread writes its lines. Each child starts this thread with
 * the loop's first line.
 */
#ifndef TC_HTTPD_SERVER_LOG_H
#define TC_HTTPD_SERVER_LOG_H

#include <httpd.h>

/* Binds the log of the folders below (base/log.h). In child_init, before any thread starts. */
void tc_server_log_bind(server_rec *server);

/*
 * Writes the loop's last lines, for a second at most. After the loop has ended. Without this call, lines that wait are
 * lost when the child exits.
 */
void tc_server_log_end(void);

#endif
