/*
 * Parameters of a request's query (application/x-www-form-urlencoded). Worker.
 */
#ifndef TC_HTTPD_QUERY_H
#define TC_HTTPD_QUERY_H

#include <httpd.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * The value of the parameter `name` of the query, decoded, on r->pool. NULL: there is no such parameter, or its value
 * cannot be decoded.
 */
const char *tc_query_parameter(request_rec *r, const char *name);

/* Reads a parameter that is a whole number of up to 15 digits; -1 if it is missing. False: it is something else. */
bool tc_query_number(request_rec *r, const char *name, int64_t *number);

/*
 * Reads where a WebSocket or a stream resumes: `after` and `epoch`; -1: a newcomer, and no epoch. A script in a browser
 * sees no refusal of these two, and EventSource gives up for good. So a value that is no number is logged (TC0099), and
 * *after is TC_AFTER_NOTHING.
 */
void tc_query_resume(request_rec *r, int64_t *after, int64_t *epoch);

/* Logs that a client cannot resume from the value `text` of `name`, and sets *after and *epoch for a fresh start. */
void tc_query_resume_from_nothing(request_rec *r, const char *name, const char *text, int64_t *after, int64_t *epoch);

#endif
