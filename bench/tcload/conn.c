/* See conn.h. */
#include "tcload/conn.h"
#include "common/util.h"
#include "common/ws.h"
#include "tcload/frame.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <openssl/err.h>

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

static const char *const state_names[] = { "new", "connecting", "in the TLS handshake", "awaiting the 101",
                                           "awaiting the history", "live", "closing", "done", "failed" };

const char *conn_state_name(const conn_t *c)
{
    return state_names[c->state];
}

bool conn_is_handshaking(const conn_t *c)
{
    return c->state >= ST_CONNECT && c->state <= ST_HISTORY;
}

/* ---- the end ---- */

void conn_pause(bench_t *b, const conn_t *c, uint64_t ns)
{
    b->paused = grow(b->paused, b->n_paused + 1, sizeof(*b->paused));
    b->paused[b->n_paused].index = c->index;
    b->paused[b->n_paused++].until_ns = now_ns() + ns;
}

static void release(bench_t *b, conn_t *c)
{
    if (conn_is_handshaking(c))
        b->n_handshaking--;
    else if (c->state == ST_LIVE)
        b->n_live--;
    else if (c->state == ST_CLOSING)
        b->n_closing--;
    if (c->ssl) {
        SSL_free(c->ssl);
        c->ssl = NULL;
    }
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    buf_free(&c->in);
    buf_free(&c->out);
    buf_free(&c->fragments);
}

