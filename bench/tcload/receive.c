/*
 * See receive.h. Frames are handled in the buffer that read() filled, one buffer for all connections. Only the
 * beginning of a frame that has not come whole is copied to its connection. RFC 6455, 4.1 and 5.2, client side.
 */
#include "tcload/receive.h"
#include "common/util.h"
#include "common/ws.h"
#include "tcload/chat.h"
#include "tcload/conn.h"
#include "tcload/frame.h"
#include "tcload/traffic.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#define READ_CHUNK      ((size_t)256 * 1024)
#define MAX_FRAME_BYTES ((uint64_t)64 * 1024 * 1024)
#define MAX_HTTP_BYTES  ((size_t)16 * 1024)
#define KEEP_BYTES      ((size_t)4096)  /* a larger buffer is freed once its frame has come whole */

/* ---- frames ---- */

static void on_close(bench_t *b, conn_t *c, const char *p, size_t n)
{
    unsigned code = n >= 2 ? (unsigned)((unsigned char)p[0] << 8 | (unsigned char)p[1]) : 1005u;

    c->got_close = true;
    if (c->state == ST_CLOSING)
        return;
    if (code != 1005)
        conn_append_close(b, c, code);
    conn_flush(b, c);
    conn_fail(b, c, "closed by the server: %u %.*s", code, (int)(n > 2 ? n - 2 : 0), n > 2 ? p + 2 : "");
}

static void on_frame(bench_t *b, conn_t *c, unsigned head, const char *p, size_t n)
{
    unsigned opcode = head & 15;
    bool fin = head & 0x80;

    if (opcode == OP_TEXT && fin) {
        chat_on_text(b, c, p, n);
    }
    else if (opcode == OP_TEXT || opcode == OP_CONT) {
        buf_append(&c->fragments, p, n);
        if (fin) {
            chat_on_text(b, c, c->fragments.data, c->fragments.len);
            c->fragments.len = 0;
        }
    }
    else if (opcode == OP_CLOSE) {
        on_close(b, c, p, n);
    }
    else if (opcode == OP_PING) {
        b->n_pings++;
        if (c->state != ST_CLOSING)
            conn_append_frame(b, c, OP_PONG, p, n);
    }
    else if (opcode != OP_PONG) {
        conn_fail(b, c, "frame with opcode %u", opcode);
    }
}

/* Handles all whole frames in place. Returns how many bytes they took. */
static size_t take_frames(bench_t *b, conn_t *c, const char *data, size_t n)
{
    size_t used = 0;

    while (c->fd >= 0 && n - used >= 2) {
        frame_t f;
        size_t head = frame_read_head(data + used, n - used, &f);

        if (f.second & 0x80 || f.first & 0x70) {
            conn_fail(b, c, "masked frame or reserved bits: %02x %02x", f.first, f.second);
            break;
        }
        if (!head)
            break;
        if (f.len > MAX_FRAME_BYTES) {
            conn_fail(b, c, "frame of %" PRIu64 " bytes", f.len);
            break;
        }
        if (n - used - head < f.len)
            break;
        on_frame(b, c, f.first, data + used + head, (size_t)f.len);
        used += head + (size_t)f.len;
    }
    return used;
}

/* ---- bytes ---- */

/* The answer to the upgrade, up to the blank line. Returns how many bytes it took, 0 when it has not come whole. */
static size_t take_answer(bench_t *b, conn_t *c, char *data, size_t n)
{
    char *end = memmem(data, n, "\r\n\r\n", 4);
    unsigned status = 0;

    if (!end) {
        if (n > MAX_HTTP_BYTES)
            conn_fail(b, c, "no end of the HTTP answer");
        return 0;
    }
    *end = '\0';
    if (sscanf(data, "HTTP/1.1 %3u", &status) != 1)
        conn_fail(b, c, "no HTTP/1.1 answer");
    else if (status != 101)
        conn_fail(b, c, "HTTP %u", status);
    else if (!strstr(data, b->target.accept))
        conn_fail(b, c, "wrong Sec-WebSocket-Accept");
    else if (b->opt.token_in == TOKEN_SUBPROTOCOL && !strcasestr(data, "\r\nSec-WebSocket-Protocol: tripchat"))
        conn_fail(b, c, "subprotocol offered, none chosen");
    else
        c->state = ST_HISTORY;
    return (size_t)(end + 4 - data);
}

static void on_end(bench_t *b, conn_t *c, const char *why)
{
    if (c->state == ST_CLOSING && c->got_close)
        conn_done(b, c);
    else
        conn_fail(b, c, "%s while %s", why, conn_state_name(c));
}

/* Keeps the beginning of an unfinished frame for the next read. */
static void keep_rest(conn_t *c, const char *rest, size_t n)
{
    c->in.off = c->in.len = 0;
    if (n)
        buf_append(&c->in, rest, n);
    else if (c->in.cap > KEEP_BYTES)
        buf_free(&c->in);
}

/* Puts what was kept at the scratch buffer's beginning. Returns its length. */
static size_t begin_scratch(bench_t *b, const conn_t *c)
{
    size_t have = c->in.len;

    if (b->scratch_cap < have + READ_CHUNK + 1) {
        b->scratch_cap = have * 2 + READ_CHUNK + 1;
        b->scratch = grow(b->scratch, b->scratch_cap, 1);
    }
    if (have)
        memcpy(b->scratch, c->in.data, have);
    return have;
}

/* Reads once, and handles what came. True when more may be there. */
static bool receive_some(bench_t *b, conn_t *c)
{
    const char *text = "";
    size_t have = begin_scratch(b, c), space = b->scratch_cap - have - 1, used = 0;
    ssize_t got = conn_read(c, b->scratch + have, space, &text);

    if (got == IO_AGAIN)
        return false;
    if (got == IO_EOF || got == IO_ERROR) {
        on_end(b, c, got == IO_EOF ? "end of stream" : text);
        return false;
    }
    b->counts.n_reads++;
    b->counts.n_bytes += (uint64_t)got;
    have += (size_t)got;
    if (c->state == ST_HTTP)
        used = take_answer(b, c, b->scratch, have);
    if (c->state > ST_HTTP && c->fd >= 0)
        used += take_frames(b, c, b->scratch + used, have - used);
    if (c->fd < 0)
        return false;
    keep_rest(c, b->scratch + used, have - used);
    return c->ssl || (size_t)got == space;
}

void receive_all(bench_t *b, conn_t *c)
{
    while (receive_some(b, c))
        ;
    if (c->fd < 0)
        return;
    if (c->sender)
        traffic_fill(b, c);
    if (c->out.len || c->events != EPOLLIN)
        conn_flush(b, c);
}
