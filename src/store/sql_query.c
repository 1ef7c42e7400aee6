/* The administrator's queries. See sql_query.h. */
#include "store/sql_query.h"

#include <apr_strings.h>
#include <string.h>

static const char *const place_names[] = {"%{trip}", "%{user}"};

static int place_at(const char *text)
{
    int i;

    for (i = 0; i < (int)(sizeof(place_names) / sizeof(place_names[0])); i++) {
        if (strncmp(text, place_names[i], strlen(place_names[i])) == 0) {
            return i;
        }
    }
    return -1;
}

/* Takes one placeholder and moves *text past it. Returns NULL, or what is wrong. */
static const char *take_place(const char **text, unsigned allowed, tc_sql_query_t *out,
                              apr_pool_t *pool)
{
    int place = place_at(*text);

    if (place < 0 || !(allowed & (1u << place))) {
        return apr_psprintf(pool, "\"%.12s\" is not a placeholder of this query", *text);
    }
    if (out->count == TC_SQL_QUERY_PLACES) {
        return "has more than 16 placeholders";
    }
    out->places[out->count++] = (tc_sql_place_e)place;
    *text += strlen(place_names[place]);
    return NULL;
}

/* A literal % is doubled, because apr_dbd reads the text as a format. */
const char *tc_sql_query_parse(const char *text, unsigned allowed, tc_sql_query_t *out,
                               apr_pool_t *pool)
{
    char *to = apr_palloc(pool, 2 * strlen(text) + 1);
    unsigned seen = 0;
    const char *wrong;
    int i;

    out->text = to;
    out->count = 0;
    while (*text != '\0') {
        if (text[0] == '%' && text[1] == '{') {
            wrong = take_place(&text, allowed, out, pool);
            if (wrong != NULL) {
                return wrong;
            }
            *to++ = '%';
            *to++ = 's';
            continue;
        }
        if (*text == '%') {
            *to++ = '%';
        }
        *to++ = *text++;
    }
    *to = '\0';
    for (i = 0; i < out->count; i++) {
        seen |= 1u << out->places[i];
    }
    for (i = 0; i < (int)(sizeof(place_names) / sizeof(place_names[0])); i++) {
        if ((allowed & ~seen) & (1u << i)) {
            return apr_psprintf(pool, "must contain %s", place_names[i]);
        }
    }
    return NULL;
}

void tc_sql_query_bind(const tc_sql_query_t *query, const char *trip, const char *user,
                       const char **args)
{
    int i;

    for (i = 0; i < query->count; i++) {
        args[i] = query->places[i] == TC_PLACE_TRIP ? trip : user;
    }
}
