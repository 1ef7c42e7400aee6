/*
 * Reads directives of other modules from httpd's configuration tree, because these modules keep their own reading to
 * themselves. In check_config and post_config, while httpd has the tree.
 */
#ifndef TC_HTTPD_CONFTREE_H
#define TC_HTTPD_CONFTREE_H

#include <httpd.h>
#include <util_cfgtree.h>

/*
 * The value of a directive with one argument (DBDriver, DBDMax) that counts for a server: its own, or else the main
 * server's. On `pool`. NULL: the directive is not set. *place is where it stands ("line 12 of /etc/…"); `place` may be
 * NULL.
 */
const char *tc_conftree_value(const server_rec *server, const char *directive, const char **place, apr_pool_t *pool);

/*
 * The next line with a directive of this name that stands in a server itself or in a section there, such as <Location>.
 * `after` is the line before, or NULL. NULL: there are no more. For the main server, virtual hosts are left out. If a file
 * with a virtual host without a directive of ours is included twice, the lines of the first one are found for both.
 */
const ap_directive_t *tc_conftree_next(const server_rec *server, const char *directive, const ap_directive_t *after);

/* The first argument of a line, without quotes, on `pool`. */
const char *tc_conftree_argument(const ap_directive_t *line, apr_pool_t *pool);

#endif
