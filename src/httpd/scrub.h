/*
 * Keeps tokens out of everything that httpd logs and shows: the request line, the URI, server-status, the forensic log,
 * httpd's own traces of a request, and fields that an access log is told to write.
 * - A token in the query of a chat's request is taken out for good and kept aside.
 * - Fields with a token are masked while a module logs and in the handler, and whole while other modules work.
 * - Other requests to a server with a chat are masked until modules begin to work on them. A rewrite or an internal
 *   redirect may turn such a request into the chat's.
 * Worker.
 */
#ifndef TC_HTTPD_SCRUB_H
#define TC_HTTPD_SCRUB_H

#include <httpd.h>

/*
 * Lowers the LogLevel of mod_http2 to a level that leaves fields out, and says so on the error log. mod_http2 traces
 * fields before there is a request. In post_config, if there is a chat.
 */
void tc_scrub_quieten(apr_pool_t *pconf, server_rec *main_server);

/*
 * Hooks, in their order: before a request is read, after that (before mod_log_forensic), when modules begin to work on
 * it, when the handler is known, and before it is logged.
 */
void tc_scrub_pre_read(request_rec *r, conn_rec *c);
int tc_scrub_post_read(request_rec *r);
int tc_scrub_quick_handler(request_rec *r, int lookup);
int tc_scrub_fixups(request_rec *r);
int tc_scrub_log(request_rec *r);

/* A field of the request as the client sent it, for a handler, which finds it masked. NULL: there is none. */
const char *tc_scrub_field(request_rec *r, const char *name);

/* The token that was in the query, decoded, also after an internal redirect. NULL: there was none. */
const char *tc_scrub_token(request_rec *r);

#endif
