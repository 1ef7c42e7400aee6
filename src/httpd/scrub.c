/* Keeps tokens out of logs. See scrub.h. */
#include "httpd/scrub.h"

#include "httpd/config.h"
#include "httpd/handlers.h"
#include "httpd/query.h"

#include <ap_expr.h>
#include <apr_strings.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <http_request.h>

APLOG_USE_MODULE(tripchat);

#define TOKEN "token"
#define MASK "***"
#define HTTP2_SPARES_FIELDS APLOG_DEBUG

/* The fields in which a token may come, and what stands before the token. */
static const struct {
    const char *name;
    const char *before;
} fields[] = {{"Authorization", "Bearer "}, {"Sec-WebSocket-Protocol", "bearer."}};

#define FIELDS (sizeof(fields) / sizeof(fields[0]))

/* The places of a request_rec where its query stands. */
typedef struct {
    char *args, *query, *unparsed_uri, *the_request;
} line_t;

/* What was taken out of a request; on the request's pool, in its request_config. */
typedef struct {
    const char *token;         /* of the query; NULL: none */
    line_t line;               /* as it was */
    bool for_good;             /* the request is the chat's */
    const char *whole[FIELDS]; /* fields as they came; NULL: without a token */
} scrubbed_t;

static scrubbed_t *scrubbed_of(const request_rec *r)
{
    return ap_get_module_config(r->request_config, &tripchat_module);
}

/* ---- masking ---- */

/* `text`, which is a query or has one, with the value of each parameter `token` masked. */
static char *mask_query(request_rec *r, const char *text)
{
    const char *at = text;
    const char *masked = "";

    while (at != NULL && (at = strstr(at, TOKEN "=")) != NULL) {
        const char *value = at + sizeof(TOKEN);

        if (at == text || at[-1] == '?' || at[-1] == '&') {
            masked = apr_pstrcat(r->pool, masked, apr_pstrmemdup(r->pool, text,
                                                                 (apr_size_t)(value - text)),
                                 MASK, NULL);
            text = value + strcspn(value, "& ");
        }
        at = value;
    }
    return text ? apr_pstrcat(r->pool, masked, text, NULL) : NULL;
}

/* `value` with what follows each `before` masked, up to a comma or a space. NULL: there is no `before`. */
static const char *mask_field(request_rec *r, const char *value, const char *before)
{
    const char *at = value, *rest = value;
    char *masked = NULL;

    while ((at = ap_strcasestr(at, before)) != NULL) {
        at += strlen(before);
        at += strspn(at, " \t");
        masked = apr_pstrcat(r->pool, masked ? masked : "",
                             apr_pstrmemdup(r->pool, rest, (apr_size_t)(at - rest)), MASK, NULL);
        at += strcspn(at, ", \t");
        rest = at;
    }
    return masked ? apr_pstrcat(r->pool, masked, rest, NULL) : NULL;
}

static void set_line(request_rec *r, line_t line)
{
    r->args = line.args;
    r->parsed_uri.query = line.query;
    r->unparsed_uri = line.unparsed_uri;
    r->the_request = line.the_request;
}

/* Takes the query's token out of all places where it stands. A token that was taken out before is kept. */
static void hide_query_token(request_rec *r, scrubbed_t *scrubbed)
{
    const char *token = tc_query_parameter(r, TOKEN);

    if (token == NULL || strcmp(token, MASK) == 0) {
        return;
    }
    scrubbed->token = token;
    scrubbed->line = (line_t){r->args, r->parsed_uri.query, r->unparsed_uri, r->the_request};
    set_line(r, (line_t){mask_query(r, r->args), mask_query(r, r->parsed_uri.query),
                         mask_query(r, r->unparsed_uri), mask_query(r, r->the_request)});
}

static void hide_fields(request_rec *r, scrubbed_t *scrubbed)
{
    size_t i;

    for (i = 0; i < FIELDS; i++) {
        const char *value = apr_table_get(r->headers_in, fields[i].name);
        const char *masked = value ? mask_field(r, value, fields[i].before) : NULL;

        if (masked != NULL) {
            scrubbed->whole[i] = scrubbed->whole[i] ? scrubbed->whole[i] : value;
            apr_table_setn(r->headers_in, fields[i].name, masked);
        }
    }
}

static void show_fields(request_rec *r, const scrubbed_t *scrubbed)
{
    size_t i;

    for (i = 0; i < FIELDS; i++) {
        if (scrubbed->whole[i] != NULL) {
            apr_table_setn(r->headers_in, fields[i].name, scrubbed->whole[i]);
        }
    }
}

/* ---- whose request it is ---- */

/*
 * True if the request's <Location> has one of the chat's handlers. Of a request that has just been read only the URI is
 * known, so ap_location_walk() runs here on a copy.
 */
