/*
 * The header fields of answers over HTTP, and how they meet what the site sets with mod_headers. Worker.
 *
 * The last filter before httpd makes the head of an answer sees the fields of all modules. There this file sees to it that
 * each of its own fields stands once. For an answer that the loop sends, httpd composes the head beforehand.
 */
#ifndef TC_HTTPD_FIELDS_H
#define TC_HTTPD_FIELDS_H

#include <httpd.h>
#include <stdbool.h>

/* Registers the filters. When hooks are registered. */
void tc_fields_register(void);

/*
 * Adds what every answer has: `X-Content-Type-Options: nosniff`. Once for each request, before its answer. `origin`: the
 * page that may read the answer, which then has the fields of CORS (Fetch standard, 3.2); NULL: there is none.
 */
void tc_fields_begin(request_rec *r, const char *origin);

/* Sets the fields of the answer to a preflight (Fetch standard, 3.2.2), after tc_fields_begin() with an origin. */
void tc_fields_set_preflight(request_rec *r, const char *methods);

/*
 * True if a person in a browser asks, and the site has an ErrorDocument for this status. Then the handler returns the status,
 * and the fields that are set so far stay.
 */
bool tc_fields_want_page(request_rec *r, int status);

/*
 * The head of an answer that httpd does not send: status line, `Date`, `Server`, the fields of `r` and what mod_headers
 * makes of them, and the empty line. `r` itself is not changed. `type` is the Content-Type. On r->pool.
 *
 * If `r` is a stream of HTTP/2, whose head httpd makes in any case, the head has only what this module sets.
 */
const char *tc_fields_head(request_rec *r, int status, const char *type);

/* The lines of such a head that an answer at another time needs: without status line, Date and empty line. On r->pool. */
const char *tc_fields_of_head(request_rec *r, const char *head);

#endif
