/* Opens connection logs. See connection_log.h. */
#include "httpd/connection_log.h"

#include "httpd/complaints.h"
#include "httpd/keyring.h"

#include <apr_file_io.h>
#include <apr_portable.h>
#include <apr_strings.h>
#include <fcntl.h>
#include <http_log.h>
#include <sys/stat.h>
#include <unistd.h>

APLOG_USE_MODULE(tripchat);

/* Those of mod_log_config's logs. */
#define PERMISSIONS (S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH)

static void complain(const server_rec *server, int level, apr_status_t rv, const char *target)
{
    tc_complain(server, tc_config_place(tc_config_of(server), TC_D_CONNECTION_LOG), level, rv,
                "TC0055: %s: cannot open %s; write a file that root may write, or | and the command of a program",
                tc_config_name(TC_D_CONNECTION_LOG), target);
}

/*
 * Whether the program exists, if it has an absolute path. As httpd does, takes "|command" for the same as "command", and
 * "$command" for a command of the shell, whose first word need not be a path as it stands.
 */
static apr_status_t check_program(const char *command, apr_pool_t *pool)
{
    char **words;

    command += *command == '|';
    if (*command == '$') {
        command++;
        if (command[strcspn(command, "$`;&|<>*?[{(~")] != '\0') {
            return APR_SUCCESS;
        }
    }
    if (apr_tokenize_to_argv(command, &words, pool) != APR_SUCCESS || words[0] == NULL) {
        return APR_EINVAL;
    }
    return words[0][0] == '/' && access(words[0], X_OK) != 0 ? APR_FROM_OS_ERROR(errno) : APR_SUCCESS;
}

/* Whether a file can be opened, or made. */
static apr_status_t check_file(const char *target, apr_pool_t *pool)
{
    const char *path = ap_server_root_relative(pool, target);
    struct stat about;

    if (path == NULL) {
        return APR_EBADPATH;
    }
    if (stat(path, &about) != 0) {
        if (errno != ENOENT) {
            return APR_FROM_OS_ERROR(errno);
        }
        path = ap_make_dirstr_parent(pool, path);
    }
    else if (S_ISDIR(about.st_mode)) {
        return APR_FROM_OS_ERROR(EISDIR);
    }
    return access(path, W_OK) != 0 ? APR_FROM_OS_ERROR(errno) : APR_SUCCESS;
}

int tc_connection_log_check(const server_rec *server, const char *target, apr_pool_t *pool)
{
    apr_status_t rv;

    if (target == NULL || strcasecmp(target, "off") == 0) {
        return OK;
    }
    rv = target[0] == '|' ? check_program(target + 1, pool) : check_file(target, pool);
    if (rv == APR_SUCCESS || tc_keyring_is_reload()) {
        return OK; /* a reload complains when it opens the log */
    }
    complain(server, APLOG_EMERG, rv, target);
    return HTTP_INTERNAL_SERVER_ERROR;
}

static apr_status_t close_fd(void *fd)
{
    (void)close((int)(intptr_t)fd);
    return APR_SUCCESS;
}

/* A FIFO that nobody reads does not make the start-up wait: it cannot be opened. Children inherit the file by fork(). */
static apr_status_t open_file(const char *target, int *fd, apr_pool_t *pconf)
{
    const char *path = ap_server_root_relative(pconf, target);
    int opened, flags;

    if (path == NULL) {
        return APR_EBADPATH;
    }
    opened = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, PERMISSIONS);
    if (opened < 0) {
        return APR_FROM_OS_ERROR(errno);
    }
    flags = fcntl(opened, F_GETFL);
    (void)fcntl(opened, F_SETFL, flags & ~O_NONBLOCK);
    apr_pool_cleanup_register(pconf, (void *)(intptr_t)opened, close_fd, apr_pool_cleanup_null); /* NOLINT(performance-no-int-to-ptr) */
    *fd = opened;
    return APR_SUCCESS;
}

static apr_status_t open_program(const char *command, int *fd, apr_pool_t *pconf)
{
    piped_log *pipe = ap_open_piped_log(pconf, command);
    apr_file_t *file = pipe ? ap_piped_log_write_fd(pipe) : NULL;
    apr_os_file_t os_file;

    if (file == NULL || apr_os_file_get(&os_file, file) != APR_SUCCESS) {
        return APR_EGENERAL;
    }
    *fd = os_file;
    return APR_SUCCESS;
}

void tc_connection_log_open(const server_rec *server, const char *target, int *fd, apr_pool_t *pconf)
{
    apr_status_t rv = target[0] == '|' ? open_program(target + 1, fd, pconf) : open_file(target, fd, pconf);

    if (rv != APR_SUCCESS) {
        complain(server, APLOG_ERR, rv, target);
    }
}
