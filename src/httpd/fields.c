/* The header fields of answers over HTTP. See fields.h. */
#include "httpd/fields.h"

#include "codec/tchar.h"

#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <mod_core.h>
#include <stdbool.h>
#include <util_filter.h>

#define LAST_FILTER "TRIPCHAT_FIELDS"
#define CATCH_FILTER "TRIPCHAT_HEAD"
#define SITES_FILTER "FIXUP_HEADERS_OUT" /* mod_headers' */
#define HEAD_FILTER "HTTP_HEADER"        /* httpd's, which composes the head */

#define ALLOW_ORIGIN "Access-Control-Allow-Origin"
#define ALLOW_CREDENTIALS "Access-Control-Allow-Credentials"
#define TYPE_OPTIONS "X-Content-Type-Options"
#define ASKED_HEADERS "Authorization, Content-Type, If-None-Match, Last-Event-ID" /* those of client/tripchat.js */
#define ASKED_BYTES 1024 /* names of fields that a preflight asks for; more are not echoed */

static ap_filter_rec_t *last_filter, *catch_filter; /* const after start-up */

/* What a request's answers shall have. The request's own, found by its context of the filter. */
typedef struct {
    const char *origin; /* of the page that may read the answer; NULL: none */
    apr_table_t *cors;  /* the fields of CORS but Allow-Origin; their values are lists, except Max-Age */
} fields_t;

static fields_t *fields_of(const request_rec *r)
{
    const ap_filter_t *filter;

    for (filter = r->output_filters; filter != NULL; filter = filter->next) {
        if (filter->frec == last_filter && filter->r == r) {
            return filter->ctx;
        }
    }
    return NULL;
}

/* ---- fields of ours and of the site, together ---- */

/* The values that somebody else has set for a list of ours. */
typedef struct {
    request_rec *r;
    const char *list; /* ours, and what is found besides */
} merger_t;

static int merge(void *data, const char *name, const char *value)
{
    merger_t *merger = data;
    char *token, *last;

    (void)name;
    for (token = apr_strtok(apr_pstrdup(merger->r->pool, value), ", \t", &last); token != NULL;
         token = apr_strtok(NULL, ", \t", &last)) {
        if (!ap_find_token(merger->r->pool, merger->list, token)) {
            merger->list = apr_pstrcat(merger->r->pool, merger->list, ", ", token, NULL);
        }
    }
    return 1;
}

/* Sets a field once, whichever table it was in. */
static void set_once(request_rec *r, const char *name, const char *value)
{
    apr_table_unset(r->headers_out, name);
    apr_table_setn(r->err_headers_out, name, value);
}

static int settle_one(void *data, const char *name, const char *value)
{
    merger_t merger = {data, value};

    if (strcmp(name, "Access-Control-Max-Age") != 0) {
        apr_table_do(merge, &merger, merger.r->headers_out, name, NULL);
        apr_table_do(merge, &merger, merger.r->err_headers_out, name, NULL);
    }
    set_once(merger.r, name, merger.list);
    return 1;
}

typedef struct {
    const char *origin; /* ours; it is told from the same text of the site by its place in memory */
    bool named;
} vouch_t;

static int vouch(void *data, const char *name, const char *value)
{
    vouch_t *by_site = data;

    (void)name;
    by_site->named = by_site->named || (value != by_site->origin && strcmp(value, by_site->origin) == 0);
    return 1;
}

/*
 * The chat needs no cookies, so it allows none. A site may allow them for its own reasons, but only to an origin that it
 * names itself: with a `*` of the site browsers send none, and our naming of the origin must not change that.
 */
static void settle_credentials(request_rec *r, const char *origin)
{
    vouch_t by_site = {origin, false};

    apr_table_do(vouch, &by_site, r->headers_out, ALLOW_ORIGIN, NULL);
    apr_table_do(vouch, &by_site, r->err_headers_out, ALLOW_ORIGIN, NULL);
    if (!by_site.named) {
        apr_table_unset(r->headers_out, ALLOW_CREDENTIALS);
        apr_table_unset(r->err_headers_out, ALLOW_CREDENTIALS);
    }
}

