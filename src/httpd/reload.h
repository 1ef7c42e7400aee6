/*
 * What httpd's reloads mean for its connections: what all children, those of every generation, share, and what the
 * one that ends can tell of httpd's plans.
 */
#ifndef TC_HTTPD_RELOAD_H
#define TC_HTTPD_RELOAD_H

#include "child/child.h"
#include "httpd/vhost.h"

#include <httpd.h>

/* Children that there may be at a time. */
unsigned tc_reload_children(void);

/* Makes what is shared, or finds what was made before the reload. OK, or why not on the error log. */
int tc_reload_make(server_rec *server);

/* Gives a child its part of it. `pchild` serves for bookkeeping. Worker, in child_init. */
void tc_reload_config(tc_child_config_t *config, const tc_vhost_t *vhosts, apr_pool_t *pchild,
                      server_rec *server);

/*
 * True when a child is to start its threads, whether or not it has a connection yet: of prefork's many some must be
 * there to take connections of others. Worker.
 */
bool tc_reload_wants_receivers(void);

/* Takes a child that is gone for gone. Worker, in the parent. */
void tc_reload_clear(pid_t pid);

/* True when this child is to go gracefully. prefork tells nobody before its worker has come back. Worker. */
bool tc_reload_ends_child(void);

/* From now on, when this process does nothing but end, a SIGTERM says that httpd stops: nobody else would act on it. */
void tc_reload_listen(void);

/* How a child ends that httpd asks to; `graceful` as child_stopping has it. */
tc_farewell_e tc_reload_farewell(int graceful);

/*
 * Memory that all children and all generations share, aligned to a cache line. It is made, and zeroed, at first, when
 * `size` is another, and when what is in it does not fit (NULL: it does); `*fresh` says so. Children that have the one
 * before go on with it. NULL: there is none, as the error log says. Worker, in post_config.
 */
void *tc_reload_memory(server_rec *server, const char *name, apr_size_t size, bool (*fits)(const void *memory),
                       bool *fresh);

#endif
