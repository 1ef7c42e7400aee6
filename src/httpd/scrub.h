/*
 * Keeps tokens out of everything that httpd logs and shows: the request line, the URI and server-status, the
 * forensic log, what httpd itself traces of a request, and fields that an access log is told to write. A token
 * in the query is taken out for good and kept aside; fields are masked while somebody logs and in the handler, and
 * whole while other modules work. What another's request brings to a server with a chat is masked until modules
 * begin to work on it, since it may be rewritten to one of the chat's. Worker.
 */
#ifndef TC_HTTPD_SCRUB_H
#define TC_HTTPD_SCRUB_H

#include <httpd.h>

/*
 * Has mod_http2, which traces fields before there is a request, trace no more than a level that spares them, and says so
 * on the error log. Start-up, where there is a chat.
 */
void tc_scrub_quieten(apr_pool_t *pconf, server_rec *main_server);

/*
 * Hooks: before a request is read, once it is (before mod_log_forensic), when modules begin to work on it, when the
 * handler is known, and before it is logged.
 */
void tc_scrub_pre_read(request_rec *r, conn_rec *c);
int tc_scrub_post_read(request_rec *r);
int tc_scrub_quick_handler(request_rec *r, int lookup);
int tc_scrub_fixups(request_rec *r);
int tc_scrub_log(request_rec *r);

/* A field as it came, where a handler finds it masked. */
const char *tc_scrub_field(request_rec *r, const char *name);

/* The token that was in the query, decoded, or NULL. */
const char *tc_scrub_token(request_rec *r);

#endif
