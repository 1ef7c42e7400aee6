/* `AuthType TripChat`. See auth.h. */
#include "httpd/auth.h"

#include "base/limits.h"
#include "httpd/admission.h"
#include "httpd/authorize.h"
#include "httpd/credentials.h"
#include "httpd/handler.h"
#include "httpd/handlers.h"
#include "httpd/mapping.h"
#include "httpd/notes.h"
#include "httpd/often.h"

#include <ap_expr.h>
#include <apr_strings.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>
#include <mod_auth.h>

APLOG_USE_MODULE(tripchat);

static bool is_ours(request_rec *r)
{
    const char *type = ap_auth_type(r);

    return type != NULL && strcasecmp(type, TC_AUTH_TYPE) == 0;
}

/* A request that mod_proxy will pass on is the other server's, whatever the section's SetHandler says. */
static bool is_mapped_to(request_rec *r, const char *name)
{
    const char *handler = r->proxyreq == PROXYREQ_NONE ? tc_mapping_handler(r) : NULL;

    return handler != NULL && strcmp(handler, name) == 0;
}

static bool is_handshake(request_rec *r)
{
    return is_mapped_to(r, TC_HANDLER_WEBSOCKET);
}

/* True if the chat itself answers at this path. It asks for the user and the trip anyway. */
static bool is_chat(request_rec *r)
{
    return is_handshake(r) || is_mapped_to(r, TC_HANDLER_REST);
}

/* The request that httpd made this one from, by a redirect of its own or as a subrequest. NULL: the client sent it. */
static request_rec *before(const request_rec *r)
{
    return r->prev ? r->prev : r->main;
}

/* The token of this very request, as the chat would take it: a handshake may have it in a subprotocol. */
static const char *find_own_token(request_rec *r, apr_size_t *len)
{
    tc_handshake_out_t handshake = {0};

    if (is_handshake(r)) {
        tc_handler_check_handshake(r, &handshake);
    }
    return tc_handler_token(r, &handshake, len);
}

#define KEY_TOKEN "mod_tripchat token" /* of the pool's user data, which no log shows */

/* The same, and the first one is remembered: mod_rewrite may take the query away. A redirect inside httpd has the same pool. */
static const char *keep_token(request_rec *r, apr_size_t *len)
{
    const char *token = find_own_token(r, len);
    void *kept = NULL;

    (void)apr_pool_userdata_get(&kept, KEY_TOKEN, r->pool);
    if (token != NULL && kept == NULL) {
        (void)apr_pool_userdata_setn(apr_pstrmemdup(r->pool, token, *len), KEY_TOKEN, NULL, r->pool);
    }
    if (token == NULL && kept != NULL) {
        token = kept;
        *len = strlen(token);
    }
    return token;
}

/* The same. A request that httpd made has the client's token, even if httpd did not copy the query. NULL: there is none. */
static const char *find_token(request_rec *r, apr_size_t *len)
{
    const char *token = NULL;

    for (; r != NULL && token == NULL; r = before(r)) {
        token = keep_token(r, len);
    }
    return token;
}

/* True if httpd has let in this request's token already, at a request that this one was made from. Then r has its user. */
static bool is_user_of(request_rec *r, request_rec *earlier)
{
    apr_size_t len, earlier_len;
    const char *token, *earlier_token;

    if (earlier->user == NULL || earlier->ap_auth_type == NULL || strcmp(earlier->ap_auth_type, TC_AUTH_TYPE) != 0) {
        return false;
    }
    token = find_token(r, &len);
    earlier_token = find_token(earlier, &earlier_len);
    return token != NULL && earlier_token != NULL && len == earlier_len && memcmp(token, earlier_token, len) == 0;
}

/* Verifies the token of a request. The caller ends the visit in every case. */
static tc_chat_error_e begin(tc_visit_t *visit, request_rec *r, tc_vhost_t *vhost)
{
    apr_size_t len = 0;
    const char *token = find_token(r, &len);

    return tc_visit_begin(visit, r, vhost, token, len);
}

/* ---- who it is ---- */

static int answer_later(request_rec *r, int status, int retry_after_s)
{
    apr_table_setn(r->err_headers_out, "Retry-After", apr_itoa(r->pool, retry_after_s));
    return status;
}

