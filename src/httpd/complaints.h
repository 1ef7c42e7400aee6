/*
 * What the checks of the configuration have to say: errors that keep httpd from starting, and warnings. Each complaint
 * names the virtual host, the file and the line. The console shows a complaint during `httpd -t` and at the start, and
 * the main server's error log has it once, after a start and after a reload. The ErrorLog of a virtual host is not used,
 * because nobody looks there when httpd does not start. In pre_config, check_config and post_config.
 */
#ifndef TC_HTTPD_COMPLAINTS_H
#define TC_HTTPD_COMPLAINTS_H

#include <httpd.h>
#include <util_cfgtree.h>

/* Forgets all complaints. `pconf` keeps those that follow. In pre_config. */
void tc_complaints_begin(apr_pool_t *pconf);

/*
 * Complains of a server's configuration. `place` is where the cause stands ("line 12 of /etc/…"); NULL: where the server
 * is defined. `level` is httpd's (APLOG_EMERG: the configuration is refused), `status` an error to explain, or 0. The text
 * begins with a tag and a directive.
 */
void tc_complain(const server_rec *server, const char *place, int level, apr_status_t status, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* Where a line stands, as above, on `pool`. */
const char *tc_complaints_place(const ap_directive_t *line, apr_pool_t *pool);

/*
 * Ends the checks. OK, or HTTP_INTERNAL_SERVER_ERROR if a complaint refuses the configuration. Then the main server's
 * error log has all complaints, if that log is a file. At the end of check_config.
 */
int tc_complaints_end(const server_rec *main_server, apr_pool_t *plog);

/* Writes the complaints to the main server's error log, which is open now. In post_config. */
void tc_complaints_log(const server_rec *main_server);

/* A server as administrators know it: "www.example.org:443". If ServerName has no port, the port of the address. */
const char *tc_complaints_server_name(const server_rec *server, apr_pool_t *pool);

#endif
