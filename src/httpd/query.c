/* Parameters of a query. See query.h. */
#include "httpd/query.h"

#include "domain/member.h"
#include "httpd/often.h"

#include <apr_strings.h>
#include <http_log.h>

APLOG_USE_MODULE(tripchat);

#define NUMBER_DIGITS 15
#define SHOWN_CHARS 40 /* of a wrong value, in the log */

/* Finds where the value of a parameter begins in a query, and its length. NULL: the query has no such parameter. */
static const char *find_value(const char *query, const char *name, apr_size_t *len)
{
    apr_size_t name_len = strlen(name);

    while (query != NULL && *query != '\0') {
        apr_size_t part = strcspn(query, "&");

        if (part > name_len && query[name_len] == '=' && strncmp(query, name, name_len) == 0) {
            *len = part - name_len - 1;
            return query + name_len + 1;
        }
        query += part + (query[part] == '&');
    }
    return NULL;
}

const char *tc_query_parameter(request_rec *r, const char *name)
{
    apr_size_t len;
    const char *value = find_value(r->args, name, &len);
    char *decoded;

    if (value == NULL) {
        return NULL;
    }
    decoded = apr_pstrmemdup(r->pool, value, len);
    return ap_unescape_urlencoded(decoded) == OK ? decoded : NULL;
}

bool tc_query_number(request_rec *r, const char *name, int64_t *number)
{
    const char *text = tc_query_parameter(r, name);
    apr_size_t len = text ? strlen(text) : 0;

    *number = -1;
    if (text == NULL) {
        apr_size_t ignored;

        return find_value(r->args, name, &ignored) == NULL;
    }
    if (len == 0 || len > NUMBER_DIGITS || strspn(text, "0123456789") != len) {
        return false;
    }
    *number = apr_atoi64(text);
    return true;
}

void tc_query_resume_from_nothing(request_rec *r, const char *name, const char *text, int64_t *after, int64_t *epoch)
{
    TC_LOG_OFTEN(TC_OFTEN_LINES, APLOG_INFO, 0, r, "TC0099: the client cannot resume and gets a fresh start, because "
                 "%s is not what the server sent: %.*s", name, SHOWN_CHARS,
                 text != NULL ? ap_escape_logitem(r->pool, text) : "it cannot be decoded");
    *after = TC_AFTER_NOTHING;
    *epoch = -1;
}

void tc_query_resume(request_rec *r, int64_t *after, int64_t *epoch)
{
    if (!tc_query_number(r, "after", after)) {
        tc_query_resume_from_nothing(r, "after", tc_query_parameter(r, "after"), after, epoch);
    }
    else if (!tc_query_number(r, "epoch", epoch) || *epoch > INT32_MAX) {
        tc_query_resume_from_nothing(r, "epoch", tc_query_parameter(r, "epoch"), after, epoch);
    }
}
