/* Where a Redis is. See redis_url.h. */
#include "bus/redis_url.h"

#include <apr_strings.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define DEFAULT_PORT 6379
#define PORT_MAX 65535
#define DATABASE_MAX 1000000

static const char how[] = "write local, redis://host:port/database or unix:/path/to/socket?db=database";

/* Reads a whole number in 0..greatest. False when the text is anything else. */
static bool read_number(const char *text, int greatest, int *out)
{
    apr_int64_t number;
    char *end;

    if (*text < '0' || *text > '9' || strlen(text) > 9) {
        return false;
    }
    number = apr_strtoi64(text, &end, 10);
    *out = (int)number;
    return *end == '\0' && number <= greatest;
}

/*
 * Cuts *text off after the host and returns the text of the port, or NULL when there is none. [An IPv6 address] loses
 * its brackets. A host that is not valid becomes an empty text.
 */
static char *split_host(char **text)
{
    char *address = **text == '[' ? *text + 1 : NULL;
    char *end = address ? strchr(address, ']') : *text + strcspn(*text, ":");
    char *rest = end != NULL && address ? end + 1 : end;

    if (rest == NULL || (*rest != '\0' && *rest != ':')) {
        **text = '\0';
        return NULL;
    }
    rest = *rest == ':' ? rest + 1 : NULL;
    *end = '\0';
    *text = address ? address : *text;
    if (strpbrk(*text, "[]?#") != NULL) {
        **text = '\0';
    }
    return rest;
}

/* host[:port][/database]; the host may be [an IPv6 address]. */
static const char *parse_host(const char *rest, tc_redis_address_t *out, apr_pool_t *pool)
{
    char *text = apr_pstrdup(pool, rest), *slash, *port;

    if (strchr(text, '@') != NULL) {
        return "leave user and password out of the URL, which many may read; write TripChatRedisUser "
               "and TripChatRedisPasswordFile";
    }
    slash = strchr(text, '/');
    if (slash != NULL) {
        *slash++ = '\0';
        if (*slash != '\0' && !read_number(slash, DATABASE_MAX, &out->database)) {
            return apr_pstrcat(pool, "the database is not a number; ", how, NULL);
        }
    }
    port = split_host(&text);
    if (port != NULL && (!read_number(port, PORT_MAX, &out->port) || out->port == 0)) {
        return apr_pstrcat(pool, "the port is not a number from 1 to 65535; ", how, NULL);
    }
    if (*text == '\0') {
        return apr_pstrcat(pool, "there is no host; ", how, NULL);
    }
    out->host = text;
    out->name = apr_psprintf(pool, "%s:%d/%d", out->host, out->port, out->database);
    return NULL;
}

static const char *parse_socket(const char *rest, tc_redis_address_t *out, apr_pool_t *pool)
{
    char *path = apr_pstrdup(pool, rest), *query = strchr(path, '?');

    if (strncmp(path, "//", 2) == 0) {
        return apr_pstrcat(pool, "a socket has no host and no user; ", how, NULL);
    }
    if (query != NULL) {
        *query++ = '\0';
        if (strncmp(query, "db=", 3) != 0 || !read_number(query + 3, DATABASE_MAX, &out->database)) {
            return apr_pstrcat(pool, "the text after ? is not db= and a number; ", how, NULL);
        }
    }
    if (*path != '/') {
        return apr_pstrcat(pool, "the socket's path does not begin with /; ", how, NULL);
    }
    if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
        return apr_psprintf(pool, "the socket's path is longer than %d bytes, the most that the system allows",
                            (int)sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1);
    }
    out->socket = path;
    out->name = apr_psprintf(pool, "%s?db=%d", path, out->database);
    return NULL;
}

const char *tc_redis_url_parse(const char *url, tc_redis_address_t *out, apr_pool_t *pool)
{
    out->host = out->socket = NULL;
    out->port = DEFAULT_PORT;
    out->database = 0;
    if (strncmp(url, "redis://", 8) == 0) {
        return parse_host(url + 8, out, pool);
    }
    if (strncmp(url, "unix:", 5) == 0) {
        return parse_socket(strncmp(url, "unix:///", 8) == 0 ? url + 7 : url + 5, out, pool);
    }
    if (strncmp(url, "rediss://", 9) == 0) {
        return apr_pstrcat(pool, "TLS to Redis is not supported; ", how, NULL);
    }
    return how;
}

static bool same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool tc_redis_address_equal(const tc_redis_address_t *a, const tc_redis_address_t *b)
{
    return same(a->host, b->host) && a->port == b->port && same(a->socket, b->socket)
           && a->database == b->database && same(a->user, b->user)
           && same(a->password, b->password) && a->timeout_us == b->timeout_us;
}
