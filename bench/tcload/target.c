/* See target.h. */
#include "tcload/target.h"
#include "common/util.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/evp.h>

/* ---- set-up ---- */

static void read_host(target_t *t, const char *host, unsigned long port)
{
    t->addr.sin_family = AF_INET;
    t->addr.sin_port = htons((uint16_t)port);
    if (inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &t->addr.sin_addr) != 1
        || ntohl(t->addr.sin_addr.s_addr) >> 24 != 127)
        die("\"%s\" is refused: only localhost and 127.x.y.z are loaded by this tool", host);
    snprintf(t->host, sizeof(t->host), "%s:%lu", host, port);
}

/* Reads ws[s]://HOST[:PORT][/PATH] into addr, host and path. Returns whether it is TLS. */
static bool read_url(target_t *t, const options_t *o)
{
    const char *p = o->url;
    bool tls = strncmp(p, "wss://", 6) == 0;
    unsigned long port;
    char host[64];
    size_t n;

    if (!tls && strncmp(p, "ws://", 5) != 0)
        die("--url begins with ws:// or wss://, not \"%s\"", p);
    p += tls ? 6 : 5;
    tls = tls || o->force_tls;
    n = strcspn(p, ":/?");
    snprintf(host, sizeof(host), "%.*s", (int)n, p);
    p += n;
    port = tls ? 443 : 80;
    if (*p == ':') {
        char *rest;

        port = strtoul(p + 1, &rest, 10);
        p = rest;
    }
    if (port == 0 || port > 65535 || (*p && *p != '/') || strchr(p, '?'))
        die("can't read the URL \"%s\"", o->url);
    read_host(t, host, port);
    if (strlen(p) < 2)
        p = "/ws/chat/";
    if ((size_t)snprintf(t->path, sizeof(t->path), "%s%s", p, p[strlen(p) - 1] == '/' ? "" : "/") >= sizeof(t->path))
        die("the URL's path is too long");
    return tls;
}

static void read_tokens(target_t *t, const options_t *o)
{
    FILE *f = fopen(o->tokens_file, "r");
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;

    if (!f)
        die("can't read %s: %s", o->tokens_file, strerror(errno));
    while ((n = getline(&line, &cap, f)) > 0) {
        while (n > 0 && isspace((unsigned char)line[n - 1]))
            line[--n] = '\0';
        if (n == 0)
            continue;
        t->tokens = grow(t->tokens, t->n_tokens + 1, sizeof(*t->tokens));
        t->tokens[t->n_tokens] = strdup(line);
        if (!t->tokens[t->n_tokens++])
            die("out of memory");
    }
    free(line);
    fclose(f);
    if (!t->n_tokens)
        die("no token in %s", o->tokens_file);
    if (o->n_members > t->n_tokens)
        note("more members a room (%u) than tokens (%u): users repeat within a room", o->n_members, t->n_tokens);
}

static SSL_CTX *tls_create(void)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());

    if (!tls)
        die("SSL_CTX_new failed");
    SSL_CTX_set_verify(tls, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
                     | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(tls, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    return tls;
}

void target_init(target_t *t, const options_t *o)
{
    if (read_url(t, o))
        t->tls = tls_create();
    read_tokens(t, o);
}

void target_set_key(target_t *t, const unsigned char nonce[NONCE_BYTES])
{
    EVP_EncodeBlock((unsigned char *)t->key, nonce, NONCE_BYTES);
    ws_accept(t->key, t->accept);
}

/* ---- the handshake ---- */

/* The trip of a room: --trip-format with its one %d or %0Nd filled in. */
static void trip_name(const options_t *o, uint32_t room, char *out, size_t cap)
{
    const char *format = o->trip_format, *p = strchr(format, '%');
    char *end = NULL;
    long width;

    width = p ? strtol(p + 1, &end, 10) : -1;
    if (width < 0 || width > 20 || *end != 'd' || strchr(end, '%'))
        die("--trip-format needs exactly one %%d or %%0Nd, not \"%s\"", format);
    snprintf(out, cap, "%.*s%0*u%s", (int)(p - format), format, (int)width, room + o->first_room, end + 1);
}

void target_check_trip_format(const options_t *o)
{
    char trip[160];

    trip_name(o, 0, trip, sizeof(trip));
}

void target_append_request(const target_t *t, const options_t *o, const track_t *at, bool is_resume, buf_t *out)
{
    const char *token = t->tokens[((uint64_t)at->room * o->n_members + at->member) % t->n_tokens];
    enum token_in in = o->token_in;
    char trip[160], head[1024];
    int n;

    trip_name(o, at->room, trip, sizeof(trip));
    n = snprintf(head, sizeof(head), "GET %s%s/", t->path, trip);
    if (is_resume)
        n += snprintf(head + n, sizeof(head) - (size_t)n, "?after=%" PRIu64, at->last_seq);
    if (in == TOKEN_QUERY)
        n += snprintf(head + n, sizeof(head) - (size_t)n, "%ctoken=", is_resume ? '&' : '?');
    buf_append(out, head, (size_t)n);
    if (in == TOKEN_QUERY)
        buf_append(out, token, strlen(token));
    n = snprintf(head, sizeof(head), " HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n%s", t->host, t->key,
                 in == TOKEN_QUERY ? "" : in == TOKEN_HEADER ? "Authorization: Bearer "
                                                             : "Sec-WebSocket-Protocol: tripchat, bearer.");
    buf_append(out, head, (size_t)n);
    if (in != TOKEN_QUERY) {
        buf_append(out, token, strlen(token));
        buf_append(out, "\r\n", 2);
    }
    buf_append(out, "\r\n", 2);
}
