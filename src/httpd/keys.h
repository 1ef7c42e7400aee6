/*
 * Reads the files with secrets and keys that a configuration names: at start-up, as root, and again with every reload. A
 * start with a bad file is refused. A reload with a bad file goes on with what the file held before, and complains. In
 * check_config.
 */
#ifndef TC_HTTPD_KEYS_H
#define TC_HTTPD_KEYS_H

#include "httpd/config.h"
#include "token/jwt.h"

/*
 * Reads the file with a password that `directive` names. *password is on `pool`, without the line ends at the file's end;
 * it stays as it is if a reload goes on without the file. OK, or HTTP_INTERNAL_SERVER_ERROR and a complaint.
 */
int tc_keys_read_password(const server_rec *server, tc_directive_e directive, const char **password, apr_pool_t *pool);

/*
 * Reads all keys for a site's tokens, and the other rules for them, onto `pool`. OK, or as above. After a reload there may
 * be fewer keys than files, or none: then no token is good.
 */
int tc_keys_read(const server_rec *server, tc_jwt_rules_t *rules, apr_pool_t *pool);

#endif
