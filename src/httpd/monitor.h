/*
 * Shows the counts (base/metrics.h): `SetHandler tripchat-metrics`, a page for Prometheus, and a section of mod_status'
 * page. The counts lie on a board that all children share and that outlives a reload.
 */
#ifndef TC_HTTPD_MONITOR_H
#define TC_HTTPD_MONITOR_H

#include "httpd/vhost.h"

#include <httpd.h>

/*
 * Makes the board, or finds it after a reload, and gives the sites their slots. OK, or HTTP_INTERNAL_SERVER_ERROR and
 * the cause on the error log. In post_config.
 */
int tc_monitor_make(server_rec *server, tc_vhost_t *vhosts);

/* Has this child count in a seat of the board until `pchild` ends. In child_init, before the child's threads start. */
void tc_monitor_sit(apr_pool_t *pchild, server_rec *server);

/* Frees the seat of a child that has exited. In httpd's parent. */
void tc_monitor_clear(pid_t pid);

/* Sums the counts of all children in a slot of the board; `sums` has room for TC_METRICS_CELLS. Any thread. */
void tc_monitor_sum(unsigned slot, uint64_t *sums);

/* Hooks. Worker. */
int tc_monitor_handler(request_rec *r);
void tc_monitor_register_status_hook(void);

/*
 * Begins an answer that no cache may keep: sets its type. OK, or HTTP_METHOD_NOT_ALLOWED, which the handler returns, if
 * the method is neither GET nor HEAD. Worker.
 */
int tc_monitor_begin(request_rec *r, const char *type);

#endif
