/*
 * Reads the files with secrets and keys that a configuration names: at start-up, as root, and again with every reload.
 * In post_config.
 */
#ifndef TC_HTTPD_KEYS_H
#define TC_HTTPD_KEYS_H

#include "httpd/config.h"
#include "token/jwt.h"

/*
 * Reads the file that `directive` names. *secret has its bytes without the line ends at their end, and a NUL behind
 * them, on `pool`. OK, or HTTP_INTERNAL_SERVER_ERROR and the cause on the error log.
 */
int tc_keys_read_secret(server_rec *server, tc_directive_e directive, const char **secret,
                        apr_size_t *len, apr_pool_t *pool);

/* Reads all keys for a site's tokens, and the other rules for them, onto `pool`. OK, or as above. */
int tc_keys_read(server_rec *server, tc_jwt_rules_t *rules, apr_pool_t *pool);

#endif
