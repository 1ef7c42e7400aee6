/*
 * What the files of the REST handler share among themselves: answers in JSON, and what each method does.
 * Nobody else includes it. Worker.
 */
#ifndef TC_HTTPD_REST_PARTS_H
#define TC_HTTPD_REST_PARTS_H

#include "child/child.h"
#include "httpd/authorize.h"

/* ---- answers, rest_reply.c: they return what the handler returns ---- */

/* The bytes of `body`, which it frees, as JSON. */
int tc_reply_json(request_rec *r, int status, tc_buf_t *body);

/* An error with its own status; `field` may be NULL. */
int tc_reply_error(request_rec *r, tc_chat_error_e error, const char *field);

/* 429: repeat after so many seconds. */
int tc_reply_rate_limited(request_rec *r, int retry_after_s);

/* Puts into every answer of httpd's what pages of other origins need to read it. */
void tc_reply_set_cors(request_rec *r);

/* The same for an answer that is not httpd's, as lines with CRLF; "" where there is no Origin. */
const char *tc_reply_cors_lines(request_rec *r);

/* ---- methods ---- */

/* GET and HEAD of a room and of its messages, rest_read.c. */
int tc_rest_room(tc_visit_t *visit);
int tc_rest_messages(tc_visit_t *visit);

/* POST and PATCH, rest_write.c. */
int tc_rest_post(tc_visit_t *visit);
int tc_rest_patch(tc_visit_t *visit, const tc_uuid_t *message_id);

#endif
