/* Reads mod_dbd's directives from the configuration. See dbd_config.h. */
#include "httpd/dbd_config.h"

#include <apr_strings.h>
#include <http_config.h>
#include <util_cfgtree.h>

static int is_virtual_host(const ap_directive_t *at)
{
    return strcasecmp(at->directive, "<VirtualHost") == 0;
}

/* The last directive of this name among these and what they contain, but not in virtual hosts; else `found`. */
static const ap_directive_t *find_last(const ap_directive_t *at, const char *directive, const ap_directive_t *found)
{
    const ap_directive_t *end = at ? at->parent : NULL;

    while (at != NULL) {
        if (strcasecmp(at->directive, directive) == 0) {
            found = at;
        }
        if (at->first_child != NULL && !is_virtual_host(at)) {
            at = at->first_child;
            continue;
        }
        while (at != NULL && at->next == NULL) {
            at = at->parent != end ? at->parent : NULL;
        }
        at = at ? at->next : NULL;
    }
    return found;
}

static int defines(const ap_directive_t *at, const server_rec *server)
{
    return server->defn_name != NULL && is_virtual_host(at) && at->line_num == (int)server->defn_line_number
           && strcmp(at->filename, server->defn_name) == 0;
}

const char *tc_dbd_config_find(const server_rec *server, const char *directive, const char **place, apr_pool_t *pool)
{
    const ap_directive_t *found = find_last(ap_conftree, directive, NULL), *at;
    const char *arguments;

    for (at = ap_conftree; at != NULL; at = at->next) {
        if (defines(at, server)) {
            found = find_last(at->first_child, directive, found);
        }
    }
    if (found == NULL) {
        return NULL;
    }
    if (place != NULL) {
        *place = apr_psprintf(pool, "line %d of %s", found->line_num, found->filename);
    }
    arguments = found->args;
    return ap_getword_conf(pool, &arguments);
}
