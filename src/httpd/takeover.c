/*
 * Takes connections out of httpd. See takeover.h and docs/architecture.md, "Taking a connection over".
 */
#include "httpd/takeover.h"

#include "base/alloc.h"
#include "base/held.h"
#include "base/limits.h"
#include "base/metrics.h"
#include "engine/system.h"
#include "engine/tls.h"
#include "httpd/bridge.h"
#include "httpd/notes.h"
#include "httpd/often.h"
#include "httpd/runtime.h"

#include <apr_optional_hooks.h>
#include <apr_portable.h>
#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <http_config.h>
#include <http_connection.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>
#include <http_ssl.h>
#include <mod_ssl_openssl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

APLOG_USE_MODULE(tripchat);

#define DRAIN_CHUNK_BYTES 16384

/* What the module notes of each of httpd's connections, on the connection's pool. */
typedef struct {
    SSL *ssl;                /* mod_ssl's, borrowed; NULL: plain, or another module's TLS */
    tc_child_t *child;       /* set with pending */
    tc_adoption_t *pending;  /* owned; taken over, until httpd has let go */
} connection_t;

static connection_t *connection_of(conn_rec *c)
{
    return ap_get_module_config(c->conn_config, &tripchat_module);
}

/* The last of the connection's cleanups, after mod_ssl's: httpd will not touch the connection again. */
static apr_status_t on_connection_gone(void *data)
{
    connection_t *connection = data;
    tc_adoption_t *adoption = connection->pending;

    if (adoption == NULL) {
        return APR_SUCCESS;
    }
    connection->pending = NULL;
    if (adoption->ssl != NULL && !tc_tls_detach(adoption->ssl, adoption->fd)) {
        tc_adoption_drop(adoption, &connection->child->peers);
        return APR_SUCCESS;
    }
    if (tc_runtime_child() != connection->child) {
        tc_adoption_drop(adoption, &connection->child->peers); /* the child is stopping */
    }
    else {
        tc_metrics_add(adoption->site->metrics_slot,
                       TC_M_TAKEOVERS + (adoption->ssl ? TC_L_TAKEOVER_TLS : TC_L_TAKEOVER_PLAIN), 1);
        tc_child_adopt(connection->child, adoption);
    }
    return APR_SUCCESS;
}

int tc_takeover_pre_connection(conn_rec *c, void *csd)
{
    connection_t *connection;

    (void)csd;
    if (c->master != NULL || c->outgoing) {
        return DECLINED;
    }
    connection = apr_pcalloc(c->pool, sizeof(*connection));
    ap_set_module_config(c->conn_config, &tripchat_module, connection);
    apr_pool_cleanup_register(c->pool, connection, on_connection_gone, apr_pool_cleanup_null);
    return DECLINED;
}

static int on_pre_handshake(conn_rec *c, SSL *ssl, int is_proxy)
{
    connection_t *connection = connection_of(c);

    if (!is_proxy && connection != NULL) {
        connection->ssl = ssl;
    }
    return DECLINED;
}

void tc_takeover_register_ssl_hook(void)
{
    APR_OPTIONAL_HOOK(ssl, pre_handshake, on_pre_handshake, NULL, NULL, APR_HOOK_MIDDLE);
}

/* ---- may it be taken? ---- */

/* True of connection filters that hold nothing back after the output is flushed and the input is drained. */
static bool is_known_filter(const char *name)
{
    static const char *const known[] = {"core",           "core_in",          "ssl/tls filter",
                                        "ssl/tls coalescing filter", "reqtimeout", "log_input_output",
                                        "remoteip_input"};
    size_t i;

    for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(name, known[i]) == 0) {
            return true;
        }
    }
    return false;
}

static const char *find_unknown_filter(const ap_filter_t *filter)
{
    for (; filter != NULL; filter = filter->next) {
        if (!is_known_filter(filter->frec->name)) {
            return filter->frec->name;
        }
    }
    return NULL;
}

/* Logs the reason once a child: the connection is served, but costs a worker. */
static bool needs_bridge_for(request_rec *r, const char *why, const char *name)
{
    static atomic_bool said;

    if (!atomic_exchange(&said, true)) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r,
                      "TC0051: connections with %s%s cannot be taken over, so each holds a worker that relays it; "
                      "remove the cause from the chat's virtual host, or run more workers", why,
                      name);
    }
    return true;
}

