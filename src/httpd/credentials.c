/* The token and the origin of a request. See credentials.h. */
#include "httpd/credentials.h"

#include "codec/origin.h"
#include "httpd/notes.h"
#include "httpd/often.h"
#include "httpd/query.h"

#include <apr_strings.h>
#include <http_core.h>
#include <http_log.h>
#include <http_vhost.h>
#include <strings.h>

APLOG_USE_MODULE(tripchat);

/*
 * The host and port that pages of this site come from: what the client says in Host. A page of another site can make that
 * its own name, if this name leads to this server (DNS rebinding). So with UseCanonicalName On, a Host that is neither the
 * ServerName nor a ServerAlias of the virtual host is replaced by the ServerName.
 */
static const char *own_place(request_rec *r)
{
    const char *name = ap_get_server_name(r);

    if (r->hostname == NULL || strcasecmp(name, r->hostname) == 0
        || ap_matches_request_vhost(r, r->hostname, r->server->port)) {
        return apr_table_get(r->headers_in, "Host");
    }
    return r->parsed_uri.port_str ? apr_pstrcat(r->pool, name, ":", r->parsed_uri.port_str, NULL) : name;
}

/* scheme://host:port of the page that sends the request, from its Referer; NULL: it has none. */
static const char *origin_of_referer(request_rec *r)
{
    const char *referer = apr_table_get(r->headers_in, "Referer");
    const char *host = referer ? strstr(referer, "://") : NULL;

    return host ? apr_pstrmemdup(r->pool, referer, (apr_size_t)(host - referer) + 3
                                                       + strcspn(host + 3, "/?#"))
                : NULL;
}

/*
 * Browsers send no Origin when a page of the same host reads (Fetch standard, 3.2: GET and HEAD that are not CORS
 * requests). Then Sec-Fetch-Site tells, which they send over TLS and to localhost, or else the Referer.
 */
static bool is_from_here(request_rec *r)
{
    const char *site = apr_table_get(r->headers_in, "Sec-Fetch-Site"), *origin;

    if (site != NULL) {
        return strcmp(site, "same-origin") == 0 && own_place(r) == apr_table_get(r->headers_in, "Host");
    }
    origin = origin_of_referer(r);
    return origin != NULL && tc_origin_is_allowed(origin, own_place(r), NULL);
}

bool tc_credentials_origin_is_allowed(request_rec *r, const tc_vhost_t *vhost)
{
    const char *origin = apr_table_get(r->headers_in, "Origin");
    bool allowed = origin ? tc_origin_is_allowed(origin, own_place(r), vhost->allowed_origins)
                          : vhost->missing_origin == TC_ORIGIN_ALLOW || is_from_here(r);

    if (!allowed) {
        tc_notes_set_reason(r, "origin_not_allowed", origin ? origin : "no Origin");
        TC_LOG_OFTEN(TC_OFTEN_LINES, APLOG_INFO, 0, r, "TC0060: refused (origin_not_allowed): Origin: %s",
                     origin ? ap_escape_logitem(r->pool, origin) : "none");
    }
    return allowed;
}

static const char *find_bearer(request_rec *r)
{
    const char *field = apr_table_get(r->headers_in, "Authorization");

    if (field == NULL || strncasecmp(field, "Bearer ", 7) != 0) {
        return NULL;
    }
    field += 7;
    return field + strspn(field, " \t");
}

const char *tc_credentials_token(request_rec *r)
{
    const char *token = find_bearer(r);

    /* After an internal redirect, the request before it may have the query; and so may the request of a subrequest. */
    for (; token == NULL && r != NULL; r = r->prev ? r->prev : r->main) {
        token = tc_query_parameter(r, "token");
    }
    return token;
}
