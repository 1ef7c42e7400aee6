/* Keeps the chat's requests away from the site's files. See mapping.h. */
#include "httpd/mapping.h"

#include "httpd/config.h"
#include "httpd/handlers.h"

#include <ap_expr.h>
#include <http_core.h>
#include <http_request.h>

#define NOTE "tripchat-location" /* the handler that a <Location> gives the request */

bool tc_mapping_is_of_server(const request_rec *r)
{
    const char *handler = apr_table_get(r->notes, NOTE);

    return handler != NULL && strcmp(handler, r->handler) == 0;
}

const char *tc_mapping_handler(request_rec *r)
{
    const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);
    const char *wrong = NULL;
    const char *handler = core->expr_handler ? ap_expr_str_exec(r, core->expr_handler, &wrong) : core->handler;

    return wrong == NULL ? handler : NULL;
}

/*
 * The handler that a <Location> sets, or NULL. httpd evaluates SetHandler after the mapping, and puts the sections aside
 * before it. To walk them once more costs little, because httpd remembers the result.
 */
static const char *handler_of(request_rec *r)
{
    ap_conf_vector_t *defaults = r->per_dir_config;
    const char *handler = ap_location_walk(r) == OK ? tc_mapping_handler(r) : NULL;

    r->per_dir_config = defaults;
    return handler;
}

int tc_mapping_end(request_rec *r)
{
    bool is_off = tc_config_is_off(tc_config_of(r->server));
    const char *handler = r->proxyreq == PROXYREQ_NONE && !is_off ? handler_of(r) : NULL;

    if (handler != NULL) {
        apr_table_setn(r->notes, NOTE, handler);
    }
    if (handler == NULL || (strcmp(handler, TC_HANDLER_WEBSOCKET) != 0 && strcmp(handler, TC_HANDLER_REST) != 0)) {
        return DECLINED;
    }
    /*
     * mod_negotiation looks for variants of every path that is no file, and its options may come from the virtual host or a
     * <Location>, which no <Directory> overrides. mod_speling and mod_dir leave a file alone, too. A subrequest is not
     * answered (handlers.h), so httpd must find out that there is no file.
     */
    if (r->main == NULL) {
        r->finfo.filetype = APR_REG;
    }
    return OK;
}