static int status_of(request_rec *r, tc_chat_error_e error, int retry_after_s)
{
    switch (error) {
    case TC_CHAT_OK:
        return OK;
    case TC_CHAT_UNAUTHORIZED:
        ap_note_auth_failure(r);
        return HTTP_UNAUTHORIZED;
    case TC_CHAT_INTERNAL:
        return HTTP_INTERNAL_SERVER_ERROR;
    case TC_CHAT_RATE_LIMITED:
        return answer_later(r, HTTP_TOO_MANY_REQUESTS, retry_after_s);
    default:
        return answer_later(r, HTTP_SERVICE_UNAVAILABLE, TC_RETRY_AFTER_S);
    }
}

/*
 * httpd makes many requests for one page (an index of a folder, includes). The token and the user are the same for all of
 * them. The chat's own paths have not asked the database for the user.
 */
static bool is_known(request_rec *r)
{
    request_rec *earlier = before(r);

    if (earlier == NULL || !is_ours(earlier) || is_chat(earlier) || !is_user_of(r, earlier)) {
        return false;
    }
    r->user = earlier->user;
    r->ap_auth_type = earlier->ap_auth_type;
    return true;
}

/*
 * A proxy may take any answer to a handshake for an upgrade, so the connection ends with it (handler.c). Authorization may
 * refuse, too, and asks nobody here then. A connection that is taken over has ended for httpd.
 */
static void end_connection(request_rec *r)
{
    if (is_handshake(r) && r->connection->master == NULL) {
        r->connection->keepalive = AP_CONN_CLOSE;
    }
}

