/*
 * The chat's life inside httpd: the checks at start-up, and the start and stop of a child's threads. This file also
 * connects the threads to mod_dbd's connections and to httpd's error log.
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

/* Hooks. Under prefork, child_stopping may run in a signal handler; child_status runs in httpd's parent. */
int tc_runtime_pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp);
int tc_runtime_check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *server);
int tc_runtime_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                           server_rec *server);
void tc_runtime_child_init(apr_pool_t *pchild, server_rec *server);
int tc_runtime_pre_connection(conn_rec *c, void *csd);
void tc_runtime_child_stopping(apr_pool_t *pchild, int graceful);
void tc_runtime_child_status(server_rec *server, pid_t pid, ap_generation_t generation, int slot,
                             mpm_child_status status);

/*
 * Prepares the child's threads, which start later, and has them stopped in a pre-cleanup of `pchild`. `config` is
 * copied; its `max_connections` is a wish, and 0 means as many as the descriptor limit allows. `server` needs no
 * directive of the chat. Worker, in child_init.
 */
void tc_runtime_prepare(apr_pool_t *pchild, server_rec *server, const tc_child_config_t *config);

/* The chat's child, whose threads are started if they do not run. NULL: they cannot start, or it ends, or this process was forked from it. Worker. */
tc_child_t *tc_runtime_start(void);

/* The chat's child; NULL: its threads do not run in this process. Any thread. */
tc_child_t *tc_runtime_child(void);

/* How many connections the child may hold. */
unsigned tc_runtime_max_connections(void);

#endif
