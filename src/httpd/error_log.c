/* Masks tokens in error logs. See error_log.h. */
#include "httpd/error_log.h"

#include "codec/mask.h"

#include <ap_mpm.h>
#include <apr_portable.h>
#include <apr_strings.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <util_time.h>

APLOG_USE_MODULE(tripchat);

static const char *const levels[] = {"emerg", "alert", "crit", "error", "warn", "notice", "info", "debug", "trace1",
                                     "trace2", "trace3", "trace4", "trace5", "trace6", "trace7", "trace8"};

/* ---- masking ---- */

/*
 * The last item of a format. httpd gives each item the rest of one buffer of MAX_STRING_LEN bytes, in which the line
 * stands from the beginning (do_errorlog_format() in server/log.c). There is no hook that sees a line before it is
 * written: error_log runs afterwards. It then has the masked text, too.
 */
static void mask_line(char *rest, int rest_len)
{
    int len = MAX_STRING_LEN - rest_len;

    if (len > 0 && len <= MAX_STRING_LEN) {
        tc_mask_line(rest - len, (size_t)len);
    }
}

static int end_line(const ap_errorlog_info *info, const char *arg, char *buf, int buflen)
{
    (void)info;
    (void)arg;
    mask_line(buf, buflen);
    return 0;
}

/*
 * ---- httpd's default format: do_errorlog_default() in server/log.c ----
 * Versions of httpd differ in two details. What this httpd does is read from a line that it writes to a pipe.
 */

static struct {
    bool kernel_tids;    /* threads have the numbers of gettid(), and not the addresses of apr_os_thread_current() */
    bool names_outgoing; /* "remote" is a connection that httpd has opened, and not any that is not on the scoreboard */
} habits;                /* const after post_config */

static unsigned long kernel_tid(void)
{
    return (unsigned long)syscall(SYS_gettid);
}

static void learn(const char *line)
{
    const char *tid = strstr(line, ":tid ");

    habits.kernel_tids = tid != NULL && strtoul(tid + 5, NULL, 10) == kernel_tid();
    habits.names_outgoing = strstr(line, "] [client ") != NULL;
}

/* Has httpd log a line about a connection that nobody has opened and that is not on the scoreboard. */
static void learn_habits(const server_rec *main_server, apr_pool_t *ptemp)
{
    server_rec server = *main_server;
    conn_rec *c = apr_pcalloc(ptemp, sizeof(*c));
    apr_file_t *in, *out;
    char line[1024] = "";
    apr_size_t len = sizeof(line) - 1;

    if (apr_file_pipe_create(&in, &out, ptemp) != APR_SUCCESS) {
        return;
    }
    server.error_log = out;
    c->pool = ptemp;
    c->base_server = &server;
    c->client_ip = c->local_ip = apr_pstrdup(ptemp, "127.0.0.1");
    c->log_id = ""; /* otherwise httpd makes one */
    ap_log_cerror(APLOG_MARK, APLOG_EMERG, 0, c, "a line that is never in a log");
    (void)apr_file_close(out);
    if (apr_file_read(in, line, &len) == APR_SUCCESS) {
        learn(line);
    }
    (void)apr_file_close(in);
}

static int write_time(char *buf, int buflen)
{
    int len = buflen - 3;

    buf[0] = '[';
    (void)ap_recent_ctime_ex(buf + 1, apr_time_now(), AP_CTIME_OPTION_USEC, &len);
    buf[len] = ']'; /* over the NUL, which `len` counts */
    buf[len + 1] = ' ';
    return len + 2;
}

static int write_source(const ap_errorlog_info *info, char *buf, int buflen)
{
    const char *name = ap_find_module_short_name(info->module_index);
    int len = apr_snprintf(buf, (apr_size_t)buflen, "[%s:%s] [pid %" APR_PID_T_FMT, name ? name : "",
                           levels[info->level], getpid());
    int threaded;

    if (habits.kernel_tids) {
        len += apr_snprintf(buf + len, (apr_size_t)(buflen - len), ":tid %lu", kernel_tid());
    }
    else if (ap_mpm_query(AP_MPMQ_IS_THREADED, &threaded) == APR_SUCCESS && threaded != AP_MPMQ_NOT_SUPPORTED) {
        apr_os_thread_t tid = apr_os_thread_current();

        len += apr_snprintf(buf + len, (apr_size_t)(buflen - len), ":tid %pT", (void *)&tid);
    }
    len += apr_snprintf(buf + len, (apr_size_t)(buflen - len), "] ");
    if (info->level >= APLOG_DEBUG && info->file != NULL) {
        const char *file = info->file[0] == '/' ? strrchr(info->file, '/') + 1 : info->file;

        len += apr_snprintf(buf + len, (apr_size_t)(buflen - len), "%s(%d): ", file, info->line);
    }
    return len;
}