static int check_user(request_rec *r)
{
    tc_vhost_t *vhost = tc_config_of(r->server)->vhost;
    tc_chat_error_e error;
    tc_visit_t visit;
    int wait_s;

    if (!is_ours(r)) {
        return DECLINED;
    }
    if (vhost == NULL) {
        TC_LOG_OFTEN(1, APLOG_ERR, 0, r, "TC0094: AuthType TripChat in a virtual host without a chat; write "
                     "TripChatJWTSecretFile, TripChatJWTKey, TripChatJWTKeySet or TripChatIssuer there");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    end_connection(r);
    if (is_known(r)) {
        return OK;
    }
    wait_s = is_handshake(r) ? tc_admission_handshake_wait_s(r, vhost) : tc_admission_request_wait_s(r, vhost);
    if (wait_s > 0) {
        return status_of(r, TC_CHAT_RATE_LIMITED, wait_s);
    }
    error = begin(&visit, r, vhost);
    if (error == TC_CHAT_OK && !is_chat(r)) {
        error = tc_visit_user(&visit);
    }
    tc_visit_end(&visit);
    if (error != TC_CHAT_OK) {
        r->user = NULL;
    }
    return status_of(r, error, visit.retry_after_s);
}

/*
 * RFC 6750, 3: whoever sent a bad token learns that it is the token. With a good one, which has made an r->user, Require
 * refuses them.
 */
static int note_failure(request_rec *r, const char *type)
{
    apr_size_t len;

    if (strcasecmp(type, TC_AUTH_TYPE) != 0) {
        return DECLINED;
    }
    apr_table_setn(r->err_headers_out, r->proxyreq == PROXYREQ_PROXY ? "Proxy-Authenticate" : "WWW-Authenticate",
                   r->user == NULL && find_token(r, &len) ? "Bearer error=\"invalid_token\"" : "Bearer");
    return OK;
}

/* A preflight has no token (Fetch standard, 3.2.2), and the chat answers it without looking at anything. */
static int check_preflight(request_rec *r)
{
    return r->method_number == M_OPTIONS && is_ours(r) && is_mapped_to(r, TC_HANDLER_REST)
                   && apr_table_get(r->headers_in, "Access-Control-Request-Method") != NULL
               ? OK
               : DECLINED;
}

/* A copy of what the sections gave the request, with the same values for each module. */
static ap_conf_vector_t *copy_config(request_rec *r)
{
    ap_conf_vector_t *copy = ap_create_request_config(r->pool); /* any vector has a place for each module */
    module *m;

    for (m = ap_top_module; m != NULL; m = m->next) {
        ap_set_module_config(copy, m, ap_get_module_config(r->per_dir_config, m));
    }
    return copy;
}

/* An ErrorDocument tells the client of a refusal. So it may stand among what is refused, as with each AuthType. */
static bool is_error_document(const request_rec *r)
{
    const request_rec *prev = r->prev;

    return prev != NULL && ap_is_HTTP_ERROR(prev->status) && !(prev->prev && ap_is_HTTP_ERROR(prev->prev->status));
}

/*
 * If the sections give a subrequest, or a redirect inside httpd, what they gave the request before, httpd lets it in without
 * asking: it compares the two pointers. But Require tripchat-member may mean another trip at another path. A pointer of its
 * own makes httpd ask.
 */
static int ask_again(request_rec *r)
{
    bool is_same = (r->prev != NULL && r->prev->per_dir_config == r->per_dir_config)
                   || (r->main != NULL && r->main->per_dir_config == r->per_dir_config);

    if (is_same && is_ours(r) && !is_error_document(r)) {
        r->per_dir_config = copy_config(r);
    }
    return DECLINED;
}

/* ---- Require tripchat-member ---- */

#define NOTE_MEMBER "tripchat-member" /* the trip that the request's user may enter */

static const char *parse_member(cmd_parms *cmd, const char *line, const void **parsed)
{
    const char *wrong = NULL;
    ap_expr_info_t *expression = *line ? ap_expr_parse_cmd(cmd, line, AP_EXPR_FLAG_STRING_RESULT, &wrong, NULL) : NULL;

    if (*line == '\0') {
        return "Require tripchat-member: write the trip's id, for example %{env:MATCH_TRIP}";
    }
    *parsed = expression;
    return wrong ? apr_pstrcat(cmd->temp_pool, "Require tripchat-member: ", wrong, NULL) : NULL;
}

static authz_status to_status(tc_chat_error_e error)
{
    switch (error) {
    case TC_CHAT_OK:
        return AUTHZ_GRANTED;
    case TC_CHAT_UNAUTHORIZED:
    case TC_CHAT_FORBIDDEN:
        return AUTHZ_DENIED;
    default:
        return AUTHZ_GENERAL_ERROR;
    }
}

static bool is_known_member(request_rec *r, const char *id)
{
    request_rec *earlier;

    for (earlier = before(r); earlier != NULL; earlier = before(earlier)) {
        const char *known = apr_table_get(earlier->notes, NOTE_MEMBER);

        if (known != NULL && strcmp(known, id) == 0 && is_user_of(r, earlier)) {
            return true;
        }
    }
    return false;
}

static authz_status ask_for_member(request_rec *r, tc_vhost_t *vhost, const char *id)
{
    tc_chat_error_e error;
    tc_visit_t visit;
    tc_trip_t trip;

    error = begin(&visit, r, vhost);
    if (error == TC_CHAT_OK) {
        error = tc_trip_parse(id, strlen(id), vhost->site.rules.trip_form, &trip) ? tc_visit_member(&visit, &trip)
                                                                                  : tc_visit_wrong_form(&visit, false);
    }
    tc_visit_end(&visit);
    if (error == TC_CHAT_OK) {
        apr_table_set(r->notes, NOTE_MEMBER, id);
    }
    return to_status(error);
}

static authz_status check_member(request_rec *r, const char *line, const void *parsed)
{
    tc_vhost_t *vhost = tc_config_of(r->server)->vhost;
    const char *wrong = NULL, *id;

    (void)line;
    if (!is_ours(r) || vhost == NULL) {
        TC_LOG_OFTEN(1, APLOG_ERR, 0, r, "TC0095: Require tripchat-member refuses everybody here; write AuthType TripChat, in "
                     "a virtual host with a chat");
        return AUTHZ_DENIED;
    }
    if (r->user == NULL) {
        return AUTHZ_DENIED_NO_USER;
    }
    id = ap_expr_str_exec(r, parsed, &wrong);
    if (wrong != NULL) {
        TC_LOG_OFTEN(1, APLOG_ERR, 0, r, "TC0095: Require tripchat-member: %s", wrong);
        return AUTHZ_GENERAL_ERROR;
    }
    return is_known_member(r, id) ? AUTHZ_GRANTED : ask_for_member(r, vhost, id);
}

static const authz_provider member_provider = {check_member, parse_member};

void tc_auth_register(apr_pool_t *pool)
{
    ap_hook_check_authn(check_user, NULL, NULL, APR_HOOK_MIDDLE, AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_post_perdir_config(ask_again, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_check_access_ex(check_preflight, NULL, NULL, APR_HOOK_FIRST, AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_note_auth_failure(note_failure, NULL, NULL, APR_HOOK_MIDDLE);
    ap_register_auth_provider(pool, AUTHZ_PROVIDER_GROUP, TC_REQUIRE_MEMBER, AUTHZ_PROVIDER_VERSION, &member_provider,
                              AP_AUTH_INTERNAL_PER_CONF);
}
