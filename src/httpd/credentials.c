/* What a request brings along. See credentials.h. */
#include "httpd/credentials.h"

#include "codec/origin.h"
#include "httpd/often.h"
#include "httpd/scrub.h"

#include <apr_strings.h>
#include <http_log.h>

APLOG_USE_MODULE(tripchat);

#define NUMBER_DIGITS 15

/* Where the value of a parameter begins in a query, and how long it is; NULL when it has none. */
static const char *find_value(const char *query, const char *name, apr_size_t *len)
{
    apr_size_t name_len = strlen(name);

    while (query != NULL && *query != '\0') {
        apr_size_t part = strcspn(query, "&");

        if (part > name_len && query[name_len] == '=' && strncmp(query, name, name_len) == 0) {
            *len = part - name_len - 1;
            return query + name_len + 1;
        }
        query += part + (query[part] == '&');
    }
    return NULL;
}

const char *tc_credentials_parameter(request_rec *r, const char *name)
{
    apr_size_t len;
    const char *value = find_value(r->args, name, &len);
    char *decoded;

    if (value == NULL) {
        return NULL;
    }
    decoded = apr_pstrmemdup(r->pool, value, len);
    return ap_unescape_urlencoded(decoded) == OK ? decoded : NULL;
}

bool tc_credentials_number(request_rec *r, const char *name, int64_t *number)
{
    const char *text = tc_credentials_parameter(r, name);
    apr_size_t len = text ? strlen(text) : 0;

    *number = -1;
    if (text == NULL) {
        apr_size_t ignored;

        return find_value(r->args, name, &ignored) == NULL;
    }
    if (len == 0 || len > NUMBER_DIGITS || strspn(text, "0123456789") != len) {
        return false;
    }
    *number = apr_atoi64(text);
    return true;
}

/* scheme://host:port of the page that asks, where it says so; NULL. */
static const char *origin_of_referer(request_rec *r)
{
    const char *referer = apr_table_get(r->headers_in, "Referer");
    const char *host = referer ? strstr(referer, "://") : NULL;

    return host ? apr_pstrmemdup(r->pool, referer, (apr_size_t)(host - referer) + 3
                                                       + strcspn(host + 3, "/?#"))
                : NULL;
}

/*
 * Browsers say no Origin where a page of the same host reads (Fetch standard, 3.2: GET and HEAD that are not
 * CORS requests). Sec-Fetch-Site tells, where they send it (over TLS and to the own machine), or the Referer.
 */
static bool is_from_here(request_rec *r)
{
    const char *site = apr_table_get(r->headers_in, "Sec-Fetch-Site"), *origin;

    if (site != NULL) {
        return strcmp(site, "same-origin") == 0;
    }
    origin = origin_of_referer(r);
    return origin != NULL && tc_origin_is_allowed(origin, apr_table_get(r->headers_in, "Host"), NULL);
}

bool tc_credentials_origin_is_allowed(request_rec *r, const tc_vhost_t *vhost)
{
    const char *origin = apr_table_get(r->headers_in, "Origin");
    bool allowed = origin ? tc_origin_is_allowed(origin, apr_table_get(r->headers_in, "Host"),
                                                 vhost->allowed_origins)
                          : vhost->missing_origin == TC_ORIGIN_ALLOW || is_from_here(r);

    if (!allowed) {
        TC_LOG_OFTEN(TC_OFTEN_LINES, APLOG_INFO, 0, r, "TC0060: turned away (origin_not_allowed): Origin: %s",
                     origin ? ap_escape_logitem(r->pool, origin) : "none");
    }
    return allowed;
}

static const char *find_bearer(request_rec *r)
{
    const char *field = tc_scrub_field(r, "Authorization");

    if (field == NULL || strncasecmp(field, "Bearer ", 7) != 0) {
        return NULL;
    }
    field += 7;
    return field + strspn(field, " \t");
}

const char *tc_credentials_token(request_rec *r)
{
    const char *bearer = find_bearer(r);

    return bearer ? bearer : tc_scrub_token(r);
}
