/* POST and PATCH. See rest_parts.h. */
#include "httpd/rest_parts.h"

#include "base/held.h"
#include "base/units.h"
#include "httpd/admission.h"
#include "httpd/runtime.h"
#include "peer/post.h"

#include <apr_strings.h>
#include <http_protocol.h>

#define READ_BYTES 8192
#define LAST_PART "/messages" /* of the path that takes new messages */
#define PATIENCE_US (10 * TC_US_PER_S) /* longer than the hub waits for a store that does not answer */

static bool is_json(request_rec *r)
{
    const char *type = apr_table_get(r->headers_in, "Content-Type");
    apr_size_t len = type ? strcspn(type, "; \t") : 0;

    return len == sizeof("application/json") - 1
           && strncasecmp(type, "application/json", len) == 0;
}

/* Reads a body of at most `max_bytes`. A body that breaks off is an error like invalid JSON. */
static tc_chat_error_e read_body(request_rec *r, apr_size_t max_bytes, tc_buf_t *body)
{
    int rc = ap_setup_client_block(r, REQUEST_CHUNKED_DECHUNK);
    long got;

    TC_ASSERT_NOTHING_HELD();
    if (rc != OK) {
        return rc == HTTP_REQUEST_ENTITY_TOO_LARGE ? TC_CHAT_TOO_LARGE : TC_CHAT_INVALID_JSON;
    }
    if (!ap_should_client_block(r)) {
        return TC_CHAT_OK;
    }
    if (r->remaining > (apr_off_t)max_bytes) {
        return TC_CHAT_TOO_LARGE;
    }
    do {
        got = ap_get_client_block(r, (char *)tc_buf_reserve(body, READ_BYTES), READ_BYTES);
        if (got > 0) {
            body->len += (size_t)got;
        }
    } while (got > 0 && body->len <= max_bytes);
    if (got < 0) {
        return TC_CHAT_INVALID_JSON;
    }
    return body->len > max_bytes ? TC_CHAT_TOO_LARGE : TC_CHAT_OK;
}

typedef tc_chat_error_e decode_fn(const char *text, size_t len, const tc_chat_rules_t *rules,
                                  tc_chat_in_t *out);

/* Reads the body, and looks at the token again: it may expire before a slow body has come. */
static tc_chat_error_e read_in_time(const tc_visit_t *visit, tc_buf_t *body)
{
    tc_chat_error_e error = read_body(visit->r, visit->vhost->site.max_message_bytes, body);
    tc_chat_error_e now = tc_visit_still(visit);

    if (error != TC_CHAT_OK) {
        visit->r->connection->keepalive = AP_CONN_CLOSE; /* the rest of the body stays unread */
    }
    return now != TC_CHAT_OK ? now : error;
}

/* Reads and validates the body of a user who is within their rate. OK: *in is filled in. DONE: an error was answered. */
static int read_json(tc_visit_t *visit, tc_action_e action, decode_fn *decode, tc_chat_in_t *in)
{
    const tc_site_t *site = &visit->vhost->site;
    int wait_s = tc_admission_refused_s(visit->vhost, action, visit->identity.user_id);
    tc_buf_t body = TC_BUF_INIT;
    tc_chat_error_e error;

    memset(in, 0, sizeof(*in));
    if (wait_s > 0) {
        (void)tc_reply_rate_limited(visit->r, wait_s);
        return DONE;
    }
    if (!is_json(visit->r)) {
        (void)tc_reply_error(visit->r, TC_CHAT_UNSUPPORTED_MEDIA_TYPE, NULL);
        return DONE;
    }
    error = read_in_time(visit, &body);
    if (error == TC_CHAT_OK) {
        error = decode((const char *)body.data, body.len, &site->rules, in);
    }
    tc_buf_free(&body);
    if (error != TC_CHAT_OK) {
        (void)tc_reply_error(visit->r, error, in->bad_field);
        return DONE;
    }
    return OK;
}

/* If httpd has redirected the request to another path, the first one is what the client asked for. */
static const char *asked_path(const request_rec *r)
{
    while (r->prev != NULL) {
        r = r->prev;
    }
    return apr_pstrmemdup(r->pool, r->unparsed_uri, strcspn(r->unparsed_uri, "?#"));
}

