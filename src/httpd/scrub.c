/* Keeps tokens out of logs. See scrub.h. */
#include "httpd/scrub.h"

#include "codec/mask.h"
#include "httpd/error_log.h"

#include <apr_strings.h>
#include <http_config.h>
#include <http_protocol.h>
#include <scoreboard.h>
#include <stdbool.h>

APLOG_USE_MODULE(tripchat);

static bool masks; /* this httpd has a chat; const after post_config */

/* ---- copies ---- */

/* A masked copy; the text itself if it contains no token. */
static char *masked(apr_pool_t *pool, tc_mask_kind_e kind, char *text)
{
    if (!tc_mask_finds(kind, text)) {
        return text;
    }
    text = apr_pstrdup(pool, text);
    tc_mask_shorten(kind, text);
    return text;
}

static void mask_text(apr_pool_t *pool, char **text)
{
    *text = masked(pool, TC_MASK_TEXT, *text);
}

/* Replaces values of a table. NULL is no table. */
static void mask_table(apr_pool_t *pool, const apr_table_t *table)
{
    const apr_array_header_t *entries = table ? apr_table_elts(table) : NULL;
    int i;

    for (i = 0; entries != NULL && i < entries->nelts; i++) {
        apr_table_entry_t *entry = &APR_ARRAY_IDX(entries, i, apr_table_entry_t);

        if (entry->key != NULL) {
            entry->val = masked(pool, tc_mask_kind_of(entry->key), entry->val);
        }
    }
}

/* ---- the forensic log ---- */

/*
 * mod_log_forensic writes in a post_read_request hook. If another module's hook stood between one of ours that masks and
 * one that puts back, that module would see masks. So mod_log_forensic alone gets a copy: its function is replaced in
 * httpd's list of hooks, which is public (ap_hook_get_post_read_request(), as mod_info reads it).
 */
static ap_HOOK_post_read_request_t *write_forensic_log;

static int write_masked_forensic_log(request_rec *r)
{
    request_rec copy = *r; /* its tables and its configuration are the request's, so what the module notes there stays */

    mask_text(r->pool, &copy.the_request);
    copy.headers_in = apr_table_copy(r->pool, r->headers_in);
    mask_table(r->pool, copy.headers_in);
    return write_forensic_log(&copy);
}

static void mask_forensic_log(void)
{
    apr_array_header_t *hooks = ap_hook_get_post_read_request();
    int i;

    for (i = 0; hooks != NULL && i < hooks->nelts; i++) {
        ap_LINK_post_read_request_t *hook = &APR_ARRAY_IDX(hooks, i, ap_LINK_post_read_request_t);

        if (hook->szName != NULL && strcmp(hook->szName, "mod_log_forensic.c") == 0
            && hook->pFunc != write_masked_forensic_log) {
            write_forensic_log = hook->pFunc;
            hook->pFunc = write_masked_forensic_log;
        }
    }
}

static apr_status_t end_masking(void *unused)
{
    (void)unused;
    masks = false;
    return APR_SUCCESS;
}

void tc_scrub_make(apr_pool_t *pconf, apr_pool_t *ptemp, server_rec *main_server)
{
    masks = true;
    apr_pool_cleanup_register(pconf, NULL, end_masking, apr_pool_cleanup_null);
    tc_error_log_mask(pconf, ptemp, main_server);
    mask_forensic_log();
}

/* ---- what the client sent ---- */

/*
 * mod_security keeps pointers to the texts of a request, and its audit log reads them after the request. So these texts
 * are remembered before any module can put another text in their place, and are masked where they stand. A text that
 * a module has set may belong to that module's configuration. Such a text is replaced, and never written to.
 */
typedef struct {
    char *text;
    tc_mask_kind_e kind;
} sent_t;

