/* The administrator's queries. See sql_query.h. */
#include "store/sql_query.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <string.h>

static const char *const place_names[] = {"%{trip}", "%{user}"};

#define PLACE_NAMES ((int)(sizeof(place_names) / sizeof(place_names[0])))

static int place_at(const char *text)
{
    int i;

    for (i = 0; i < PLACE_NAMES; i++) {
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

/* ---- what the database does not read as SQL: quoted text and comments ---- */

static int is_name_char(char c)
{
    return apr_isalnum(c) || c == '_' || (unsigned char)c >= 0x80;
}

/* The end of a text in quotes, behind `text`, which stands behind the opening quote; NULL: it does not end. */
static const char *end_of_quotes(const char *text, char quote, int escapes)
{
    for (; *text != '\0'; text++) {
        if ((escapes && *text == '\\' && text[1] != '\0') || (*text == quote && text[1] == quote)) {
            text++;
        }
        else if (*text == quote) {
            return text + 1;
        }
    }
    return NULL;
}

/* Comments nest in PostgreSQL. In SQLite they do not, where such a comment would end earlier and be no SQL. */
static const char *end_of_comment(const char *text)
{
    int depth = 1;

    while (*text != '\0' && depth > 0) {
        int step = text[0] == '*' && text[1] == '/' ? -1 : text[0] == '/' && text[1] == '*' ? 1 : 0;

        depth += step;
        text += step ? 2 : 1;
    }
    return depth == 0 ? text : NULL;
}

/* $$…$$ or $tag$…$tag$. `*is_quote` is false where a $ begins something else. */
static const char *end_of_dollars(const char *text, int *is_quote, apr_pool_t *pool)
{
    const char *tag_end = text + 1, *tag, *end;

    while (is_name_char(*tag_end)) {
        tag_end++;
    }
    *is_quote = *tag_end == '$' && !apr_isdigit(text[1]);
    if (!*is_quote) {
        return NULL;
    }
    tag = apr_pstrmemdup(pool, text, (apr_size_t)(tag_end + 1 - text));
    end = strstr(tag_end + 1, tag);
    return end ? end + strlen(tag) : NULL;
}

/* PostgreSQL reads backslashes in E'…'. `start` is the start of the query. */
static int has_escapes(const char *start, const char *quote)
{
    return quote > start && (quote[-1] == 'E' || quote[-1] == 'e')
           && (quote == start + 1 || !is_name_char(quote[-2]));
}

/*
 * If a quoted text or a comment begins at `at`, returns its end; NULL: nothing of that kind begins there, or it does not
 * end, and then *what says what does not end.
 */
static const char *end_of_literal(const char *start, const char *at, const char **what, apr_pool_t *pool)
{
    const char *end = NULL;
    int is_quote = 1;

    if (*at == '\'' || *at == '"') {
        *what = "a text in quotes";
        end = end_of_quotes(at + 1, *at, *at == '\'' && has_escapes(start, at));
    }
    else if (at[0] == '-' && at[1] == '-') {
        *what = "a comment";
        end = at + strcspn(at, "\n");
    }
    else if (at[0] == '/' && at[1] == '*') {
        *what = "a comment";
        end = end_of_comment(at + 2);
    }
    else if (*at == '$' && (at == start || !is_name_char(at[-1]))) {
        *what = "a text in dollar quotes";
        end = end_of_dollars(at, &is_quote, pool);
    }
    else {
        is_quote = 0;
    }
    if (!is_quote || end != NULL) {
        *what = is_quote ? *what : NULL;
    }
    return end;
}

/* ---- the query ---- */

typedef struct {
    const char *at;
    char *to;
    char *end;  /* of what is kept: behind the last character that is not a blank, a comment or a semicolon */
    int depth;  /* of parentheses */
    int ended;  /* a semicolon was read */
} reader_t;

/* Copies `len` bytes. A literal % is doubled, because apr_dbd reads the text as a format. */
static void copy(reader_t *reader, apr_size_t len)
{
    for (; len > 0; len--) {
        if (*reader->at == '%') {
            *reader->to++ = '%';
        }
        *reader->to++ = *reader->at++;
    }
}

/* Copies a quoted text or a comment, which ends at `end`. Returns NULL, or what is wrong. */
static const char *copy_literal(reader_t *reader, const char *end, const char *what, apr_pool_t *pool)
{
    const char *at;
    int is_comment = *reader->at == '-' || *reader->at == '/';

    for (at = reader->at; at < end; at++) {
        int place = at[0] == '%' && at[1] == '{' ? place_at(at) : -1;

        if (place >= 0) {
            return apr_psprintf(pool, "%s stands inside %s, where it would not be replaced; write it outside, without "
                                "quotes", place_names[place], what);
        }
    }
    if (reader->ended && !is_comment) {
        return "has more than one statement; write one";
    }
    copy(reader, (apr_size_t)(end - reader->at));
    if (!is_comment) {
        reader->end = reader->to;
    }
    return NULL;
}

/* Copies one character that is SQL. Returns NULL, or what is wrong. */
static const char *copy_char(reader_t *reader)
{
    char c = *reader->at;

    if (c == ';') {
        reader->ended = 1;
        reader->at++;
        return NULL;
    }
    if (reader->ended && !apr_isspace(c)) {
        return "has more than one statement; write one";
    }
    reader->depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    if (reader->depth < 0) {
        return "closes a parenthesis that is not open";
    }
    copy(reader, 1);
    if (!apr_isspace(c)) {
        reader->end = reader->to;
    }
    return NULL;
}

/* Reads the next piece. Returns NULL, or what is wrong. */
static const char *read_piece(reader_t *reader, const char *start, unsigned allowed, tc_sql_query_t *out,
                              apr_pool_t *pool)
{
    const char *what = NULL, *wrong, *end = end_of_literal(start, reader->at, &what, pool);

    if (end != NULL) {
        return copy_literal(reader, end, what, pool);
    }
    if (what != NULL) {
        return apr_psprintf(pool, "%s is not closed", what);
    }
    if (reader->at[0] != '%' || reader->at[1] != '{') {
        return copy_char(reader);
    }
    wrong = reader->ended ? "has more than one statement; write one"
                          : take_place(&reader->at, allowed, out, pool);
    if (wrong == NULL) {
        *reader->to++ = '%';
        *reader->to++ = 's';
        reader->end = reader->to;
    }
    return wrong;
}

static const char *find_missing(const tc_sql_query_t *query, unsigned allowed, apr_pool_t *pool)
{
    unsigned seen = 0;
    int i;

    for (i = 0; i < query->count; i++) {
        seen |= 1u << query->places[i];
    }
    for (i = 0; i < PLACE_NAMES; i++) {
        if ((allowed & ~seen) & (1u << i)) {
            return apr_psprintf(pool, "must contain %s", place_names[i]);
        }
    }
    return NULL;
}

const char *tc_sql_query_parse(const char *text, unsigned allowed, tc_sql_query_t *out,
                               apr_pool_t *pool)
{
    char *to = apr_palloc(pool, 2 * strlen(text) + 1);
    reader_t reader = {text, to, to, 0, 0};
    const char *wrong = NULL;

    out->text = to;
    out->count = 0;
    while (wrong == NULL && *reader.at != '\0') {
        wrong = read_piece(&reader, text, allowed, out, pool);
    }
    if (wrong == NULL && reader.depth > 0) {
        wrong = "opens a parenthesis that is not closed";
    }
    *reader.end = '\0';
    return wrong ? wrong : find_missing(out, allowed, pool);
}

void tc_sql_query_bind(const tc_sql_query_t *query, const char *trip, const char *user,
                       const char **args)
{
    int i;

    for (i = 0; i < query->count; i++) {
        args[i] = query->places[i] == TC_PLACE_TRIP ? trip : user;
    }
}

const char *tc_sql_query_put(const tc_sql_query_t *query, const char *const *instead, apr_pool_t *pool)
{
    apr_size_t size = strlen(query->text) + 1;
    const char *from = query->text;
    char *text, *to;
    int i;

    for (i = 0; i < query->count; i++) {
        size += instead[i] ? strlen(instead[i]) : 0;
    }
    text = to = apr_palloc(pool, size);
    for (i = 0; *from != '\0';) {
        if (from[0] == '%' && from[1] == 's' && instead[i++] != NULL) {
            apr_size_t len = strlen(instead[i - 1]);

            to = (char *)memcpy(to, instead[i - 1], len) + len;
            from += 2;
            continue;
        }
        if (from[0] == '%') {
            *to++ = *from++; /* %% and %s are two characters */
        }
        *to++ = *from++;
    }
    *to = '\0';
    return text;
}
