/*
 * What httpd's reloads mean for the chat's connections. This file has the memory that children of all generations
 * share. It also finds out what httpd plans when a child ends: a reload, a stop or a restart.
 */
#ifndef TC_HTTPD_RELOAD_H
#define TC_HTTPD_RELOAD_H

#include "child/child.h"
#include "httpd/vhost.h"

#include <httpd.h>

/* How many children httpd may run at a time. */
unsigned tc_reload_children(void);

/*
 * Makes the passage and the seats of all children, or finds them after a reload. OK, or HTTP_INTERNAL_SERVER_ERROR and
 * the cause on the error log. In post_config.
 */
int tc_reload_make(server_rec *server);

/*
 * Sets the succession of a child's configuration. `vhosts` is borrowed for the child's life; `pchild` is for
 * bookkeeping. Worker, in child_init.
 */
void tc_reload_config(tc_child_config_t *config, const tc_vhost_t *vhosts, apr_pool_t *pchild,
                      server_rec *server);

/*
 * True if this child must start its threads before it has a connection, so that it can receive connections of others.
 * Under prefork a few of the many children do so, under other MPMs all. Worker.
 */
bool tc_reload_wants_receivers(void);

/*
 * Tells the children of former configurations which tokens are good from now on. OK, or HTTP_INTERNAL_SERVER_ERROR and the
 * cause on the error log. In post_config.
 */
int tc_reload_tell_rules(server_rec *server, const tc_vhost_t *vhosts);

/* True if a reload has changed which tokens are good, and this child still has the former rules. Worker. */
bool tc_reload_has_other_rules(void);

/* Frees the seat of a child that has exited. In httpd's parent. */
void tc_reload_clear(pid_t pid);

/* True if this child is to end gracefully. prefork tells no module before the child's worker has returned. Worker. */
bool tc_reload_ends_child(void);

/*
 * From now on a SIGTERM means that httpd stops. For a process that does nothing any more but end, where nothing else
 * would act on the signal.
 */
void tc_reload_listen(void);

/* How a child must end when httpd asks it to; `graceful` is the argument of the hook child_stopping (mpm_common.h). */
tc_farewell_e tc_reload_farewell(int graceful);

/*
 * Memory that children of all generations share, aligned to a cache line. A reload finds it under `name`
 * (ap_retained_data_get()). It is made anew, and zeroed, if there is none, if `size` has changed, or if fits() refuses
 * its contents (NULL: anything fits); *fresh says so. Children that have the former memory keep it. NULL: it cannot be
 * made, as the error log says. In post_config.
 */
void *tc_reload_memory(server_rec *server, const char *name, apr_size_t size, bool (*fits)(const void *memory),
                       bool *fresh);

#endif