void conn_fail(bench_t *b, conn_t *c, const char *fmt, ...)
{
    char text[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    reasons_add(&b->failures, text);
    release(b, c);
    c->state = ST_FAILED;
    b->n_failed++;
    if (c->sender)
        sender_abandon(&b->senders, c->sender);
    if (b->opt.mode == MODE_CONNECT)
        conn_pause(b, c, PAUSE_NS);
}

void conn_done(bench_t *b, conn_t *c)
{
    release(b, c);
    c->state = ST_DONE;
    if (b->opt.mode == MODE_CONNECT)
        b->reopen[b->n_reopen++] = c->index;
}

void conn_close(bench_t *b, conn_t *c)
{
    conn_append_close(b, c, 1000);
    if (c->state == ST_LIVE)
        b->n_live--;
    c->state = ST_CLOSING;
    c->since_ns = b->loop_ns;
    b->n_closing++;
    conn_flush(b, c);
}

/* ---- bytes ---- */

static void watch(bench_t *b, conn_t *c, uint32_t events)
{
    struct epoll_event ev = { .events = events, .data = { .u32 = c->index } };

    if (c->events == events)
        return;
    if (epoll_ctl(b->epoll_fd, c->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->fd, &ev) != 0)
        die("epoll_ctl: %s", strerror(errno));
    c->events = events;
}

/* The result of an SSL call as an IO_ value; *text says what went wrong. */
static ssize_t tls_result(const conn_t *c, int rc, const char **text)
{
    unsigned long code;

    switch (SSL_get_error(c->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return IO_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return IO_EOF;
    case SSL_ERROR_SYSCALL:
        if (errno == 0)
            return IO_EOF;
        *text = strerror(errno);
        return IO_ERROR;
    default:
        code = ERR_peek_last_error();
        *text = code ? ERR_reason_error_string(code) : NULL;
        if (!*text)
            *text = "TLS error";
        return IO_ERROR;
    }
}

/* Bytes read or written, or an IO_ value. */
static ssize_t transfer(conn_t *c, bool write_it, char *data, size_t n, const char **text)
{
    ssize_t rc;

    if (c->ssl) {
        int len = n > INT32_MAX ? INT32_MAX : (int)n, got;

        ERR_clear_error();
        errno = 0;
        got = write_it ? SSL_write(c->ssl, data, len) : SSL_read(c->ssl, data, len);
        return got > 0 ? got : tls_result(c, got, text);
    }
    do {
        rc = write_it ? send(c->fd, data, n, MSG_NOSIGNAL) : recv(c->fd, data, n, 0);
    } while (rc < 0 && errno == EINTR);
    if (rc >= 0)
        return rc;
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return IO_AGAIN;
    *text = strerror(errno);
    return IO_ERROR;
}

ssize_t conn_read(conn_t *c, char *data, size_t n, const char **text)
{
    return transfer(c, false, data, n, text);
}

void conn_append_frame(bench_t *b, conn_t *c, unsigned opcode, const char *payload, size_t n)
{
    frame_append(&c->out, opcode, payload, n, next_random(&b->rng));
}

void conn_append_close(bench_t *b, conn_t *c, unsigned code)
{
    char body[2] = { (char)(code >> 8), (char)(code & 255) };

    conn_append_frame(b, c, OP_CLOSE, body, sizeof(body));
}

bool conn_flush(bench_t *b, conn_t *c)
{
    const char *text = "";

    if (c->fd < 0)
        return false;
    while (c->out.off < c->out.len) {
        ssize_t n = transfer(c, true, c->out.data + c->out.off, c->out.len - c->out.off, &text);

        if (n == IO_AGAIN)
            break;
        if (n == IO_EOF || n == IO_ERROR) {
            /* A server that closed may have said why: the reading side will tell. */
            c->out.off = c->out.len;
            break;
        }
        c->out.off += (size_t)n;
    }
    if (c->out.off == c->out.len)
        c->out.off = c->out.len = 0;
    watch(b, c, EPOLLIN | (c->out.len ? (uint32_t)EPOLLOUT : 0u));
    return true;
}

/* ---- the beginning ---- */

static void send_request(bench_t *b, conn_t *c)
{
    target_append_request(&b->target, &b->opt, &c->track, b->is_resuming, &c->out);
    c->state = ST_HTTP;
    conn_flush(b, c);
}

void conn_on_tls(bench_t *b, conn_t *c)
{
    const char *text = "";
    ssize_t result;
    int rc;

    ERR_clear_error();
    errno = 0;
    rc = SSL_connect(c->ssl);
    if (rc == 1) {
        send_request(b, c);
        return;
    }
    result = tls_result(c, rc, &text);
    if (result == IO_AGAIN)
        watch(b, c, SSL_want_write(c->ssl) ? (uint32_t)EPOLLOUT : (uint32_t)EPOLLIN);
    else
        conn_fail(b, c, "TLS handshake: %s", result == IO_EOF ? "connection closed" : text);
}

void conn_on_connected(bench_t *b, conn_t *c)
{
    socklen_t len = sizeof(int);
    int error = 0, on = 1;

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error) {
        conn_fail(b, c, "connect: %s", strerror(error ? error : errno));
        return;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (!b->target.tls) {
        send_request(b, c);
        return;
    }
    c->ssl = SSL_new(b->target.tls);
    if (!c->ssl || SSL_set_fd(c->ssl, c->fd) != 1)
        die("SSL_new failed");
    c->state = ST_TLS;
    conn_on_tls(b, c);
}

static bool bind_source(const bench_t *b, const conn_t *c)
{
    struct sockaddr_in from = { .sin_family = AF_INET };
    int on = 1;

    if (b->opt.n_sources < 2)
        return true;
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + c->index % b->opt.n_sources);
    return setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) == 0
        && bind(c->fd, (const struct sockaddr *)&from, sizeof(from)) == 0;
}

void conn_start(bench_t *b, conn_t *c)
{
    uint64_t k = b->opt.mode == MODE_CONNECT ? b->n_attempts++ : c->index;

    c->state = ST_CONNECT;
    c->events = 0;
    c->got_close = false;
    c->since_ns = now_ns();
    c->track.room = (uint32_t)(k % b->opt.n_rooms);
    c->track.member = (uint32_t)(k / b->opt.n_rooms % b->opt.n_members);
    b->n_handshaking++;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        conn_fail(b, c, "socket: %s", strerror(errno));
    else if (!bind_source(b, c))
        conn_fail(b, c, "bind: %s", strerror(errno));
    else if (connect(c->fd, (const struct sockaddr *)&b->target.addr, sizeof(b->target.addr)) == 0)
        conn_on_connected(b, c);
    else if (errno == EINPROGRESS)
        watch(b, c, EPOLLOUT);
    else
        conn_fail(b, c, "connect: %s", strerror(errno));
}
