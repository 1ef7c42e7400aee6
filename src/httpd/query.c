/* Parameters of a query. See query.h. */
#include "httpd/query.h"

#include <apr_strings.h>

#define NUMBER_DIGITS 15

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
