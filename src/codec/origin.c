/* Decides which pages may use the chat. See origin.h. */
#include "codec/origin.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NO_PORT 0
#define BAD_PORT (-1)

/* The pieces of scheme://host:port. `scheme_len` 0: no scheme; `port` NO_PORT: no port. */
typedef struct {
    const char *scheme;
    size_t scheme_len;
    const char *host;
    size_t host_len;
    int port;
} place_t;

static int read_port(const char *text)
{
    char *end;
    long port = strtol(text, &end, 10);

    return *text >= '0' && *text <= '9' && *end == '\0' && port > 0 && port < 65536 ? (int)port
                                                                                   : BAD_PORT;
}

/* Returns false if `text` is not of the form [scheme://]host[:port]. */
static bool split(const char *text, place_t *out)
{
    const char *behind = strstr(text, "://"), *end;

    out->scheme = text;
    out->scheme_len = behind ? (size_t)(behind - text) : 0;
    out->host = behind ? behind + 3 : text;
    end = *out->host == '[' ? strchr(out->host, ']') : out->host + strcspn(out->host, ":");
    if (end == NULL) {
        return false;
    }
    end += *end == ']';
    out->host_len = (size_t)(end - out->host);
    out->port = *end == ':' ? read_port(end + 1) : NO_PORT;
    return out->host_len > 0 && out->port != BAD_PORT && (*end == ':' || *end == '\0')
           && out->host[strcspn(out->host, "/?#@ \t")] == '\0'
           && (behind == NULL || out->scheme_len > 0);
}

static int own_port(const place_t *place)
{
    if (place->port != NO_PORT) {
        return place->port;
    }
    return place->scheme_len == 5 && strncasecmp(place->scheme, "https", 5) == 0 ? 443 : 80;
}

static bool same(const char *a, size_t a_len, const char *b, size_t b_len)
{
    return a_len == b_len && strncasecmp(a, b, a_len) == 0;
}

/* If `other` has no port, the default port of the origin's scheme counts. */
static bool has_same_port(const place_t *origin, const place_t *other)
{
    place_t with_scheme = *other;

    with_scheme.scheme = origin->scheme;
    with_scheme.scheme_len = origin->scheme_len;
    return own_port(origin) == own_port(&with_scheme);
}

/* If the pattern has no scheme, only http and https match: such a pattern is meant for pages, not for apps. */
static bool has_wanted_scheme(const place_t *origin, const place_t *wanted)
{
    if (wanted->scheme_len > 0) {
        return same(origin->scheme, origin->scheme_len, wanted->scheme, wanted->scheme_len);
    }
    return same(origin->scheme, origin->scheme_len, "http", 4)
           || same(origin->scheme, origin->scheme_len, "https", 5);
}

static bool matches(const place_t *origin, const char *pattern)
{
    place_t wanted;

    if (!split(pattern, &wanted) || !has_same_port(origin, &wanted)
        || !has_wanted_scheme(origin, &wanted)) {
        return false;
    }
    if (strncmp(wanted.host, "*.", 2) == 0) {
        size_t below = wanted.host_len - 1;

        return origin->host_len > below
               && same(origin->host + origin->host_len - below, below, wanted.host + 1, below);
    }
    return same(origin->host, origin->host_len, wanted.host, wanted.host_len);
}

static bool lists_all(const char *const *allowed)
{
    for (; allowed != NULL && *allowed != NULL; allowed++) {
        if (strcmp(*allowed, "*") == 0) {
            return true;
        }
    }
    return false;
}

bool tc_origin_is_allowed(const char *origin, const char *host, const char *const *allowed)
{
    place_t from, own;

    /* "null" (the origin of a sandboxed page or a file) matches only the entry "*". */
    if (lists_all(allowed)) {
        return true;
    }
    if (!split(origin, &from) || from.scheme_len == 0) {
        return false;
    }
    if (host != NULL && split(host, &own) && own.scheme_len == 0
        && same(from.host, from.host_len, own.host, own.host_len) && has_same_port(&from, &own)) {
        return true;
    }
    for (; allowed != NULL && *allowed != NULL; allowed++) {
        if (matches(&from, *allowed)) {
            return true;
        }
    }
    return false;
}

const char *tc_origin_check_pattern(const char *pattern)
{
    place_t place;
    const char *star = strchr(pattern, '*');

    if (strcmp(pattern, "*") == 0) {
        return NULL;
    }
    if (!split(pattern, &place)) {
        return "is not an origin";
    }
    if (star != NULL && (star != place.host || star[1] != '.' || strchr(star + 1, '*') != NULL)) {
        return "has a * in the wrong place: it may only stand for the whole first part of the host";
    }
    return NULL;
}
