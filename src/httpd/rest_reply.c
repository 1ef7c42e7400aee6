/* Answers in JSON. See rest_parts.h. */
#include "httpd/rest_parts.h"

#include "base/held.h"
#include "base/metrics.h"
#include "httpd/fields.h"
#include "httpd/notes.h"

#include <apr_strings.h>
#include <http_protocol.h>

int tc_reply_json(request_rec *r, int status, tc_buf_t *body)
{
    TC_ASSERT_NOTHING_HELD();
    r->status = status;
    ap_set_content_type(r, "application/json");
    ap_set_content_length(r, (apr_off_t)body->len);
    if (!r->header_only) {
        ap_rwrite(body->data, (int)body->len, r);
    }
    tc_buf_free(body);
    return OK;
}

/* The HTTP status of an error. Sets *field if the error is always about one field. */
static int status_of(tc_chat_error_e error, const char **field)
{
    switch (error) {
    case TC_CHAT_EMPTY_CONTENT:
    case TC_CHAT_CONTENT_TOO_LONG:
        *field = "content";
        return HTTP_BAD_REQUEST;
    case TC_CHAT_INVALID_MESSAGE_TYPE:
        *field = "message_type";
        return HTTP_BAD_REQUEST;
    case TC_CHAT_REPLY_NOT_FOUND:
        *field = "reply_to";
        return HTTP_BAD_REQUEST;
    case TC_CHAT_UNAUTHORIZED:
        return HTTP_UNAUTHORIZED;
    case TC_CHAT_FORBIDDEN:
    case TC_CHAT_NOT_SENDER:
    case TC_CHAT_ORIGIN_NOT_ALLOWED:
        return HTTP_FORBIDDEN;
    case TC_CHAT_NOT_FOUND:
    case TC_CHAT_MESSAGE_NOT_FOUND:
        return HTTP_NOT_FOUND;
    case TC_CHAT_METHOD_NOT_ALLOWED:
        return HTTP_METHOD_NOT_ALLOWED;
    case TC_CHAT_PRECONDITION_FAILED:
        return HTTP_PRECONDITION_FAILED;
    case TC_CHAT_TOO_LARGE:
        return HTTP_REQUEST_ENTITY_TOO_LARGE;
    case TC_CHAT_UNSUPPORTED_MEDIA_TYPE:
        return HTTP_UNSUPPORTED_MEDIA_TYPE;
    case TC_CHAT_RATE_LIMITED:
        return HTTP_TOO_MANY_REQUESTS;
    case TC_CHAT_UNAVAILABLE:
    case TC_CHAT_OVERLOADED:
        return HTTP_SERVICE_UNAVAILABLE;
    case TC_CHAT_INTERNAL:
        return HTTP_INTERNAL_SERVER_ERROR;
    default:
        return HTTP_BAD_REQUEST;
    }
}

static int reply_error(request_rec *r, tc_chat_error_e error, const char *field, int retry_after_s)
{
    tc_buf_t body = TC_BUF_INIT;
    int status = status_of(error, &field);

    tc_notes_set_reason(r, tc_chat_error_code(error), NULL);
    if (retry_after_s > 0) {
        apr_table_setn(r->headers_out, "Retry-After", apr_itoa(r->pool, retry_after_s));
    }
    if (status == HTTP_UNAUTHORIZED) {
        apr_table_setn(r->err_headers_out, "WWW-Authenticate", "Bearer");
    }
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    tc_metrics_add(tc_config_of(r->server)->vhost->site.metrics_slot, TC_M_ERRORS_SENT + (unsigned)error - 1, 1);
    if (tc_fields_want_page(r, status)) {
        return status;
    }
    tc_chat_encode_error(&body, error, NULL, field, retry_after_s);
    return tc_reply_json(r, status, &body);
}

int tc_reply_error(request_rec *r, tc_chat_error_e error, const char *field)
{
    return reply_error(r, error, field, tc_chat_retry_after_s(error));
}

int tc_reply_rate_limited(request_rec *r, int retry_after_s)
{
    return reply_error(r, TC_CHAT_RATE_LIMITED, NULL, retry_after_s);
}
