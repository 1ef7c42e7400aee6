/*
 * Where the lines of the folders below src/httpd go: to the ErrorLog of the virtual host that they are about, at its LogLevel.
 * A line may block: an ErrorLog behind a pipe whose program stands still takes none. httpd's workers write by
 * themselves. The loop, the db threads and the bus thread must not wait, so a thread writes their lines. Each child starts
 * this thread before those.
 */
#ifndef TC_HTTPD_SERVER_LOG_H
#define TC_HTTPD_SERVER_LOG_H

#include <httpd.h>

/* Binds the log of the folders below (base/log.h). In child_init, before any thread starts. */
void tc_server_log_bind(server_rec *server);

/*
 * Starts the thread, unless it runs. If it cannot be started, all threads write by themselves. Under the lock of the child's
 * start, before the threads whose lines it takes.
 */
void tc_server_log_start(void);

/*
 * Writes the last lines, for a second at most. After the loop has ended. Without this call, lines that wait are
 * lost when the child exits.
 */
void tc_server_log_end(void);

#endif