static bool will_be_ours(request_rec *r)
{
    request_rec copy = *r;
    const core_dir_config *core;
    const char *wrong;

    if (r->uri == NULL || *r->uri != '/') {
        return false;
    }
    copy.uri = apr_pstrdup(r->pool, r->uri);
    if (!ap_normalize_path(copy.uri, AP_NORMALIZE_NOT_ABOVE_ROOT | AP_NORMALIZE_DECODE_UNRESERVED
                                         | AP_NORMALIZE_MERGE_SLASHES)
        || ap_unescape_url(copy.uri) != OK || ap_location_walk(&copy) != OK) {
        return false;
    }
    core = ap_get_core_module_config(copy.per_dir_config);
    copy.handler = core->expr_handler ? ap_expr_str_exec(&copy, core->expr_handler, &wrong) : NULL;
    return tc_handler_is_chat(&copy);
}

/* Hides all tokens of a request. */
static scrubbed_t *hide(request_rec *r)
{
    scrubbed_t *scrubbed = scrubbed_of(r);

    if (scrubbed == NULL) {
        scrubbed = apr_pcalloc(r->pool, sizeof(*scrubbed));
        ap_set_module_config(r->request_config, &tripchat_module, scrubbed);
    }
    hide_query_token(r, scrubbed);
    hide_fields(r, scrubbed);
    return scrubbed;
}

/* ---- httpd's own trace of the request line, which comes before any hook could mask it ---- */

static bool traces_request_lines(request_rec *r)
{
    const struct ap_logconf *log = ap_get_request_logconf(r);
    int i;

    for (i = 0; log->module_levels != NULL && ap_loaded_modules[i] != NULL; i++) {
        if (log->module_levels[ap_loaded_modules[i]->module_index] >= APLOG_TRACE5) {
            return true;
        }
    }
    return log->level >= APLOG_TRACE5;
}

/* Lowers the level until the request is read. Then tc_scrub_post_read() traces the line that was left out. */
void tc_scrub_pre_read(request_rec *r, conn_rec *c)
{
    struct ap_logconf *quiet;
    int i;

    (void)c;
    if (!traces_request_lines(r)) {
        return;
    }
    quiet = ap_new_log_config(r->pool, ap_get_request_logconf(r));
    quiet->level = quiet->level > APLOG_TRACE4 ? APLOG_TRACE4 : quiet->level;
    for (i = 0; quiet->module_levels != NULL && ap_loaded_modules[i] != NULL; i++) {
        signed char *level = &quiet->module_levels[ap_loaded_modules[i]->module_index];

        *level = (signed char)(*level > APLOG_TRACE4 ? APLOG_TRACE4 : *level);
    }
    r->log = quiet;
}

void tc_scrub_quieten(apr_pool_t *pconf, server_rec *main_server)
{
    const module *http2 = ap_find_linked_module("mod_http2.c");
    server_rec *server;
    bool said = false;

    for (server = main_server; server != NULL && http2 != NULL; server = server->next) {
        if (ap_get_server_module_loglevel(server, http2->module_index) <= HTTP2_SPARES_FIELDS) {
            continue;
        }
        ap_set_module_loglevel(pconf, &server->log, http2->module_index, HTTP2_SPARES_FIELDS);
        if (!said) {
            ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, main_server,
                         "TC0068: mod_http2's LogLevel is lowered to debug, because at a higher level mod_http2 "
                         "logs tokens");
        }
        said = true;
    }
}

/* ---- hooks ---- */

int tc_scrub_post_read(request_rec *r)
{
    if (tc_config_of(r->server)->vhost != NULL) {
        hide(r)->for_good = will_be_ours(r);
    }
    if (r->log != NULL && r->prev == NULL && r->main == NULL) {
        r->log = NULL;
        ap_log_rerror(APLOG_MARK, APLOG_TRACE5, 0, r, "Request received from client: %s",
                      ap_escape_logitem(r->pool, r->the_request));
    }
    return DECLINED;
}

int tc_scrub_quick_handler(request_rec *r, int lookup)
{
    const scrubbed_t *scrubbed = scrubbed_of(r);

    (void)lookup;
    if (scrubbed != NULL) {
        show_fields(r, scrubbed);
    }
    if (scrubbed != NULL && scrubbed->token != NULL && !scrubbed->for_good) {
        set_line(r, scrubbed->line);
    }
    return DECLINED;
}

/* Some requests turn out to be the chat's only here: their URL was rewritten, or no <Location> has set the handler. */
int tc_scrub_fixups(request_rec *r)
{
    if (tc_handler_is_chat(r)) {
        hide(r)->for_good = true;
    }
    return DECLINED;
}

int tc_scrub_log(request_rec *r)
{
    if (scrubbed_of(r) != NULL && scrubbed_of(r)->for_good) {
        (void)hide(r);
    }
    return DECLINED;
}

const char *tc_scrub_field(request_rec *r, const char *name)
{
    const scrubbed_t *scrubbed = scrubbed_of(r);
    size_t i;

    for (i = 0; i < FIELDS && scrubbed != NULL; i++) {
        if (scrubbed->whole[i] != NULL && strcasecmp(name, fields[i].name) == 0) {
            return scrubbed->whole[i];
        }
    }
    return apr_table_get(r->headers_in, name);
}

/* After an internal redirect, the request before it has the token. */
const char *tc_scrub_token(request_rec *r)
{
    for (; r != NULL; r = r->prev) {
        const scrubbed_t *scrubbed = scrubbed_of(r);

        if (scrubbed != NULL && scrubbed->token != NULL) {
            return scrubbed->token;
        }
    }
    return NULL;
}
