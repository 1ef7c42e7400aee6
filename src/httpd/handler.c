/* `SetHandler tripchat-websocket`. See handler.h. */
#include "httpd/handler.h"

#include "base/alloc.h"
#include "base/held.h"
#include "base/limits.h"
#include "base/metrics.h"
#include "codec/close.h"
#include "httpd/admission.h"
#include "httpd/authorize.h"
#include "httpd/credentials.h"
#include "httpd/fields.h"
#include "httpd/handlers.h"
#include "httpd/http2.h"
#include "httpd/notes.h"
#include "httpd/often.h"
#include "httpd/query.h"
#include "httpd/runtime.h"
#include "httpd/takeover.h"

#include <apr_strings.h>
#include <http_log.h>
#include <http_protocol.h>

APLOG_USE_MODULE(tripchat);

#define ROOT "/ws/chat"

/*
 * A plain-text answer to a request that does not become a WebSocket. The connection ends: a proxy may take any answer for
 * an upgrade, and what its client sends behind it would be read as further requests.
 */
static int answer(request_rec *r, int status, const char *words)
{
    TC_ASSERT_NOTHING_HELD();
    if (r->connection->master == NULL) {
        r->connection->keepalive = AP_CONN_CLOSE;
    }
    if (status >= HTTP_BAD_REQUEST) {
        tc_notes_set_reason(r, words, NULL);
    }
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    if (tc_fields_want_page(r, status)) {
        return status;
    }
    r->status = status;
    ap_set_content_type(r, "text/plain; charset=utf-8");
    ap_rputs(words, r);
    ap_rputs("\n", r);
    return OK;
}

static int answer_later(request_rec *r, int status, int retry_after_s, const char *words)
{
    apr_table_setn(r->headers_out, "Retry-After", apr_itoa(r->pool, retry_after_s));
    return answer(r, status, words);
}

int tc_handler_refuse_handshake(request_rec *r, const tc_handshake_out_t *handshake)
{
    if (handshake->status == HTTP_METHOD_NOT_ALLOWED) {
        apr_table_setn(r->headers_out, "Allow", "GET");
    }
    if (handshake->status == HTTP_UPGRADE_REQUIRED) {
        apr_table_setn(r->headers_out, "Upgrade", "websocket");
        apr_table_mergen(r->headers_out, "Connection", "Upgrade");
        apr_table_setn(r->headers_out, "Sec-WebSocket-Version", "13");
    }
    return answer(r, handshake->status, handshake->why);
}

/*
 * What a client sends behind a handshake are frames. A body would be read as such. Over HTTP/2, where no client has a
 * Transfer-Encoding, mod_http2 sets one for a stream that is open.
 */
static bool has_body(const request_rec *r)
{
    const char *length = apr_table_get(r->headers_in, "Content-Length");

    return (apr_table_get(r->headers_in, "Transfer-Encoding") != NULL && r->connection->master == NULL)
           || (length != NULL && length[strspn(length, "0")] != '\0');
}

void tc_handler_check_handshake(request_rec *r, tc_handshake_out_t *out)
{
    tc_handshake_in_t in;

    in.method = r->header_only ? "HEAD" : r->method;
    in.http_1_1 = r->proto_num >= HTTP_VERSION(1, 1);
    in.upgrade = apr_table_get(r->headers_in, "Upgrade");
    in.connection = apr_table_get(r->headers_in, "Connection");
    in.version = apr_table_get(r->headers_in, "Sec-WebSocket-Version");
    in.key = apr_table_get(r->headers_in, "Sec-WebSocket-Key");
    in.protocols = apr_table_get(r->headers_in, "Sec-WebSocket-Protocol");
    tc_handshake_check(&in, out);
    if (out->status == HTTP_SWITCHING_PROTOCOLS && has_body(r)) {
        out->status = HTTP_BAD_REQUEST;
        out->why = "A handshake must not have a body.";
    }
}

void tc_handler_negotiate(request_rec *r, bool keeps, tc_handshake_out_t *handshake,
                          tc_deflate_terms_t *terms)
{
    tc_deflate_negotiate(apr_table_get(r->headers_in, "Sec-WebSocket-Extensions"), keeps, terms,
                         handshake->extensions);
}

/*
 * The trip's id is the last part of the path, with or without a slash behind it. httpd has decoded the path. A client
 * without an id asks for ROOT and a slash; there the last part is not an id.
 */
