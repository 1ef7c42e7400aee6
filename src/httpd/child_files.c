/* Files that httpd's children open. See child_files.h. */
#include "httpd/child_files.h"

#include "httpd/complaints.h"
#include "httpd/conftree.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <errno.h>
#include <http_config.h>
#include <http_log.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>
#include <unixd.h>

APLOG_USE_MODULE(tripchat);

#define PASSFILE "passfile"

/* A file's mode as the bits of one class: 4 read, 2 write, 1 enter. */
static unsigned bits_for_children(const struct stat *about)
{
    uid_t user = geteuid() == 0 ? ap_unixd_config.user_id : geteuid();
    gid_t group = geteuid() == 0 ? ap_unixd_config.group_id : getegid();
    unsigned mode = (unsigned)about->st_mode;

    if (user == 0 || about->st_uid == user) {
        return user == 0 ? 7 : mode >> 6 & 7;
    }
    return about->st_gid == group ? mode >> 3 & 7 : mode & 7;
}

/* The value of passfile among libpq's parameters, without quotes; NULL: there is none. */
static const char *find_passfile(const char *params, apr_pool_t *pool)
{
    const char *at = params, *end;

    while ((at = strstr(at, PASSFILE)) != NULL) {
        bool begins = at == params || apr_isspace(at[-1]);

        at += sizeof(PASSFILE) - 1;
        at += strspn(at, " ");
        if (!begins || *at != '=') {
            continue;
        }
        at++;
        at += strspn(at, " ");
        end = *at == '\'' ? strchr(at + 1, '\'') : at + strcspn(at, " ");
        at += *at == '\'';
        return end ? apr_pstrmemdup(pool, at, (apr_size_t)(end - at)) : NULL;
    }
    return NULL;
}

static void warn(const server_rec *server, const char *place, const char *path, apr_status_t status, const char *what)
{
    tc_complain(server, place, APLOG_WARNING, status, "TC0090: DBDParams: %s: %s", path, what);
}

/* libpq ignores a password file that others may read, and says so on stderr alone. */
static void check_passfile(const server_rec *server, const char *place, const char *path)
{
    struct stat about;

    if (stat(path, &about) != 0) {
        warn(server, place, path, APR_FROM_OS_ERROR(errno), "the password file is not there, so PostgreSQL gets no password");
    }
    else if (!S_ISREG(about.st_mode) || (about.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        warn(server, place, path, APR_SUCCESS, "libpq ignores a password file that others may use; write chmod 600");
    }
    else if ((bits_for_children(&about) & 4) == 0) {
        warn(server, place, path, APR_SUCCESS, "httpd's children cannot read the password file; give it to the user that User "
                                               "names (Debian: chown www-data)");
    }
}

/* SQLite makes files beside the database, so it needs the folder. */
static void check_sqlite(const server_rec *server, const char *place, const char *path, apr_pool_t *pool)
{
    struct stat about, folder;
    bool is_there = stat(path, &about) == 0;

    if (*path != '/') {
        if (*path != '\0' && *path != ':' && strncmp(path, "file:", 5) != 0) {
            warn(server, place, path, APR_SUCCESS, "httpd's children have another current folder; write an absolute path");
        }
    }
    else if (stat(ap_make_dirstr_parent(pool, path), &folder) != 0) {
        warn(server, place, path, APR_FROM_OS_ERROR(errno), "the folder of the database is not there; make it, and give it to "
                                                            "the user that User names");
    }
    else if ((bits_for_children(&folder) & 3) != 3 || (is_there && (bits_for_children(&about) & 6) != 6)) {
        warn(server, place, path, APR_SUCCESS, "httpd's children cannot write the database or its folder; give both to the "
                                               "user that User names (Debian: chown www-data)");
    }
}

void tc_child_files_check(const server_rec *server, const char *driver, apr_pool_t *pool)
{
    const char *place = NULL, *params = tc_conftree_value(server, "DBDParams", &place, pool), *passfile;

    if (params == NULL) {
        return;
    }
    if (strcmp(driver, "sqlite3") == 0) {
        check_sqlite(server, place, params, pool);
        return;
    }
    passfile = find_passfile(params, pool);
    if (passfile != NULL) {
        check_passfile(server, place, passfile);
    }
}
