/*
 * What is shown of the counts (base/metrics.h): `SetHandler tripchat-metrics`, a page for Prometheus, and a section of
 * mod_status' page. And where they are: a board that all children share and that stays over a reload.
 */
#ifndef TC_HTTPD_MONITOR_H
#define TC_HTTPD_MONITOR_H

#include "httpd/vhost.h"

#include <httpd.h>

/*
 * Finds the board of the generation before or makes one, and gives the sites their slots in it. OK, or
 * HTTP_INTERNAL_SERVER_ERROR and why on the error log. Before there are children.
 */
int tc_monitor_make(server_rec *server, tc_vhost_t *vhosts);

/* Has this child count in a seat of the board, as long as `pchild`. Before its threads. */
void tc_monitor_sit(apr_pool_t *pchild, server_rec *server);

/* Takes a child that is gone for gone. In the parent. */
void tc_monitor_clear(pid_t pid);

/* What all children have in a slot of the board: `sums` has TC_METRICS_CELLS. Any thread. */
void tc_monitor_sum(unsigned slot, uint64_t *sums);

/* Hooks. Worker. */
int tc_monitor_handler(request_rec *r);
void tc_monitor_register_status_hook(void);

/*
 * What a page is answered with that is always anew: nobody may keep it. OK, or what the handler is to return to who asks
 * with another method than GET and HEAD.
 */
int tc_monitor_begin(request_rec *r, const char *type);

#endif
