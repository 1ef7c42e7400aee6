/*
 * The chat's life inside httpd: what start-up checks, when a child's threads start and stop, and how
 * they come by mod_dbd's connections and httpd's error log.
 */
#ifndef TC_HTTPD_RUNTIME_H
#define TC_HTTPD_RUNTIME_H

#include "child/child.h"
#include "httpd/vhost.h"

#include <ap_mpm.h>

/* What the administrator does when descriptors run out, for messages: Debian's start script sets a limit of its own. */
#define TC_RAISE_DESCRIPTORS                                                                              \
    "raise httpd's descriptor limit (Debian: APACHE_ULIMIT_MAX_FILES='ulimit -n 65536' in /etc/apache2/envvars; elsewhere " \
    "LimitNOFILE=65536 in its systemd unit; docker: --ulimit nofile=65536)"

/* Hooks. */
int tc_runtime_pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp);
int tc_runtime_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                           server_rec *server);
void tc_runtime_child_init(apr_pool_t *pchild, server_rec *server);
int tc_runtime_pre_connection(conn_rec *c, void *csd);
void tc_runtime_child_stopping(apr_pool_t *pchild, int graceful);
void tc_runtime_child_status(server_rec *server, pid_t pid, ap_generation_t generation, int slot,
                             mpm_child_status status);

/*
 * What child_init does when the configuration has been read: makes ready for the child's threads, which start
 * later, and has them stopped with `pchild`. Of `config`, which is copied, `max_connections` is a wish, 0 for
 * as many as the descriptor limit allows. A server_rec without the chat's directives will do. Worker.
 */
void tc_runtime_prepare(apr_pool_t *pchild, server_rec *server, const tc_child_config_t *config);

/* The child's threads, started if they are not; NULL when they cannot be or the child ends. Worker. */
tc_child_t *tc_runtime_start(void);

/* The child's threads if they run. Any thread. */
tc_child_t *tc_runtime_child(void);

/* How many connections the child may hold. */
unsigned tc_runtime_max_connections(void);

#endif
