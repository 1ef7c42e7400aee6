/* Reads httpd's configuration tree. See conftree.h. */
#include "httpd/conftree.h"

#include "httpd/complaints.h"
#include "httpd/config.h"

#include <apr_strings.h>
#include <http_config.h>
#include <http_main.h>

static int is_virtual_host(const ap_directive_t *line)
{
    return strcasecmp(line->directive, "<VirtualHost") == 0;
}

static int defines(const ap_directive_t *line, const server_rec *server)
{
    return server->defn_name != NULL && is_virtual_host(line) && line->line_num == (int)server->defn_line_number
           && strcmp(line->filename, server->defn_name) == 0;
}

/*
 * The section of a virtual host; NULL for the main server. A virtual host without a directive of ours has no section of its
 * own (it has the main server's configuration), so its section is found by file and line, which an Include may repeat.
 */
static const ap_directive_t *find_section(const server_rec *server)
{
    const ap_directive_t *line = server->is_virtual ? tc_config_of(server)->section : NULL;

    if (line != NULL || !server->is_virtual) {
        return line;
    }
    line = ap_conftree;
    while (line != NULL && !defines(line, server)) {
        line = line->next;
    }
    return line;
}

/* The line that follows within a section (NULL: the whole tree), depth first. Virtual hosts are stepped over. */
static const ap_directive_t *step(const ap_directive_t *line, const ap_directive_t *section)
{
    if (line->first_child != NULL && !is_virtual_host(line)) {
        return line->first_child;
    }
    while (line != section && line->next == NULL) {
        line = line->parent;
        if (line == NULL) {
            return NULL;
        }
    }
    return line != section ? line->next : NULL;
}

const ap_directive_t *tc_conftree_next(const server_rec *server, const char *directive, const ap_directive_t *after)
{
    const ap_directive_t *section = find_section(server), *line = NULL;

    if (after != NULL) {
        line = step(after, section);
    }
    else if (section != NULL || !server->is_virtual) {
        line = section ? section->first_child : ap_conftree;
    }
    while (line != NULL && strcasecmp(line->directive, directive) != 0) {
        line = step(line, section);
    }
    return line;
}

const char *tc_conftree_argument(const ap_directive_t *line, apr_pool_t *pool)
{
    const char *arguments = line->args;

    return ap_getword_conf(pool, &arguments);
}

/* The last line with a directive in a server. */
static const ap_directive_t *find_last(const server_rec *server, const char *directive)
{
    const ap_directive_t *line = tc_conftree_next(server, directive, NULL), *last = line;

    while (line != NULL) {
        last = line;
        line = tc_conftree_next(server, directive, line);
    }
    return last;
}

const char *tc_conftree_value(const server_rec *server, const char *directive, const char **place, apr_pool_t *pool)
{
    const ap_directive_t *line = find_last(server, directive);

    if (line == NULL && server->is_virtual) {
        line = find_last(ap_server_conf, directive);
    }
    if (line == NULL) {
        return NULL;
    }
    if (place != NULL) {
        *place = tc_complaints_place(line, pool);
    }
    return tc_conftree_argument(line, pool);
}
