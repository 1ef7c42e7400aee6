/* Shows the counts. See monitor.h. */
#include "httpd/monitor.h"

#include "httpd/handlers.h"
#include "httpd/mapping.h"
#include "httpd/often.h"
#include "httpd/reload.h"
#include "shared/exposition.h"

#include <apr_optional_hooks.h>
#include <http_config.h>
#include <http_log.h>
#include <http_protocol.h>
#include <mod_status.h>
#include <unistd.h>

APLOG_USE_MODULE(tripchat);

#define RETAINED "mod_tripchat: counts"

#ifndef TC_VERSION
#define TC_VERSION "unknown"
#endif

static unsigned seats;    /* const after post_config */
static tc_board_t *board; /* const after post_config; NULL: this httpd has no site */

/* ---- the board ---- */

static bool fits(const void *memory)
{
    return tc_board_fits(memory, seats);
}

int tc_monitor_make(server_rec *server, tc_vhost_t *vhosts)
{
    void *memory;
    bool fresh;

    seats = tc_board_seats(tc_reload_children());
    memory = tc_reload_memory(server, RETAINED, tc_board_size(seats), fits, &fresh);
    if (memory == NULL) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    board = fresh ? tc_board_make(memory, seats) : memory;
    for (; vhosts != NULL; vhosts = vhosts->next) {
        vhosts->site.metrics_slot = tc_board_slot(board, vhosts->site.name);
    }
    return OK;
}

static apr_status_t leave_board(void *data)
{
    (void)data;
    tc_board_leave(board, getpid());
    return APR_SUCCESS;
}

void tc_monitor_sit(apr_pool_t *pchild, server_rec *server)
{
    tc_metrics_seat_t *seat = tc_board_sit(board, getpid());

    if (seat == NULL) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, server, "TC0091: this child is missing in the metrics, because no "
                     "place is free for its counts; restart httpd if this repeats");
        return;
    }
    tc_metrics_bind(seat);
    tc_metrics_set(TC_METRICS_CHILD, TC_M_CHILDREN, 1);
    apr_pool_cleanup_register(pchild, NULL, leave_board, apr_pool_cleanup_null);
}

void tc_monitor_clear(pid_t pid)
{
    tc_board_leave(board, pid);
}

void tc_monitor_sum(unsigned slot, uint64_t *sums)
{
    tc_board_sum(board, slot, sums);
}

/* ---- for Prometheus ---- */

int tc_monitor_begin(request_rec *r, const char *type)
{
    if (!tc_mapping_is_of_server(r)) {
        TC_LOG_OFTEN(1, APLOG_WARNING, 0, r, "TC0103: refused with 403: SetHandler %s counts in a <Location> alone, which the "
                     "administrator of the server writes; here an .htaccess, a <Directory>, a <Files> or a rewrite rule "
                     "has set it", r->handler);
        return HTTP_FORBIDDEN;
    }
    if (r->method_number != M_GET) {
        r->allowed |= AP_METHOD_BIT << M_GET;
        return HTTP_METHOD_NOT_ALLOWED;
    }
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    ap_set_content_type(r, type);
    return OK;
}

int tc_monitor_handler(request_rec *r)
{
    tc_buf_t page = TC_BUF_INIT;
    int rc;

    if (!tc_handler_is(r, TC_HANDLER_METRICS)) {
        return DECLINED;
    }
    if (board == NULL) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "TC0092: SetHandler tripchat-metrics in an httpd without a chat; "
                      "write TripChatJWTSecretFile, TripChatJWTKey or TripChatJWTKeySet in a virtual host");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    rc = tc_monitor_begin(r, TC_EXPOSITION_TYPE);
    if (rc != OK) {
        return rc;
    }
    tc_exposition_write(&page, board, TC_VERSION);
    ap_set_content_length(r, (apr_off_t)page.len);
    if (!r->header_only) {
        ap_rwrite(page.data, (int)page.len, r);
    }
    tc_buf_free(&page);
    return OK;
}

/* ---- for mod_status ---- */

/* A value of a site: the sum of some of its cells. */
typedef struct {
    const char *word; /* behind "TripChat", in the short report */
    const char *title;
    unsigned first, last;
} line_t;

