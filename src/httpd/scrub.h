/*
 * Keeps tokens out of everything that httpd writes about requests. What httpd writes is masked where it is written. No
 * request is changed before it is logged, whoever serves it: modules and handlers see what the client sent.
 * - error logs: error_log.h
 * - the forensic log: mod_log_forensic gets a masked copy of each request
 * - server-status: the request line on the scoreboard is written once more, masked
 * - access logs, audit logs and other logs: the request is masked before the first log_transaction hook
 * mask.h says what is masked. It is masked in requests to all virtual hosts of an httpd that has a chat: a host without a
 * chat may redirect to the chat, and a page's own requests name the chat in their Referer. An httpd without a chat is
 * left as it is. Worker, unless said otherwise.
 */
#ifndef TC_HTTPD_SCRUB_H
#define TC_HTTPD_SCRUB_H

#include <httpd.h>

/* Begins masking, until `pconf` ends. In post_config, if there is a chat. */
void tc_scrub_make(apr_pool_t *pconf, apr_pool_t *ptemp, server_rec *main_server);

/* Hooks: before all others of their kind. */
int tc_scrub_post_read(request_rec *r);
int tc_scrub_quick_handler(request_rec *r, int lookup);
int tc_scrub_log(request_rec *r);

#endif
