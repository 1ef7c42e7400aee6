/*
 * The names of the chat's handlers, as a <Location> gives them to SetHandler.
 */
#ifndef TC_HTTPD_HANDLERS_H
#define TC_HTTPD_HANDLERS_H

#include "httpd/config.h"

#include <httpd.h>
#include <stdbool.h>

#define TC_HANDLER_WEBSOCKET "tripchat-websocket"
#define TC_HANDLER_REST "tripchat-rest"
#define TC_HANDLER_METRICS "tripchat-metrics"
#define TC_HANDLER_HEALTH "tripchat-health"

/*
 * True if the handler of that name is to answer the request. A subrequest (an include in a page, say) is never answered:
 * its connection is in the middle of another answer. Nor is a request to a virtual host where TripChat is off. Worker.
 */
static inline bool tc_handler_is(const request_rec *r, const char *name)
{
    return r->handler != NULL && strcmp(r->handler, name) == 0 && r->main == NULL
           && !tc_config_is_off(tc_config_of(r->server));
}

#endif
