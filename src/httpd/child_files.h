/*
 * Files that httpd's children open themselves, as the user they run as and not as root: the password file of libpq and
 * the file of SQLite. httpd starts without them, and the first client finds out. So `httpd -t` warns.
 */
#ifndef TC_HTTPD_CHILD_FILES_H
#define TC_HTTPD_CHILD_FILES_H

#include <httpd.h>

/*
 * Warns if a file that DBDParams names cannot be used by httpd's children. Says nothing where only an attempt would tell,
 * as with supplementary groups. In check_config.
 */
void tc_child_files_check(const server_rec *server, const char *driver, apr_pool_t *pool);

#endif
