/* `SetHandler tripchat-rest`. See rest.h. */
#include "httpd/rest.h"

#include "base/metrics.h"
#include "httpd/admission.h"
#include "httpd/credentials.h"
#include "httpd/fields.h"
#include "httpd/handlers.h"
#include "httpd/often.h"
#include "httpd/rest_parts.h"

#include <apr_strings.h>
#include <http_log.h>
#include <http_protocol.h>

APLOG_USE_MODULE(tripchat);

#define ROOT "/api/v1/chat/"

typedef enum { PATH_UNKNOWN, PATH_ROOM, PATH_LIST, PATH_MESSAGES, PATH_MESSAGE } path_e;

/* A path and the id in it; "": it has none. */
typedef struct {
    path_e path;
    const char *id;
} route_t;

/* ---- where to ---- */

/* Cuts the next part off the front of *rest; "" at the end. */
static char *next_part(char **rest)
{
    char *part = *rest, *end = part + strcspn(part, "/");

    *rest = *end == '/' ? end + 1 : end;
    *end = '\0';
    return part;
}

/* Reads what follows ROOT in the path: rooms/{id}/messages/ and so on. Anything may stand before ROOT. */
static route_t find_route(request_rec *r)
{
    const char *root = strstr(r->uri, ROOT);
    char *rest = apr_pstrdup(r->pool, root ? root + sizeof(ROOT) - 1 : "");
    const char *first = next_part(&rest), *id = next_part(&rest), *list = next_part(&rest);
    route_t route = {PATH_UNKNOWN, id};

    if (*rest != '\0') {
        return route;
    }
    if (strcmp(first, "messages") == 0 && *list == '\0') {
        route.path = *id == '\0' ? PATH_MESSAGES : PATH_MESSAGE;
    }
    else if (strcmp(first, "rooms") == 0 && *id != '\0' && *list == '\0') {
        route.path = PATH_ROOM;
    }
    else if (strcmp(first, "rooms") == 0 && *id != '\0' && strcmp(list, "messages") == 0) {
        route.path = PATH_LIST;
    }
    return route;
}

/* ---- what may be done ---- */

/* The method of each path besides OPTIONS, and its Allow field. To httpd, HEAD is a GET. */
static const struct {
    int method;
    const char *allow;
} methods[] = {
    [PATH_UNKNOWN] = {M_INVALID, "OPTIONS"},
    [PATH_ROOM] = {M_GET, "GET, HEAD, OPTIONS"},
    [PATH_LIST] = {M_GET, "GET, HEAD, OPTIONS"},
    [PATH_MESSAGES] = {M_POST, "POST, OPTIONS"},
    [PATH_MESSAGE] = {M_PATCH, "PATCH, OPTIONS"},
};

static int answer_options(request_rec *r, path_e path)
{
    apr_table_setn(r->headers_out, "Allow", methods[path].allow);
    tc_fields_set_preflight(r, methods[path].allow);
    r->status = HTTP_NO_CONTENT;
    return OK;
}

/* ---- in order ---- */

static int with_id(tc_visit_t *visit, const route_t *route)
{
    tc_chat_error_e error;
    tc_place_t place;
    tc_uuid_t id;

    if (route->path == PATH_MESSAGE) {
        if (tc_uuid_parse(route->id, strlen(route->id), &id)) {
            return tc_rest_patch(visit, &id);
        }
        error = tc_visit_user(visit);
        return tc_reply_error(visit->r, error == TC_CHAT_OK ? TC_CHAT_MESSAGE_NOT_FOUND : error, NULL);
    }
    if (!tc_place_parse(route->id, strlen(route->id), visit->vhost->site.rules.trip_form, &place)) {
        return tc_reply_error(visit->r, tc_visit_wrong_form(visit, true), NULL);
    }
    return route->path == PATH_ROOM ? tc_rest_room(visit, &place) : tc_rest_messages(visit, &place);
}

static int serve(request_rec *r, tc_vhost_t *vhost, const route_t *route)
{
    const char *token = tc_credentials_token(r);
    int wait_s = tc_admission_request_wait_s(r, vhost), rc;
    tc_visit_t visit;
    tc_chat_error_e error;

    if (wait_s > 0) {
        return tc_reply_rate_limited(r, wait_s);
    }
    error = tc_visit_begin(&visit, r, vhost, token, token ? strlen(token) : 0);
    if (error == TC_CHAT_RATE_LIMITED) {
        rc = tc_reply_rate_limited(r, visit.retry_after_s);
    }
    else if (error != TC_CHAT_OK) {
        rc = tc_reply_error(r, error, NULL);
    }
    else if (route->path == PATH_MESSAGES) {
        rc = tc_rest_post(&visit);
    }
    else {
        rc = with_id(&visit, route);
    }
    tc_visit_end(&visit);
    return rc;
}

static int answer(request_rec *r, tc_vhost_t *vhost)
{
    bool allowed = tc_credentials_origin_is_allowed(r, vhost);
    route_t route;

    apr_table_mergen(r->err_headers_out, "Vary", "Origin");
    tc_fields_begin(r, allowed ? apr_table_get(r->headers_in, "Origin") : NULL);
    if (!allowed) {
        return tc_reply_error(r, TC_CHAT_ORIGIN_NOT_ALLOWED, NULL);
    }
    route = find_route(r);
    if (route.path == PATH_UNKNOWN) {
        return tc_reply_error(r, TC_CHAT_NOT_FOUND, NULL);
    }
    if (r->method_number == M_OPTIONS) {
        return answer_options(r, route.path);
    }
    if (r->method_number != methods[route.path].method) {
        apr_table_setn(r->headers_out, "Allow", methods[route.path].allow);
        return tc_reply_error(r, TC_CHAT_METHOD_NOT_ALLOWED, NULL);
    }
    return serve(r, vhost, &route);
}

/* ---- counting ---- */

static unsigned method_of(const request_rec *r)
{
    switch (r->method_number) {
    case M_GET:
        return r->header_only ? TC_L_METHOD_HEAD : TC_L_METHOD_GET;
    case M_POST:
        return TC_L_METHOD_POST;
    case M_PATCH:
        return TC_L_METHOD_PATCH;
    case M_OPTIONS:
        return TC_L_METHOD_OPTIONS;
    default:
        return TC_L_METHOD_OTHER;
    }
}

int tc_rest_handler(request_rec *r)
{
    tc_vhost_t *vhost = tc_config_of(r->server)->vhost;
    int rc, status;

    if (!tc_handler_is(r, TC_HANDLER_REST)) {
        return DECLINED;
    }
    if (vhost == NULL) {
        TC_LOG_OFTEN(1, APLOG_ERR, 0, r, "TC0063: SetHandler tripchat-rest in a virtual host without a chat; "
                     "write TripChatJWTSecretFile, TripChatJWTKey or TripChatJWTKeySet there");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    rc = answer(r, vhost);
    status = rc == OK ? r->status : rc;
    if (status >= 200 && status < 600) {
        tc_metrics_add(vhost->site.metrics_slot,
                       TC_CELL(REST_REQUESTS, method_of(r), TC_L_STATUS_2XX + status / 100 - 2), 1);
    }
    return rc;
}
