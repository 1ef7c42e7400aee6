/* Sockets over HTTP/2. See http2.h. */
#include "httpd/http2.h"

#include <ap_config.h>
#include <apr_optional.h>
#include <apr_poll.h>
#include <apr_portable.h>
#include <http_config.h>
#include <http_main.h>
#include <http_protocol.h>
#include <limits.h>
#include <util_filter.h>

/*
 * These are mod_http2.h's declarations; the one of older releases of httpd lacks the first function. Release 2.4.58 has
 * ap_get_pollfd_from_conn() too, but a module that was built with that function cannot be loaded by an older httpd.
 */
APR_DECLARE_OPTIONAL_FN(apr_status_t, http2_get_pollfd_from_conn,
                        (conn_rec *c, struct apr_pollfd_t *pfd, apr_interval_time_t *ptimeout));
APR_DECLARE_OPTIONAL_FN(void, http2_get_num_workers, (server_rec *s, int *minw, int *max));

/* const after optional_fn_retrieve */
static APR_OPTIONAL_FN_TYPE(http2_get_pollfd_from_conn) *get_pollfd;
static APR_OPTIONAL_FN_TYPE(http2_get_num_workers) *get_num_workers;

void tc_http2_find(void)
{
    get_pollfd = APR_RETRIEVE_OPTIONAL_FN(http2_get_pollfd_from_conn);
    get_num_workers = APR_RETRIEVE_OPTIONAL_FN(http2_get_num_workers);
}

/* mod_http2 adds this filter for an Extended CONNECT. No field that a client sends has the same effect. */
bool tc_http2_is_socket(const request_rec *r)
{
    const ap_filter_t *filter = r->connection->output_filters;

    for (; filter != NULL; filter = filter->next) {
        if (strcmp(filter->frec->name, "h2_c2_ws_out") == 0) {
            return get_pollfd != NULL;
        }
    }
    return false;
}

int tc_http2_input(conn_rec *c)
{
    apr_pollfd_t pollfd = {0};
    apr_os_file_t fd;

    if (get_pollfd == NULL || get_pollfd(c, &pollfd, NULL) != APR_SUCCESS || pollfd.desc_type != APR_POLL_FILE
        || apr_os_file_get(&fd, pollfd.desc.f) != APR_SUCCESS) {
        return -1;
    }
    return fd;
}

/* mod_http2 makes its workers as the main server says. */
unsigned tc_http2_workers(void)
{
    int least = 0, greatest = 0;

    if (get_num_workers == NULL) {
        return UINT_MAX;
    }
    get_num_workers(ap_server_conf, &least, &greatest);
    return greatest > 0 ? (unsigned)greatest : UINT_MAX;
}

/*
 * mod_http2 sends this reset in place of a 403 with this note, which mod_ssl sets if a request needs another TLS
 * handshake.
 */
int tc_http2_demand_http1(request_rec *r, int status)
{
    apr_table_setn(r->notes, "ssl-renegotiate-forbidden", "no room for a socket over HTTP/2");
    r->status = HTTP_FORBIDDEN;
    ap_set_content_length(r, 0);
    ap_rflush(r);
    r->status = status;
    return OK;
}
