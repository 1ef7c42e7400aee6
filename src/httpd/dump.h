/*
 * `httpd -t -D DUMP_TRIPCHAT`: which sites there are, which virtual hosts belong to them, and what each of them uses. No
 * secret and no password is printed.
 */
#ifndef TC_HTTPD_DUMP_H
#define TC_HTTPD_DUMP_H

#include <httpd.h>

/* The hook test_config (http_config.h), which runs after all checks have passed. Prints to standard output. */
void tc_dump_sites(apr_pool_t *pconf, server_rec *main_server);

#endif