static void settle(request_rec *r, const fields_t *fields)
{
    if (fields->origin != NULL) {
        settle_credentials(r, fields->origin);
        set_once(r, ALLOW_ORIGIN, fields->origin);
        apr_table_do(settle_one, r, fields->cors, NULL);
    }
    if (apr_table_get(r->err_headers_out, TYPE_OPTIONS) == NULL && apr_table_get(r->headers_out, TYPE_OPTIONS) == NULL) {
        apr_table_setn(r->headers_out, TYPE_OPTIONS, "nosniff");
    }
}

static apr_status_t filter_fields(ap_filter_t *filter, apr_bucket_brigade *bb)
{
    settle(filter->r, filter->ctx);
    ap_remove_output_filter(filter);
    return ap_pass_brigade(filter->next, bb);
}

/* ---- for each answer ---- */

static int set_early(void *data, const char *name, const char *value)
{
    apr_table_setn(((request_rec *)data)->err_headers_out, name, value);
    return 1;
}

/* The fields stand in err_headers_out from the beginning, because httpd's own answers to errors pass no filter of ours. */
void tc_fields_begin(request_rec *r, const char *origin)
{
    fields_t *fields = apr_pcalloc(r->pool, sizeof(*fields));

    fields->origin = origin;
    fields->cors = apr_table_make(r->pool, 4);
    if (origin != NULL) {
        apr_table_setn(fields->cors, "Access-Control-Expose-Headers", "ETag, Location, Retry-After");
        apr_table_setn(r->err_headers_out, ALLOW_ORIGIN, origin);
        apr_table_do(set_early, r, fields->cors, NULL);
    }
    ap_add_output_filter_handle(last_filter, fields, r, r->connection);
}

/* A list of names of fields, as a browser sends it. */
static bool is_list_of_names(const char *text)
{
    size_t len = strlen(text);

    return len > 0 && len <= ASKED_BYTES && strspn(text, TC_TCHARS ", ") == len;
}

void tc_fields_set_preflight(request_rec *r, const char *methods)
{
    const char *asked = apr_table_get(r->headers_in, "Access-Control-Request-Headers");
    fields_t *fields = fields_of(r);

    if (fields == NULL || fields->origin == NULL) {
        return;
    }
    apr_table_setn(fields->cors, "Access-Control-Allow-Methods", methods);
    apr_table_setn(fields->cors, "Access-Control-Allow-Headers",
                   asked != NULL && is_list_of_names(asked) ? apr_pstrcat(r->pool, ASKED_HEADERS ", ", asked, NULL)
                                                            : ASKED_HEADERS);
    apr_table_setn(fields->cors, "Access-Control-Max-Age", "86400");
    apr_table_do(set_early, r, fields->cors, NULL);
}

/*
 * Programs and scripts do not ask for HTML. A browser that shows an address does, and names no origin. Pages of other origins
 * may read what the chat answers, but not the site's page, which may be made for the user whose cookies came.
 */
bool tc_fields_want_page(request_rec *r, int status)
{
    const char *accept = apr_table_get(r->headers_in, "Accept");

    if (status < 400 || accept == NULL || ap_strcasestr(accept, "text/html") == NULL
        || apr_table_get(r->headers_in, "Origin") != NULL
        || ap_response_code_string(r, ap_index_of_response(status)) == NULL) {
        return false;
    }
    r->err_headers_out = apr_table_overlay(r->pool, r->headers_out, r->err_headers_out);
    return true;
}

/* ---- heads of answers that the loop sends ---- */

/* Takes what httpd's filter has composed, so that nothing reaches the client. */
static apr_status_t filter_catch(ap_filter_t *filter, apr_bucket_brigade *bb)
{
    const char **head = filter->ctx;
    apr_size_t len;
    char *text;
    apr_status_t rv = apr_brigade_pflatten(bb, &text, &len, filter->r->pool);

    if (rv == APR_SUCCESS && len > 0) {
        text = apr_pstrmemdup(filter->r->pool, text, len);
        *head = *head ? apr_pstrcat(filter->r->pool, *head, text, NULL) : text;
    }
    apr_brigade_cleanup(bb);
    return rv;
}