static int write_status(apr_status_t status, char *buf, int buflen)
{
    int len = status < APR_OS_START_EAIERR ? apr_snprintf(buf, (apr_size_t)buflen, "(%d)", status)
              : status < APR_OS_START_SYSERR
                  ? apr_snprintf(buf, (apr_size_t)buflen, "(EAI %d)", status - APR_OS_START_EAIERR)
                  : apr_snprintf(buf, (apr_size_t)buflen, "(OS %d)", status - APR_OS_START_SYSERR);

    (void)apr_strerror(status, buf + len, (apr_size_t)(buflen - len));
    len += (int)strlen(buf + len);
    return len + apr_snprintf(buf + len, (apr_size_t)(buflen - len), ": ");
}

static int write_client(const ap_errorlog_info *info, char *buf, int buflen)
{
    const request_rec *r = info->r;
    const conn_rec *c = r ? r->connection : info->c;
    const apr_sockaddr_t *addr = r ? r->useragent_addr : c->client_addr;
    bool remote = habits.names_outgoing ? c->outgoing : c->sbh == NULL;

    return apr_snprintf(buf, (apr_size_t)buflen, "[%s %s:%d] ", remote ? "remote" : "client",
                        r ? r->useragent_ip : c->client_ip, addr ? addr->port : 0);
}

/* All that stands before the message. It is never empty. */
static int write_head(const ap_errorlog_info *info, const char *arg, char *buf, int buflen)
{
    int len = info->using_syslog ? 0 : write_time(buf, buflen);

    (void)arg;
    len += write_source(info, buf + len, buflen - len);
    if (info->status != 0) {
        len += write_status(info->status, buf + len, buflen - len);
    }
    if (info->r != NULL || info->c != NULL) {
        len += write_client(info, buf + len, buflen - len);
    }
    return len;
}

/* All that stands behind the message. */
static int write_tail(const ap_errorlog_info *info, const char *arg, char *buf, int buflen)
{
    static const char before[] = ", referer: ";
    const int before_len = sizeof(before) - 1;
    const char *referer = info->r ? apr_table_get(info->r->headers_in, "Referer") : NULL;
    int len = 0;

    (void)arg;
    if (referer != NULL && *referer != '\0' && buflen > before_len + 1) {
        memcpy(buf, before, sizeof(before));
        (void)ap_escape_errorlog_item(buf + before_len, referer, (apr_size_t)(buflen - before_len));
        len = before_len + (int)strlen(buf + before_len);
    }
    mask_line(buf + len, buflen - len);
    return len;
}

/* ---- formats ---- */

static void add_item(apr_array_header_t *format, ap_errorlog_handler_fn_t *func, unsigned flags)
{
    ap_errorlog_format_item *item = apr_array_push(format);

    *item = (ap_errorlog_format_item){func, NULL, flags, 0};
}

static apr_array_header_t *default_format(apr_pool_t *pconf)
{
    apr_array_header_t *format = apr_array_make(pconf, 3, sizeof(ap_errorlog_format_item));

    add_item(format, write_head, 0);
    add_item(format, NULL, AP_ERRORLOG_FLAG_MESSAGE);
    add_item(format, write_tail, AP_ERRORLOG_FLAG_FIELD_SEP);
    return format;
}

/*
 * A copy with one item more. It begins a field, because an empty item takes its whole field out of the line. Servers may
 * share their configuration, so a format that has the item is left as it is.
 */
static apr_array_header_t *masking(apr_pool_t *pconf, apr_array_header_t *format)
{
    const ap_errorlog_format_item *last = &APR_ARRAY_IDX(format, format->nelts - 1, ap_errorlog_format_item);
    apr_array_header_t *copy;

    if (format->nelts > 0 && (last->func == end_line || last->func == write_tail)) {
        return format;
    }
    copy = apr_array_copy(pconf, format);
    add_item(copy, end_line, AP_ERRORLOG_FLAG_FIELD_SEP);
    return copy;
}

/* ErrorLogFormat connection and ErrorLogFormat request have a list of formats each. NULL: none. */
static apr_array_header_t *all_masking(apr_pool_t *pconf, const apr_array_header_t *formats)
{
    apr_array_header_t *copy = formats ? apr_array_copy(pconf, formats) : NULL;
    int i;

    for (i = 0; copy != NULL && i < copy->nelts; i++) {
        apr_array_header_t **format = &APR_ARRAY_IDX(copy, i, apr_array_header_t *);

        *format = masking(pconf, *format);
    }
    return copy;
}

void tc_error_log_mask(apr_pool_t *pconf, apr_pool_t *ptemp, server_rec *main_server)
{
    const core_server_config *main_core = ap_get_core_module_config(main_server->module_config);
    server_rec *server;

    if (main_core->error_log_format == NULL) {
        learn_habits(main_server, ptemp);
    }
    for (server = main_server; server != NULL; server = server->next) {
        core_server_config *core = ap_get_core_module_config(server->module_config);

        core->error_log_format = core->error_log_format ? masking(pconf, core->error_log_format)
                                                        : default_format(pconf);
        core->error_log_conn = all_masking(pconf, core->error_log_conn);
        core->error_log_req = all_masking(pconf, core->error_log_req);
    }
}