static const line_t lines[] = {
    {"Connections", "Connections", TC_M_CONNECTIONS, TC_M_CONNECTIONS_LAST},
    {"TLSConnections", "over TLS", TC_M_TLS_CONNECTIONS, TC_M_TLS_CONNECTIONS_LAST},
    {"Rooms", "Rooms", TC_M_ROOMS, TC_M_ROOMS_LAST},
    {"Handshakes", "Handshakes", TC_M_HANDSHAKES, TC_M_HANDSHAKES_LAST},
    {"MessagesReceived", "Messages received", TC_M_MESSAGES_RECEIVED, TC_M_MESSAGES_RECEIVED_LAST},
    {"EventsStored", "Events stored", TC_M_EVENTS_STORED, TC_M_EVENTS_STORED_LAST},
    {"Deliveries", "Deliveries", TC_M_DELIVERIES, TC_M_DELIVERIES_LAST},
    {"RestRequests", "REST requests", TC_M_REST_REQUESTS, TC_M_REST_REQUESTS_LAST},
    {"ErrorsSent", "Errors sent", TC_M_ERRORS_SENT, TC_M_ERRORS_SENT_LAST},
    {"SlowReaders", "Slow readers", TC_M_SLOW_READERS, TC_M_SLOW_READERS_LAST},
    {"DatabaseJobs", "Database jobs", TC_M_DATABASE_JOBS, TC_M_DATABASE_JOBS_LAST},
    {"RedisLinksUp", "Redis up", TC_M_REDIS_LINKS + TC_L_LINK_UP, TC_M_REDIS_LINKS + TC_L_LINK_UP},
    {"RedisLinksDown", "down", TC_M_REDIS_LINKS + TC_L_LINK_DOWN, TC_M_REDIS_LINKS + TC_L_LINK_DOWN},
};
#define LINES (sizeof(lines) / sizeof(lines[0]))

static apr_uint64_t value_of(const line_t *line, const uint64_t *sums)
{
    apr_uint64_t value = 0;
    unsigned cell;

    for (cell = line->first; cell <= line->last; cell++) {
        value += sums[cell];
    }
    return value;
}

static void show_short(request_rec *r, const apr_uint64_t *totals)
{
    size_t i;

    for (i = 0; i < LINES; i++) {
        ap_rprintf(r, "TripChat%s: %" APR_UINT64_T_FMT "\n", lines[i].word, totals[i]);
    }
}

static void show_site(request_rec *r, const char *site, const uint64_t *sums, int in_table)
{
    size_t i;

    ap_rvputs(r, in_table ? "<tr><td>" : "<p>", ap_escape_html(r->pool, site), in_table ? "</td>" : ":", NULL);
    for (i = 0; i < LINES; i++) {
        ap_rprintf(r, in_table ? "<td>%.0s%" APR_UINT64_T_FMT "</td>" : " %s %" APR_UINT64_T_FMT ";", lines[i].title,
                   value_of(&lines[i], sums));
    }
    ap_rputs(in_table ? "</tr>\n" : "</p>\n", r);
}

static void show_head(request_rec *r, int in_table)
{
    uint64_t sums[TC_METRICS_CELLS];
    size_t i;

    tc_board_sum(board, TC_METRICS_CHILD, sums);
    ap_rprintf(r, "<hr />\n<h2>Chat</h2>\n<p>mod_tripchat " TC_VERSION ", %" APR_UINT64_T_FMT " children, which may hold %"
               APR_UINT64_T_FMT " connections</p>\n", sums[TC_M_CHILDREN], sums[TC_M_MAX_CONNECTIONS]);
    if (in_table) {
        ap_rputs("<table border=\"0\"><tr><th>Site</th>", r);
        for (i = 0; i < LINES; i++) {
            ap_rvputs(r, "<th>", lines[i].title, "</th>", NULL);
        }
        ap_rputs("</tr>\n", r);
    }
}

static int on_status(request_rec *r, int flags)
{
    int is_short = flags & AP_STATUS_SHORT, in_table = !(flags & AP_STATUS_NOTABLE);
    apr_uint64_t totals[LINES] = {0};
    uint64_t sums[TC_METRICS_CELLS];
    unsigned slot;
    size_t i;

    if (board == NULL) {
        return DECLINED;
    }
    if (!is_short) {
        show_head(r, in_table);
    }
    for (slot = 1; slot < TC_METRICS_SLOTS; slot++) {
        if (tc_board_site(board, slot) == NULL) {
            continue;
        }
        tc_board_sum(board, slot, sums);
        for (i = 0; i < LINES; i++) {
            totals[i] += value_of(&lines[i], sums);
        }
        if (!is_short) {
            show_site(r, tc_board_site(board, slot), sums, in_table);
        }
    }
    if (is_short) {
        show_short(r, totals);
    }
    else if (in_table) {
        ap_rputs("</table>\n", r);
    }
    return OK;
}

void tc_monitor_register_status_hook(void)
{
    APR_OPTIONAL_HOOK(ap, status_hook, on_status, NULL, NULL, APR_HOOK_MIDDLE);
}