static void add_filter(request_rec *r, const char *name)
{
    ap_filter_rec_t *filter = ap_get_output_filter_handle(name);

    if (filter != NULL) {
        ap_add_output_filter_handle(filter, NULL, r, r->connection);
    }
}

/* A request like `r` whose answer goes nowhere: httpd's filters may change it, and `r` stays as it is. */
static request_rec *copy_for_head(request_rec *r, int status, const char *type, const char **head)
{
    request_rec *copy = apr_pmemdup(r->pool, r, sizeof(*r));
    conn_rec *c = r->connection;

    copy->headers_out = apr_table_copy(r->pool, r->headers_out);
    copy->err_headers_out = apr_table_copy(r->pool, r->err_headers_out);
    copy->subprocess_env = apr_table_copy(r->pool, r->subprocess_env);
    copy->notes = apr_table_copy(r->pool, r->notes);
    copy->status = status;
    copy->status_line = NULL;
    copy->content_type = type;
    copy->output_filters = copy->proto_output_filters = c->output_filters;
    /* In this order: httpd's function does not put a filter in front of the first one of the protocol. */
    add_filter(copy, HEAD_FILTER);
    ap_add_output_filter_handle(catch_filter, (void *)head, copy, c);
    ap_add_output_filter_handle(last_filter, fields_of(r), copy, c);
    add_filter(copy, SITES_FILTER);
    return copy;
}

static const char *plain_head(request_rec *r, int status, const char *type)
{
    return apr_pstrcat(r->pool, "HTTP/1.1 ", ap_get_status_line(status), CRLF "Content-Type: ", type, CRLF
                       "Cache-Control: no-store" CRLF "X-Accel-Buffering: no" CRLF "Connection: close" CRLF CRLF, NULL);
}

/* Filters of others may have put more into it: another head before it, or a body behind it. */
static bool is_one_head(const char *head, int status)
{
    const char *end = ap_strstr_c(head, CRLF CRLF);

    return strlen(head) > 12 && apr_atoi64(head + 9) == status && end != NULL && end[4] == '\0';
}

const char *tc_fields_head(request_rec *r, int status, const char *type)
{
    conn_rec *c = r->connection;
    ap_conn_keepalive_e keepalive = c->keepalive;
    const char *head = NULL;
    apr_bucket_brigade *bb;
    request_rec *copy;

    if (c->master != NULL || fields_of(r) == NULL) {
        return plain_head(r, status, type);
    }
    copy = copy_for_head(r, status, type, &head);
    apr_table_setn(copy->headers_out, "Cache-Control", "no-store");
    apr_table_setn(copy->headers_out, "X-Accel-Buffering", "no");
    c->keepalive = AP_CONN_CLOSE;
    bb = apr_brigade_create(r->pool, c->bucket_alloc);
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_flush_create(c->bucket_alloc));
    (void)ap_pass_brigade(copy->output_filters, bb);
    apr_brigade_cleanup(bb);
    c->keepalive = keepalive;
    return head != NULL && is_one_head(head, status) ? head : plain_head(r, status, type);
}

const char *tc_fields_of_head(request_rec *r, const char *head)
{
    char *text = apr_pstrdup(r->pool, head), *line = strstr(text, CRLF), *end;
    const char *lines = "";

    for (line = line ? line + 2 : text; (end = strstr(line, CRLF)) != NULL && end > line; line = end + 2) {
        *end = '\0';
        if (strncasecmp(line, "Date:", 5) != 0) {
            lines = apr_pstrcat(r->pool, lines, line, CRLF, NULL);
        }
    }
    return lines;
}

void tc_fields_register(void)
{
    /* Behind all filters of contents, mod_headers' among them, and before the filter that composes the head. */
    /* NOLINTNEXTLINE(clang-analyzer-optin.core.EnumCastOutOfRange): types between httpd's are for modules, util_filter.h */
    last_filter = ap_register_output_filter(LAST_FILTER, filter_fields, NULL, (ap_filter_type)(AP_FTYPE_CONTENT_SET + 5));
    catch_filter = ap_register_output_filter(CATCH_FILTER, filter_catch, NULL, AP_FTYPE_TRANSCODE);
}