static bool read_trip(request_rec *r, tc_trip_form_e form, tc_trip_t *trip)
{
    apr_size_t len = strlen(r->uri), start;

    if (len > 0 && r->uri[len - 1] == '/') {
        len--;
    }
    if (len >= sizeof(ROOT) - 1 && memcmp(r->uri + len - (sizeof(ROOT) - 1), ROOT, sizeof(ROOT) - 1) == 0) {
        return false;
    }
    for (start = len; start > 0 && r->uri[start - 1] != '/'; start--) {
    }
    return tc_trip_parse(r->uri + start, len - start, form, trip);
}

const char *tc_handler_token(request_rec *r, const tc_handshake_out_t *handshake, apr_size_t *len)
{
    const char *token = handshake->bearer ? handshake->bearer : tc_credentials_token(r);

    *len = handshake->bearer ? handshake->bearer_len : token ? strlen(token) : 0;
    return token;
}

static tc_chat_error_e authorize(tc_visit_t *visit, request_rec *r, tc_vhost_t *vhost,
                                 const tc_handshake_out_t *handshake)
{
    apr_size_t len;
    const char *token = tc_handler_token(r, handshake, &len);
    tc_chat_error_e error;
    tc_trip_t trip;

    error = tc_visit_begin(visit, r, vhost, token, len);
    if (error != TC_CHAT_OK) {
        return error;
    }
    return read_trip(r, vhost->site.rules.trip_form, &trip) ? tc_visit_trip(visit, &trip)
                                                            : tc_visit_wrong_form(visit, false);
}

/* A user who is not on a trip must not learn whether the trip exists, so both cases have one reason. */
static void reject(tc_adoption_t *adoption, tc_chat_error_e error)
{
    switch (error) {
    case TC_CHAT_UNAUTHORIZED:
        adoption->reject_code = TC_CLOSE_UNAUTHORIZED;
        adoption->reject_reason = "Unauthorized";
        break;
    case TC_CHAT_FORBIDDEN:
        adoption->reject_code = TC_CLOSE_FORBIDDEN;
        adoption->reject_reason = "Forbidden";
        break;
    case TC_CHAT_ORIGIN_NOT_ALLOWED:
        adoption->reject_code = TC_CLOSE_FORBIDDEN;
        adoption->reject_reason = "Origin not allowed";
        break;
    case TC_CHAT_RATE_LIMITED:
        adoption->reject_code = TC_CLOSE_POLICY;
        adoption->reject_reason = "too many connections";
        break;
    case TC_CHAT_INTERNAL:
        adoption->reject_code = TC_CLOSE_INTERNAL;
        adoption->reject_reason = "the server is not set up right";
        break;
    default:
        adoption->reject_code = TC_CLOSE_TRY_LATER;
        adoption->reject_reason = "unavailable, try again later";
        break;
    }
}

/* Counts how a handshake ended. Returns what the handler returns. */
static int ended(const tc_vhost_t *vhost, unsigned outcome, unsigned reason, int rc)
{
    tc_metrics_add(vhost->site.metrics_slot, TC_CELL(HANDSHAKES, outcome, reason), 1);
    return rc;
}

static int refused(const tc_vhost_t *vhost, unsigned reason, int rc)
{
    return ended(vhost, TC_L_OUTCOME_REFUSED, reason, rc);
}

static unsigned reason_of(tc_chat_error_e error)
{
    switch (error) {
    case TC_CHAT_OK:
        return TC_L_REASON_NONE;
    case TC_CHAT_UNAUTHORIZED:
        return TC_L_REASON_UNAUTHORIZED;
    case TC_CHAT_FORBIDDEN:
        return TC_L_REASON_FORBIDDEN;
    case TC_CHAT_RATE_LIMITED:
        return TC_L_REASON_USER_RATE;
    default:
        return TC_L_REASON_UNAVAILABLE;
    }
}

/*
 * Checks rate and origin first, before the database is asked. Returns TC_L_REASON_NONE, or why the client is refused.
 * `is_over_rate`: the address has made too many handshakes.
 */
static unsigned admit(request_rec *r, tc_vhost_t *vhost, tc_child_t *child, const tc_handshake_out_t *handshake,
                      bool is_over_rate, tc_adoption_t *adoption)
{
    tc_visit_t visit;
    tc_chat_error_e error;
    unsigned reason;

    /* A connection that is turned away counts for its address, too, until it is closed. */
    reason = tc_admission_claim_address(r, vhost, child, &adoption->claim);
    if (reason != TC_L_REASON_NONE || is_over_rate) {
        reject(adoption, TC_CHAT_RATE_LIMITED);
        return reason != TC_L_REASON_NONE ? reason : TC_L_REASON_ADDRESS_RATE;
    }
    if (!tc_credentials_origin_is_allowed(r, vhost)) {
        reject(adoption, TC_CHAT_ORIGIN_NOT_ALLOWED);
        return TC_L_REASON_ORIGIN;
    }
    error = authorize(&visit, r, vhost, handshake);
    reason = reason_of(error);
    if (error == TC_CHAT_OK) {
        reason = tc_admission_claim_user(r, vhost, child, visit.user->id, &adoption->claim);
        error = reason == TC_L_REASON_NONE ? TC_CHAT_OK : TC_CHAT_RATE_LIMITED;
    }
    if (error == TC_CHAT_OK) {
        tc_visit_hand_over(&visit, adoption);
    }
    else {
        reject(adoption, error);
        adoption->reject_reason = reason == TC_L_REASON_USER_RATE ? "too many requests" : adoption->reject_reason;
    }
    tc_visit_end(&visit);
    return reason;
}

