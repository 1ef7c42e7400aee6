/* Opens connection logs. See connection_log.h. */
#include "httpd/connection_log.h"

#include <apr_file_io.h>
#include <apr_portable.h>
#include <apr_strings.h>
#include <http_log.h>

APLOG_USE_MODULE(tripchat);

/* Those of mod_log_config's logs. */
#define PERMISSIONS (APR_UREAD | APR_UWRITE | APR_GREAD | APR_WREAD)

static int failed(server_rec *server, apr_status_t rv, const char *what)
{
    ap_log_error(APLOG_MARK, APLOG_EMERG, rv, server, "TC0055: %s: cannot open %s; write a file that root may write, "
                 "or | and the command of a program", tc_config_name(TC_D_CONNECTION_LOG), what);
    return HTTP_INTERNAL_SERVER_ERROR;
}

int tc_connection_log_open(server_rec *server, const char *target, int *fd, apr_pool_t *pconf)
{
    apr_os_file_t os_file;
    apr_file_t *file = NULL;
    apr_status_t rv = APR_EBADPATH;

    if (target[0] == '|') {
        piped_log *pipe = ap_open_piped_log(pconf, target + 1);

        file = pipe ? ap_piped_log_write_fd(pipe) : NULL;
        rv = APR_EGENERAL;
    }
    else {
        const char *path = ap_server_root_relative(pconf, target);

        if (path != NULL) {
            rv = apr_file_open(&file, path, APR_FOPEN_WRITE | APR_FOPEN_APPEND | APR_FOPEN_CREATE
                                                | APR_FOPEN_LARGEFILE, PERMISSIONS, pconf);
        }
        if (rv == APR_SUCCESS) {
            rv = apr_file_inherit_unset(file); /* children inherit it by fork(); CGI programs must not */
        }
    }
    if (file == NULL || apr_os_file_get(&os_file, file) != APR_SUCCESS) {
        return failed(server, rv, target);
    }
    *fd = os_file;
    return OK;
}
