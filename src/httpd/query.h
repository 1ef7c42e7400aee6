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

#endif