/* `TripChatReject http`. */
static int reject_in_http(request_rec *r, const tc_adoption_t *adoption)
{
    switch (adoption->reject_code) {
    case TC_CLOSE_UNAUTHORIZED:
        apr_table_setn(r->err_headers_out, "WWW-Authenticate", "Bearer");
        return answer(r, HTTP_UNAUTHORIZED, adoption->reject_reason);
    case TC_CLOSE_FORBIDDEN:
        return answer(r, HTTP_FORBIDDEN, adoption->reject_reason);
    case TC_CLOSE_INTERNAL:
        return answer(r, HTTP_INTERNAL_SERVER_ERROR, adoption->reject_reason);
    case TC_CLOSE_POLICY:
        return answer_later(r, HTTP_TOO_MANY_REQUESTS, TC_RETRY_AFTER_S, adoption->reject_reason);
    default:
        return answer_later(r, HTTP_SERVICE_UNAVAILABLE, TC_RETRY_AFTER_S, adoption->reject_reason);
    }
}

/* Over HTTP/1.1 the same client may get in, because that connection needs no worker. */
static int answer_no_room(request_rec *r, int status)
{
    if (status == HTTP_FORBIDDEN) {
        return answer(r, status, "The certificate that the server asked for has not come.");
    }
    if (r->connection->master != NULL) {
        return tc_http2_demand_http1(r, status);
    }
    return answer_later(r, status, TC_RETRY_AFTER_S, "The server has no room for another connection.");
}

/*
 * The Sec-WebSocket-Protocol field of the answer, as a line; "": none. A browser drops a connection that answers its offers
 * with nothing, and tells the page nothing of it but 1006 (HTML standard). So a page, which an Origin shows, gets an offer of
 * its own back. Other clients go on without a subprotocol (RFC 6455, 4.2.2).
 */
static const char *protocol_line(request_rec *r, const tc_handshake_out_t *handshake)
{
    const char *name = handshake->subprotocol ? TC_HANDSHAKE_SUBPROTOCOL : NULL;

    if (name == NULL && handshake->other != NULL && apr_table_get(r->headers_in, "Origin") != NULL) {
        name = apr_pstrmemdup(r->pool, handshake->other, handshake->other_len);
        TC_LOG_OFTEN(TC_OFTEN_LINES, APLOG_INFO, 0, r, "TC0100: a page offers subprotocols without tripchat, and one of "
                     "its own is chosen; it should write new WebSocket(url, [\"tripchat\", \"bearer.\" + token])");
    }
    return name ? apr_pstrcat(r->pool, "Sec-WebSocket-Protocol: ", name, CRLF, NULL) : "";
}

int tc_handler_take_over(request_rec *r, tc_child_t *child, tc_adoption_t *adoption,
                         const tc_handshake_out_t *handshake)
{
    const char *head = apr_pstrcat(r->pool,
                                   "HTTP/1.1 101 Switching Protocols" CRLF
                                   "Upgrade: websocket" CRLF "Connection: Upgrade" CRLF
                                   "Sec-WebSocket-Accept: ", handshake->accept, CRLF,
                                   protocol_line(r, handshake),
                                   *handshake->extensions ? "Sec-WebSocket-Extensions: " : "",
                                   handshake->extensions, *handshake->extensions ? CRLF : "",
                                   CRLF, NULL);
    int rc = tc_takeover(r, child, adoption, HTTP_SWITCHING_PROTOCOLS, head);

    return rc == OK ? OK : answer_no_room(r, rc);
}

/*
 * An address that makes too many handshakes is told so in a way that a page can see, as often as it may make handshakes and
 * as long as it may have more connections. Those beyond get 429, which costs the server no descriptor.
 */
static int refuse_over_rate(request_rec *r, const tc_vhost_t *vhost, int wait_s)
{
    return refused(vhost, TC_L_REASON_ADDRESS_RATE,
                   answer_later(r, HTTP_TOO_MANY_REQUESTS, wait_s, "Too many connections from your address."));
}

