/* The version of the chat's tables. See schema.h. */
#include "store/schema.h"

#include "base/hash.h"
#include "base/log.h"

#include <apr_strings.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Fills in the number or text that a statement returns. `out` is NULL without a row. False: it failed, and was logged. */
static bool ask(tc_sql_t *sql, const char *statement, const char *arg, const char **out, apr_pool_t *pool)
{
    tc_sql_rows_t rows;
    tc_sql_row_t *row;

    if (tc_sql_select(sql, statement, &arg, arg ? 1 : 0, &rows, pool) != APR_SUCCESS) {
        return false;
    }
    row = tc_sql_next(&rows);
    *out = row ? tc_sql_text(&rows, row, 0) : NULL;
    return true;
}

/* Texts of another encoding are converted by the server, and what it cannot convert is refused as the message's fault. */
static bool check_encoding(tc_sql_t *sql, const char *name, apr_pool_t *pool)
{
    const char *encoding = NULL;

    if (!ask(sql, sql->dialect->encoding, NULL, &encoding, pool)) {
        return false;
    }
    if (encoding != NULL && strncmp(encoding, "UTF", 3) != 0) {
        tc_log(TC_LOG_WARNING, 0, "TC0016: the database of %s has the encoding %s: %s; use a database in UTF8", name,
               encoding, strcmp(encoding, "SQL_ASCII") == 0
                             ? "it does not check texts, and other programs must write UTF-8"
                             : "messages with characters that it lacks are refused");
    }
    return true;
}

static bool is_true(const char *count)
{
    return count != NULL && apr_atoi64(count) > 0;
}

/* 0: no tables; -1: the database did not say. */
static int read_version(tc_sql_t *sql, apr_pool_t *pool)
{
    const char *has_schema = NULL, *has_edits = NULL, *version = NULL;

    if (!ask(sql, sql->dialect->has_table, "chat_schema", &has_schema, pool)
        || !ask(sql, sql->dialect->has_table, "chat_edits", &has_edits, pool)) {
        return -1;
    }
    if (is_true(has_schema)
        && !ask(sql, "SELECT max(version) FROM chat_schema", NULL, &version, pool)) {
        return -1;
    }
    if (version != NULL) {
        return (int)apr_atoi64(version);
    }
    return is_true(has_edits) ? 1 : 0;
}

/* Says which script to run. Each new connection is checked until one fits, so it is said once in ten seconds. */
static void complain(int version, const char *kind, const char *name)
{
    static tc_log_limit_t limit = TC_LOG_LIMIT(10);
    char more[TC_LOG_MORE_CHARS];

    if (!tc_log_may(&limit, more)) {
        return;
    }
    if (version == 0) {
        tc_log(TC_LOG_ERR, 0, "TC0015: the database of %s has no tables of the chat that its user can see: run "
               "sql/chat.%s.sql, or set the search_path%s", name, kind, more);
    }
    else {
        tc_log(TC_LOG_ERR, 0, "TC0015: the chat's tables of %s have version %d, and this module needs version %d: run "
               "sql/upgrade-%d.%s.sql%s", name, version, TC_SCHEMA_VERSION, version + 1, kind, more);
    }
}

bool tc_schema_check(tc_sql_t *sql, const char *name, apr_pool_t *pool)
{
    const char *kind = sql->dialect->remote ? "pgsql" : "sqlite3";
    int version = read_version(sql, pool);

    if (version < 0) {
        return false;
    }
    if (version < TC_SCHEMA_VERSION) {
        complain(version, kind, name);
        return false;
    }
    if (version > TC_SCHEMA_VERSION) {
        tc_log(TC_LOG_WARNING, 0, "TC0015: the chat's tables of %s have version %d, this module was made for version %d",
               name, version, TC_SCHEMA_VERSION);
    }
    return check_encoding(sql, name, pool);
}

/* ---- which database it is ---- */

/* The machine, as long as it runs. Containers on it share its number, as they may share its files. */
static uint64_t hash_machine(void)
{
    char text[256] = "";
    int file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t len = -1;

    if (file >= 0) {
        len = read(file, text, sizeof(text) - 1);
        close(file);
    }
    if (len <= 0) {
        (void)gethostname(text, sizeof(text) - 1); /* a system that is not Linux */
    }
    return tc_hash_text(TC_HASH_BASIS, text);
}

/* However many names the file has, it has one number. */
static uint64_t hash_file(const char *path)
{
    uint64_t hash = hash_machine();
    struct stat about;

    if (stat(path, &about) != 0) {
        return tc_hash_text(hash, path);
    }
    hash = tc_hash_bytes(hash, &about.st_dev, sizeof(about.st_dev));
    return tc_hash_bytes(hash, &about.st_ino, sizeof(about.st_ino));
}

bool tc_schema_identify(tc_sql_t *sql, uint64_t *database, apr_pool_t *pool)
{
    const char *why = NULL, *text = NULL;
    tc_sql_rows_t rows;
    tc_sql_row_t *row;

    if (tc_sql_ask(sql, sql->dialect->identity, NULL, 0, &rows, &why, pool) == APR_SUCCESS) {
        row = tc_sql_next(&rows);
        text = row ? tc_sql_text(&rows, row, 0) : NULL;
    }
    else if (!ask(sql, sql->dialect->plain_identity, NULL, &text, pool)) {
        return false;
    }
    text = text ? text : "";
    *database = (sql->dialect->remote ? tc_hash_text(TC_HASH_BASIS, text) : hash_file(text)) | 1; /* 0: not known */
    return true;
}
