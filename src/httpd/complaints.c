/* Complaints about the configuration. See complaints.h. */
#include "httpd/complaints.h"

#include <apr_strings.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <stdarg.h>

APLOG_USE_MODULE(tripchat);

typedef struct complaint_t {
    int level;
    apr_status_t status;
    const char *text;
    struct complaint_t *next;
} complaint_t;

static apr_pool_t *pool_of_texts; /* pconf */
static complaint_t *complaints;   /* in their order */
static complaint_t **end;

void tc_complaints_begin(apr_pool_t *pconf)
{
    pool_of_texts = pconf;
    complaints = NULL;
    end = &complaints;
}

const char *tc_complaints_server_name(const server_rec *server, apr_pool_t *pool)
{
    const char *host = server->server_hostname;
    unsigned port = server->port;

    if (host == NULL) {
        host = server->addrs && server->addrs->virthost ? server->addrs->virthost : "*";
    }
    if (port == 0 && server->addrs != NULL) {
        port = server->addrs->host_port;
    }
    return port > 0 ? apr_psprintf(pool, "%s:%u", host, port) : host;
}

/* Names the server and the place: " (virtual host example.org:443, line 12 of /etc/…)". */
static const char *locate(const server_rec *server, const char *place, apr_pool_t *pool)
{
    const char *host = server->is_virtual ? apr_pstrcat(pool, "virtual host ", tc_complaints_server_name(server, pool),
                                                        NULL)
                                          : "main server";

    if (place == NULL && server->defn_name != NULL) {
        place = apr_psprintf(pool, "line %u of %s", server->defn_line_number, server->defn_name);
    }
    return apr_pstrcat(pool, " (", host, place ? ", " : "", place ? place : "", ")", NULL);
}

/* httpd reads its configuration twice when it starts. Only the first time, and for httpd -t, is there a console. */
static int has_console(void)
{
    return ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG;
}

const char *tc_complaints_place(const ap_directive_t *line, apr_pool_t *pool)
{
    return apr_psprintf(pool, "line %d of %s", line->line_num, line->filename);
}

void tc_complain(const server_rec *server, const char *place, int level, apr_status_t status, const char *fmt, ...)
{
    complaint_t *complaint = apr_palloc(pool_of_texts, sizeof(*complaint));
    va_list arguments;

    va_start(arguments, fmt);
    complaint->text = apr_pvsprintf(pool_of_texts, fmt, arguments);
    va_end(arguments);
    complaint->text = apr_pstrcat(pool_of_texts, complaint->text, locate(server, place, pool_of_texts), NULL);
    complaint->level = level;
    complaint->status = status;
    complaint->next = NULL;
    *end = complaint;
    end = &complaint->next;
    if (has_console()) {
        ap_log_error(APLOG_MARK, level, status, NULL, "%s", complaint->text);
    }
}

/* Writes all complaints to a server's error log; NULL: to what is stderr now. */
static void write_all(const server_rec *server)
{
    const complaint_t *complaint;

    for (complaint = complaints; complaint != NULL; complaint = complaint->next) {
        ap_log_error(APLOG_MARK, complaint->level, complaint->status, server, "%s", complaint->text);
    }
}

void tc_complaints_log(const server_rec *main_server)
{
    if (!has_console()) {
        write_all(main_server);
    }
}

/*
 * httpd opens its logs after the checks, and exits when they fail. So at the start the main server's error log, if it is
 * a file, becomes stderr now. In a reload stderr is this log already, and syslog is open.
 */
static void log_refusal(const server_rec *main_server, apr_pool_t *plog)
{
    const char *log = main_server->error_fname;
    int is_syslog = log != NULL && strncasecmp(log, "syslog", 6) == 0;

    if (!has_console()) {
        write_all(is_syslog ? main_server : NULL);
    }
    else if (log != NULL && !is_syslog && *log != '|' && ap_replace_stderr_log(plog, log) == APR_SUCCESS) {
        write_all(NULL);
    }
}

int tc_complaints_end(const server_rec *main_server, apr_pool_t *plog)
{
    const complaint_t *complaint = complaints;

    while (complaint != NULL && complaint->level != APLOG_EMERG) {
        complaint = complaint->next;
    }
    if (complaint == NULL) {
        return OK;
    }
    if (ap_state_query(AP_SQ_RUN_MODE) == AP_SQ_RM_NORMAL) {
        log_refusal(main_server, plog); /* `httpd -t` writes to no log */
    }
    return HTTP_INTERNAL_SERVER_ERROR;
}