/* `wait_s`: seconds until the address may make another handshake. */
static int accept_handshake(request_rec *r, tc_vhost_t *vhost, tc_child_t *child, tc_handshake_out_t *handshake, int wait_s,
                            tc_adoption_t *adoption)
{
    unsigned reason = TC_L_REASON_FULL;
    int rc;

    if (tc_child_reserve(child, &adoption->claim)) {
        reason = admit(r, vhost, child, handshake, wait_s > 0, adoption);
    }
    else {
        TC_LOG_OFTEN(1, APLOG_WARNING, 0, r,
                     "TC0061: refused: this child holds %u connections, which is its limit; raise the descriptor "
                     "limit or TripChatMaxConnections, or let httpd run more children",
                     tc_runtime_max_connections());
        adoption->reject_code = TC_CLOSE_TRY_LATER;
        adoption->reject_reason = "too many connections, try again later";
    }
    if (adoption->reject_code != 0) {
        tc_notes_set_reason(r, adoption->reject_reason, NULL); /* unless a better one is known */
    }
    if (wait_s > 0 && reason != TC_L_REASON_ADDRESS_RATE) {
        tc_adoption_drop(adoption, &child->peers);
        return refuse_over_rate(r, vhost, wait_s);
    }
    if (adoption->reject_code != 0 && vhost->reject == TC_REJECT_HTTP) {
        rc = reject_in_http(r, adoption);
        tc_adoption_drop(adoption, &child->peers);
        return refused(vhost, reason, rc);
    }
    if (vhost->deflates) {
        tc_handler_negotiate(r, false, handshake, &adoption->deflate);
    }
    rc = tc_handler_take_over(r, child, adoption, handshake);
    if (r->status != HTTP_SWITCHING_PROTOCOLS) {
        /* A certificate is still to come, or no descriptor or worker was left. */
        return refused(vhost, r->status == HTTP_FORBIDDEN ? TC_L_REASON_MALFORMED : TC_L_REASON_FULL, rc);
    }
    return ended(vhost, reason == TC_L_REASON_NONE ? TC_L_OUTCOME_ACCEPTED : TC_L_OUTCOME_CLOSED, reason, rc);
}

int tc_handler(request_rec *r)
{
    tc_vhost_t *vhost = tc_config_of(r->server)->vhost;
    tc_handshake_out_t handshake;
    tc_adoption_t *adoption;
    tc_child_t *child;
    int64_t epoch;
    int wait_s;

    if (!tc_handler_is(r, TC_HANDLER_WEBSOCKET)) {
        return DECLINED;
    }
    if (vhost == NULL) {
        TC_LOG_OFTEN(1, APLOG_ERR, 0, r, "TC0062: SetHandler tripchat-websocket in a virtual host without a chat; "
                     "write TripChatJWTSecretFile, TripChatJWTKey or TripChatJWTKeySet there");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    if (r->connection->master != NULL && !tc_http2_is_socket(r)) {
        return refused(vhost, TC_L_REASON_UNSUPPORTED,
                       answer(r, HTTP_NOT_IMPLEMENTED, "This is a WebSocket endpoint: connect over HTTP/1.1, or "
                                                       "over HTTP/2 with an Extended CONNECT (H2WebSockets)."));
    }
    tc_handler_check_handshake(r, &handshake);
    if (handshake.status != HTTP_SWITCHING_PROTOCOLS) {
        return refused(vhost, TC_L_REASON_MALFORMED, tc_handler_refuse_handshake(r, &handshake));
    }
    wait_s = tc_admission_handshake_wait_s(r, vhost);
    if (wait_s > 0 && (vhost->reject == TC_REJECT_HTTP || !tc_admission_may_tell(r, vhost))) {
        return refuse_over_rate(r, vhost, wait_s);
    }
    if (!tc_takeover_has_room(r, &vhost->site, NULL)) {
        return refused(vhost, TC_L_REASON_FULL, answer_no_room(r, HTTP_SERVICE_UNAVAILABLE));
    }
    child = tc_runtime_start();
    if (child == NULL) {
        return refused(vhost, TC_L_REASON_STOPPING,
                       answer_later(r, HTTP_SERVICE_UNAVAILABLE, TC_RETRY_AFTER_S,
                                    "The chat is starting or stopping."));
    }
    adoption = tc_alloc_zero(sizeof(*adoption));
    adoption->fd = -1;
    adoption->site = &vhost->site;
    tc_query_resume(r, &adoption->after, &epoch);
    adoption->epoch = (int32_t)epoch;
    return accept_handshake(r, vhost, child, &handshake, wait_s, adoption);
}
