/*
 * The files with secrets and keys that a configuration names. Read at start-up, as root, and again with
 * every reload.
 */
#ifndef TC_HTTPD_KEYS_H
#define TC_HTTPD_KEYS_H

#include "httpd/config.h"
#include "token/jwt.h"

/*
 * The bytes of the file that `directive` names, without the line ends at its end and with a NUL behind them, on
 * `pool`. OK, or HTTP_INTERNAL_SERVER_ERROR and what is wrong on the error log.
 */
int tc_keys_read_secret(server_rec *server, tc_directive_e directive, const char **secret,
                        apr_size_t *len, apr_pool_t *pool);

/* All keys of a site's tokens, and what else its tokens are measured by. OK or as above. */
int tc_keys_read(server_rec *server, tc_jwt_rules_t *rules, apr_pool_t *pool);

#endif