static void remember(apr_array_header_t **all, apr_pool_t *pool, tc_mask_kind_e kind, char *text)
{
    if (tc_mask_finds(kind, text)) {
        *all = *all ? *all : apr_array_make(pool, 4, sizeof(sent_t));
        APR_ARRAY_PUSH(*all, sent_t) = (sent_t){text, kind};
    }
}

/* This hook changes nothing. */
int tc_scrub_post_read(request_rec *r)
{
    const apr_array_header_t *fields = apr_table_elts(r->headers_in);
    apr_array_header_t *all = NULL;
    int i;

    if (!masks || r->prev != NULL || r->main != NULL) {
        return DECLINED;
    }
    remember(&all, r->pool, TC_MASK_TEXT, r->the_request);
    if (all != NULL) {
        remember(&all, r->pool, TC_MASK_TEXT, r->unparsed_uri);
        remember(&all, r->pool, TC_MASK_TEXT, r->args);
    }
    for (i = 0; i < fields->nelts; i++) {
        apr_table_entry_t *field = &APR_ARRAY_IDX(fields, i, apr_table_entry_t);

        remember(&all, r->pool, tc_mask_kind_of(field->key), field->val);
    }
    ap_set_module_config(r->request_config, &tripchat_module, all);
    return DECLINED;
}

static void mask_sent(const request_rec *r)
{
    apr_array_header_t *all = ap_get_module_config(r->request_config, &tripchat_module);
    int i;

    for (i = 0; all != NULL && i < all->nelts; i++) {
        sent_t *sent = &APR_ARRAY_IDX(all, i, sent_t);

        tc_mask_shorten(sent->kind, sent->text);
    }
}

/* ---- the scoreboard ---- */

/* Writes the request line to the scoreboard over the one that httpd has written there. */
static void show(request_rec *r, int status)
{
    request_rec copy = *r;

    mask_text(r->pool, &copy.the_request);
    mask_text(r->pool, &copy.parsed_uri.query); /* shown if the request line has a password */
    if (copy.the_request != r->the_request || copy.parsed_uri.query != r->parsed_uri.query) {
        (void)ap_update_child_status(r->connection->sbh, status, &copy);
    }
}

/*
 * httpd writes the line to the scoreboard between post_read_request and this hook, and for an instant it stands there
 * as it came. The line is cut to 63 characters there, which no whole JSON Web Token fits in.
 */
int tc_scrub_quick_handler(request_rec *r, int lookup)
{
    if (masks && ap_extended_status && !lookup && r->prev == NULL && r->main == NULL) {
        show(r, SERVER_BUSY_WRITE);
    }
    return DECLINED;
}

/* ---- logs ---- */

static void mask_request(request_rec *r)
{
    mask_text(r->pool, &r->the_request);
    mask_text(r->pool, &r->unparsed_uri);
    mask_text(r->pool, &r->uri);
    mask_text(r->pool, &r->filename);
    mask_text(r->pool, &r->path_info);
    mask_text(r->pool, &r->args);
    mask_text(r->pool, &r->parsed_uri.path);
    mask_text(r->pool, &r->parsed_uri.query);
    mask_text(r->pool, &r->parsed_uri.fragment);
    mask_table(r->pool, r->headers_in);
    mask_table(r->pool, r->trailers_in);
    mask_table(r->pool, r->headers_out);
    mask_table(r->pool, r->err_headers_out);
    mask_table(r->pool, r->subprocess_env);
    mask_table(r->pool, r->notes);
}

/*
 * Each request passes here once, also a request that httpd itself has refused before any other hook. By now the request
 * is answered. An internal redirect has made more of them, and mod_log_config writes from the first one and the last.
 */
int tc_scrub_log(request_rec *r)
{
    if (!masks) {
        return DECLINED;
    }
    if (ap_extended_status) {
        show(r, SERVER_BUSY_LOG); /* httpd has just written it there once more */
    }
    while (r->prev != NULL) {
        r = r->prev;
    }
    mask_sent(r);
    for (; r != NULL; r = r->next) {
        mask_request(r);
    }
    return DECLINED;
}
