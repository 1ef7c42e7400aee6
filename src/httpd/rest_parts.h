/*
 * What the files of the REST handler share: answers in JSON, and the methods. No other file includes this one. Worker.
 */
#ifndef TC_HTTPD_REST_PARTS_H
#define TC_HTTPD_REST_PARTS_H

#include "child/child.h"
#include "httpd/authorize.h"

/* ---- answers, rest_reply.c: these functions return what the handler returns ---- */

/* Answers with the bytes of `body` as JSON, and frees them. */
int tc_reply_json(request_rec *r, int status, tc_buf_t *body);

/* Answers with an error and its status. `field` names the field that is wrong; NULL: none. */
int tc_reply_error(request_rec *r, tc_chat_error_e error, const char *field);

/* Answers with 429: the client may repeat the request after so many seconds. */
int tc_reply_rate_limited(request_rec *r, int retry_after_s);

/* ---- methods: they return what the handler returns, and leave the end of the visit to it ---- */

/* GET and HEAD of a room and of its messages, rest_read.c. */
int tc_rest_room(tc_visit_t *visit, const tc_place_t *place);
int tc_rest_messages(tc_visit_t *visit, const tc_place_t *place);

/* POST and PATCH, rest_write.c. */
int tc_rest_post(tc_visit_t *visit);
int tc_rest_patch(tc_visit_t *visit, const tc_uuid_t *message_id);

#endif