static bool needs_bridge(request_rec *r)
{
    conn_rec *c = r->connection;
    connection_t *connection = connection_of(c);
    const char *name;

    if (c->master != NULL) {
        return true; /* an HTTP/2 stream has no socket of its own */
    }
    if (connection == NULL) {
        return needs_bridge_for(r, "a connection of another kind", "");
    }
    if (ap_ssl_conn_is_ssl(c) && connection->ssl == NULL) {
        return needs_bridge_for(r, "TLS that is not mod_ssl's", "");
    }
    if (connection->ssl != NULL && !tc_tls_owns_session(connection->ssl)) {
        return needs_bridge_for(r, "a TLS session in a cache that is not mod_ssl's", "");
    }
    name = find_unknown_filter(c->input_filters);
    if (name == NULL) {
        name = find_unknown_filter(c->output_filters);
    }
    return name != NULL && needs_bridge_for(r, "the filter ", name);
}

bool tc_takeover_has_room(request_rec *r, const tc_site_t *site, const char *user_id)
{
    return !needs_bridge(r) || tc_bridge_has_room(r, site, user_id);
}

/* ---- taking it ---- */

static int set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

/* A descriptor of our own for the client's socket, or -1. */
static int duplicate_socket(conn_rec *c)
{
    apr_os_sock_t os_socket;
    int fd, off = 0;

    if (apr_os_sock_get(&os_socket, ap_get_conn_socket(c)) != APR_SUCCESS) {
        return -1;
    }
    fd = fcntl(os_socket, F_DUPFD_CLOEXEC, 3);
    if (fd < 0) {
        return -1;
    }
    /* httpd turned Nagle's algorithm off at accept. Turned on again, it gathers the frames of a busy room. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &off, sizeof(off));
    return fd;
}

static apr_status_t send_head(request_rec *r, const char *head)
{
    conn_rec *c = r->connection;
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, c->bucket_alloc);
    apr_status_t rv;

    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_pool_create(head, strlen(head), r->pool,
                                                       c->bucket_alloc));
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_flush_create(c->bucket_alloc));
    rv = ap_pass_brigade(c->output_filters, bb);
    apr_brigade_cleanup(bb);
    return rv == APR_SUCCESS && c->aborted ? APR_ECONNABORTED : rv;
}

/* Appends a brigade's bytes to the adoption's input. */
static apr_status_t keep_input(tc_adoption_t *adoption, apr_bucket_brigade *bb)
{
    apr_size_t len;
    char *bytes;
    apr_status_t rv = apr_brigade_pflatten(bb, &bytes, &len, bb->p);

    if (rv != APR_SUCCESS || len == 0) {
        return rv;
    }
    adoption->input = tc_realloc(adoption->input, adoption->input_len + len);
    memcpy(adoption->input + adoption->input_len, bytes, len);
    adoption->input_len += len;
    return APR_SUCCESS;
}

/*
 * Makes httpd's descriptor of the client's socket one on which nothing comes. So the filters run dry, and what is in
 * the client's socket stays there. Returns the other end of that pair, or -1. The caller closes it only when the
 * filters are dry, because to TLS an end of the stream is an error.
 */
static int cut_off(conn_rec *c)
{
    apr_os_sock_t os_socket;
    int ends[2];

    if (apr_os_sock_get(&os_socket, ap_get_conn_socket(c)) != APR_SUCCESS
        || tc_system_stream_pair(ends) != 0) {
        return -1;
    }
    if (tc_system_dup_to(ends[0], os_socket) != 0) {
        close(ends[1]);
        ends[1] = -1;
    }
    close(ends[0]);
    return ends[1];
}

/*
 * Reads until the filters say EAGAIN. Otherwise bytes of a TLS record would stay in httpd's core filter, where the SSL
 * does not look for them any more. If a client sends as fast as this reads, the filters are cut off from its socket
 * after TC_TAKEOVER_INPUT_BYTES.
 */
static apr_status_t drain_input(request_rec *r, tc_adoption_t *adoption)
{
    conn_rec *c = r->connection;
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, c->bucket_alloc);
    int dry_end = -1;
    apr_status_t rv;

    ap_remove_input_filter_byhandle(c->input_filters, "reqtimeout");
    do {
        rv = ap_get_brigade(c->input_filters, bb, AP_MODE_READBYTES, APR_NONBLOCK_READ,
                            DRAIN_CHUNK_BYTES);
        if (rv == APR_SUCCESS && APR_BRIGADE_EMPTY(bb)) {
            break;
        }
        if (rv == APR_SUCCESS) {
            rv = keep_input(adoption, bb);
        }
        apr_brigade_cleanup(bb);
        if (rv == APR_SUCCESS && dry_end < 0 && adoption->input_len > TC_TAKEOVER_INPUT_BYTES) {
            dry_end = cut_off(c);
            rv = dry_end < 0 ? apr_get_os_error() : APR_SUCCESS;
        }
    } while (rv == APR_SUCCESS);
    if (dry_end >= 0) {
        close(dry_end);
    }
    /* If the stream has ended, the loop sees that itself, after the bytes before the end. */
    return APR_STATUS_IS_EAGAIN(rv) || APR_STATUS_IS_EOF(rv) ? APR_SUCCESS : rv;
}

