/*
 * Keeps tokens out of everything that httpd logs and shows: the request line, the URI, server-status, the forensic log,
 * httpd's own traces of a request, and fields in an access log.
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
 * Lowers the LogLevel of mod_http2, so that mod_http2 does not log fields, and says so on the error log. No hook can
 * mask these fields, because mod_http2 logs them before there is a request. In post_config, if there is a chat.
 */
void tc_scrub_quieten(apr_pool_t *pconf, server_rec *main_server);

/*
 * Hooks, in the order in which httpd calls them: before a request is read; after it was read, and before
 * mod_log_forensic; when modules begin to work on the request; when its handler is known; before it is logged.
 */
void tc_scrub_pre_read(request_rec *r, conn_rec *c);
int tc_scrub_post_read(request_rec *r);
int tc_scrub_quick_handler(request_rec *r, int lookup);
int tc_scrub_fixups(request_rec *r);
int tc_scrub_log(request_rec *r);

/* A field as the client sent it, for handlers: in the request itself the field is masked. NULL: there is none. */
const char *tc_scrub_field(request_rec *r, const char *name);

/* The token that was in the query, decoded, also after an internal redirect. NULL: there was none. */
const char *tc_scrub_token(request_rec *r);

#endif