/*
 * Relative to what the client asked for (RFC 9110, 10.2.2), which a proxy may have changed. If a rewrite of httpd gave the
 * path another last part, only the whole path is right.
 */
static const char *make_location(request_rec *r, const char *id)
{
    const char *path = asked_path(r), *whole;
    size_t len = strlen(path);
    bool has_slash = len > 0 && path[len - 1] == '/';

    len -= has_slash;
    if (len >= sizeof(LAST_PART) - 1 && strncmp(path + len - (sizeof(LAST_PART) - 1), LAST_PART, sizeof(LAST_PART) - 1) == 0) {
        return apr_pstrcat(r->pool, has_slash ? "" : "messages/", id, "/", NULL);
    }
    whole = ap_os_escape_path(r->pool, r->uri, 1);
    return apr_pstrcat(r->pool, whole, whole[strlen(whole) - 1] == '/' ? "" : "/", id, "/", NULL);
}

static int answer_stored(tc_visit_t *visit, const tc_post_result_t *result, int status)
{
    request_rec *r = visit->r;
    char id[TC_UUID_CHARS + 1];
    tc_buf_t body = TC_BUF_INIT;

    tc_buf_append(&body, result->object, result->object_len);
    if (status == HTTP_CREATED) {
        tc_uuid_format(&result->message_id, id);
        apr_table_setn(r->headers_out, "Location", make_location(r, id));
    }
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    return tc_reply_json(r, status, &body);
}

/* Has the loop store a message. */
static int write_message(tc_visit_t *visit, tc_chat_in_t *in)
{
    tc_child_t *child = tc_runtime_start();
    tc_post_result_t result;
    tc_post_t *post;
    bool is_new = in->kind == TC_CHAT_IN_MESSAGE;
    tc_action_e action = is_new ? TC_ACTION_MESSAGE : TC_ACTION_EDIT;
    int rc;

    if (child == NULL) {
        return tc_reply_error(visit->r, TC_CHAT_UNAVAILABLE, NULL);
    }
    post = tc_post_create(&child->peers, &visit->vhost->store.store, visit->vhost->bus, visit->user,
                          &visit->trip, &visit->room_id, in);
    if (!tc_post_wait(post, PATIENCE_US, &result)) {
        rc = tc_reply_error(visit->r, TC_CHAT_UNAVAILABLE, NULL);
    }
    else if (result.error == TC_CHAT_RATE_LIMITED) {
        tc_admission_note_refusal(visit->vhost, action, visit->identity.user_id, result.retry_after_s);
        rc = tc_reply_rate_limited(visit->r, result.retry_after_s);
    }
    else if (result.error != TC_CHAT_OK) {
        rc = tc_reply_error(visit->r, result.error, NULL);
    }
    else {
        rc = answer_stored(visit, &result, is_new && !result.repeated ? HTTP_CREATED : HTTP_OK);
    }
    tc_post_unref(post);
    return rc;
}

int tc_rest_post(tc_visit_t *visit)
{
    tc_chat_in_t in;
    tc_chat_error_e error;
    int rc = read_json(visit, TC_ACTION_MESSAGE, tc_chat_decode_post, &in);

    if (rc == OK) {
        error = tc_visit_place(visit, &in.chat_room);
        rc = error == TC_CHAT_OK ? write_message(visit, &in) : tc_reply_error(visit->r, error, NULL);
    }
    tc_chat_in_free(&in);
    return rc;
}

/* A message of a room that the user may not enter is answered like a message that does not exist. */
int tc_rest_patch(tc_visit_t *visit, const tc_uuid_t *message_id)
{
    tc_chat_in_t in;
    tc_chat_error_e error;
    int rc = read_json(visit, TC_ACTION_EDIT, tc_chat_decode_patch, &in);

    if (rc == OK) {
        in.message_id = *message_id;
        error = tc_visit_message(visit, message_id);
        if (error == TC_CHAT_FORBIDDEN) {
            error = TC_CHAT_MESSAGE_NOT_FOUND;
        }
        rc = error == TC_CHAT_OK ? write_message(visit, &in) : tc_reply_error(visit->r, error, NULL);
    }
    tc_chat_in_free(&in);
    return rc;
}