/* Nothing that httpd does from here on may reach the socket. */
static void detach(request_rec *r, int status)
{
    conn_rec *c = r->connection;

    r->status = status;
    r->status_line = ap_get_status_line(status);
    r->output_filters = r->proto_output_filters = c->output_filters;
    r->input_filters = r->proto_input_filters = c->input_filters;
    c->keepalive = AP_CONN_CLOSE;
    c->aborted = 1;
}

int tc_takeover(request_rec *r, tc_child_t *child, tc_adoption_t *adoption, int status,
                const char *head)
{
    connection_t *connection = connection_of(r->connection);
    apr_status_t rv = APR_SUCCESS;

    TC_ASSERT_NOTHING_HELD();
    apr_cpystrn(adoption->address, r->useragent_ip, sizeof(adoption->address));
    adoption->log_server = r->server;
    adoption->id = tc_peers_next_id(&child->peers);
    tc_notes_set_connection(r, adoption->id);
    if (needs_bridge(r)) {
        return tc_bridge(r, child, adoption, status, head);
    }
    if (connection->ssl != NULL && !tc_tls_is_settled(connection->ssl)) {
        TC_LOG_OFTEN(TC_OFTEN_LINES, APLOG_INFO, 0, r,
                     "TC0098: refused with 403: SSLVerifyClient asked for a certificate after the handshake, and the "
                     "client sent more data before it answered");
        tc_adoption_drop(adoption, &child->peers);
        return HTTP_FORBIDDEN;
    }
    adoption->fd = duplicate_socket(r->connection);
    if (adoption->fd < 0) {
        /* If descriptors ran out, the administrator must act. Otherwise httpd stops and has closed the socket. */
        int error = errno, scarce = error == EMFILE || error == ENFILE;

        TC_LOG_OFTEN(1, scarce ? APLOG_ERR : APLOG_INFO, error, r,
                     "TC0052: refused with 503: no descriptor is free for a connection; if the limit is reached, "
                     TC_RAISE_DESCRIPTORS);
        tc_adoption_drop(adoption, &child->peers);
        return HTTP_SERVICE_UNAVAILABLE;
    }
    if (head != NULL) {
        rv = send_head(r, head);
    }
    if (rv == APR_SUCCESS) {
        rv = drain_input(r, adoption);
    }
    detach(r, status);
    if (rv != APR_SUCCESS || set_nonblocking(adoption->fd) != 0) {
        TC_LOG_OFTEN(TC_OFTEN_LINES, APLOG_INFO, rv, r, "TC0053: the client left during the handshake");
        tc_adoption_drop(adoption, &child->peers);
        return OK;
    }
    if (connection->ssl != NULL) {
        SSL_up_ref(connection->ssl);
        adoption->ssl = connection->ssl;
    }
    connection->child = child;
    connection->pending = adoption;
    return OK;
}
