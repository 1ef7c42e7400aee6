/*
 * bare: the least that a chat server can do. The chat's figures stand beside its figures.
 *
 *   bare             listens on a free port of 127.0.0.1, prints the port on a line, and serves until it is killed
 *
 * One thread, one epoll set. It speaks as much WebSocket and chat as tcload does: it completes any handshake, sends
 * an empty history, and sends every message to each member of its room. The message has the words of the chat, in a
 * frame that is made once for all members. There is no token, no database, no check, no limit and no clock. What is
 * left is what the kernel takes to bring the same bytes to the same sockets, and little more. All that one
 * epoll_wait() brought leaves in one write a member. A room is known by the last twelve digits of the path, which
 * tcload makes.
 */
#include "common/buf.h"
#include "common/util.h"
#include "common/ws.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_ROOMS  1000u
#define MAX_EVENTS 512
#define READ_BYTES ((size_t)64 * 1024)
#define MAX_FRAME  ((size_t)65535)
#define ID         "01a20ab3-8987-79ea-bdc4-fbcb194bfbd2"
#define TIME       "2026-11-27T00:00:00.000000Z"

/* A part of a message as it came, not terminated. */
typedef struct { const char *at; size_t len; } text_t;

typedef struct room room_t;

typedef struct conn {
    int fd;                     /* -1: closed; the connection is freed at the end of the iteration */
    room_t *room;               /* NULL before the handshake */
    uint32_t place;             /* index in the room's members */
    bool speaks;                /* sent an event of the room's batch */
    buf_t in;                   /* the beginning of a frame that has not come whole */
    buf_t out;                  /* what the socket would not take */
    struct conn *next_dead;
} conn_t;

/* Where an event of a batch ends, and how its sender gets it. */
typedef struct { size_t end; conn_t *sender; size_t own_at, own_len; } mark_t;

struct room {
    conn_t **members;
    uint32_t n_members, cap_members;
    uint64_t last_seq;
    buf_t batch;                /* the frames of this iteration */
    buf_t own;                  /* the same frames with client_id, for their senders */
    mark_t *marks;
    uint32_t n_marks, cap_marks;
    room_t *next_busy;
    bool busy;
};

static room_t rooms[MAX_ROOMS];
static room_t *first_busy;
static conn_t *first_dead;
static int epoll_fd;
static buf_t scratch;

static void die_of(const char *what) __attribute__((noreturn));

static void die_of(const char *what)
{
    die("%s: %s", what, strerror(errno));
}

static void drop_front(buf_t *f, size_t n)
{
    f->len -= n;
    if (f->len == 0)
        buf_free(f);
    else if (n > 0)
        memmove(f->data, f->data + n, f->len);
}

/* ---- connections ---- */

static void conn_close(conn_t *c)
{
    if (c->fd < 0)
        return;
    close(c->fd);
    c->fd = -1;
    if (c->room) {
        room_t *room = c->room;

        room->members[c->place] = room->members[--room->n_members];
        room->members[c->place]->place = c->place;
    }
    c->next_dead = first_dead;
    first_dead = c;
}

static void conn_watch(const conn_t *c, uint32_t events, int how)
{
    struct epoll_event event = { .events = events, .data = { .ptr = (void *)(uintptr_t)c } };

    if (epoll_ctl(epoll_fd, how, c->fd, &event))
        die_of("epoll_ctl");
}

/* What the socket does not take at once waits. An error is left to the reader, which closes the connection. */
static void conn_write(conn_t *c, const char *data, size_t n)
{
    size_t sent = 0;

    if (c->out.len == 0) {
        ssize_t rc = send(c->fd, data, n, MSG_NOSIGNAL);

        sent = rc > 0 ? (size_t)rc : 0;
        if (sent == n)
            return;
        conn_watch(c, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
    }
    buf_append(&c->out, data + sent, n - sent);
}

static void conn_writable(conn_t *c)
{
    ssize_t sent = send(c->fd, c->out.data, c->out.len, MSG_NOSIGNAL);

    if (sent > 0)
        drop_front(&c->out, (size_t)sent);
    if (c->out.len == 0)
        conn_watch(c, EPOLLIN, EPOLL_CTL_MOD);
}

/* ---- rooms ---- */

/* Appends an unmasked text frame. The payload is longer than 125 bytes and shorter than 64 KB. */
static void append_frame(buf_t *to, const char *payload, size_t len)
{
    const unsigned char head[4] = { 0x80 | OP_TEXT, 126, (unsigned char)(len >> 8), (unsigned char)len };

    buf_append(to, head, sizeof(head));
    buf_append(to, payload, len);
}

static void append_event(buf_t *to, uint64_t seq, text_t content, text_t client_id)
{
    static char json[MAX_FRAME];
    int len = snprintf(json, sizeof(json),
        "{\"type\":\"chat_message\",\"message\":{\"id\":\"" ID "\",\"chat_room_id\":\"" ID "\",\"sender\":{\"id\":\"" ID
        "\",\"email\":\"u123@example.org\",\"username\":\"u123\",\"full_name\":\"User 123\"},\"content\":\"%.*s\","
        "\"message_type\":\"text\",\"reply_to\":null,\"is_edited\":false,\"created_at\":\"" TIME "\",\"updated_at\":\""
        TIME "\",\"seq\":%llu%s%.*s%s}}", (int)content.len, content.at, (unsigned long long)seq,
        client_id.len ? ",\"client_id\":\"" : "", (int)client_id.len, client_id.at, client_id.len ? "\"" : "");

    append_frame(to, json, (size_t)len < sizeof(json) ? (size_t)len : sizeof(json) - 1);
}

/* Puts an event into the batch, which goes to all members at the end of the iteration. */
static void room_say(conn_t *sender, text_t content, text_t client_id)
{
    room_t *room = sender->room;
    mark_t *mark;

    if (room->n_marks == room->cap_marks) {
        room->cap_marks = room->cap_marks ? 2 * room->cap_marks : 16;
        room->marks = grow(room->marks, room->cap_marks, sizeof(*room->marks));
    }
    mark = &room->marks[room->n_marks++];
    append_event(&room->batch, ++room->last_seq, content, (text_t){ "", 0 });
    mark->end = room->batch.len;
    mark->sender = sender;
    mark->own_at = room->own.len;
    append_event(&room->own, room->last_seq, content, client_id);
    mark->own_len = room->own.len - mark->own_at;
    sender->speaks = true;
    if (!room->busy) {
        room->busy = true;
        room->next_busy = first_busy;
        first_busy = room;
    }
}

/* Writes the batch as one of its senders gets it: their own events have the client_id. */
static void write_to_sender(const room_t *room, conn_t *c)
{
    size_t at = 0;

    scratch.len = 0;
    for (uint32_t i = 0; i < room->n_marks; i++) {
        const mark_t *mark = &room->marks[i];

        if (mark->sender == c)
            buf_append(&scratch, room->own.data + mark->own_at, mark->own_len);
        else
            buf_append(&scratch, room->batch.data + at, mark->end - at);
        at = mark->end;
    }
    conn_write(c, scratch.data, scratch.len);
    c->speaks = false;
}

static void room_flush(room_t *room)
{
    for (uint32_t i = 0; i < room->n_members; i++) {
        conn_t *c = room->members[i];

        if (c->speaks)
            write_to_sender(room, c);
        else
            conn_write(c, room->batch.data, room->batch.len);
    }
    room->batch.len = room->own.len = 0;
    room->n_marks = 0;
    room->busy = false;
}

/* ---- what clients say ---- */

static text_t json_text(const char *p, size_t n, const char *key)
{
    const char *at = memmem(p, n, key, strlen(key)), *end;

    if (!at)
        return (text_t){ "", 0 };
    at += strlen(key);
    end = memchr(at, '"', (size_t)(p + n - at));
    return (text_t){ at, end ? (size_t)(end - at) : 0 };
}

/* The close code goes back. */
static void on_close(conn_t *c, const char *payload, size_t len)
{
    const char answer[4] = { (char)(unsigned char)(0x80 | OP_CLOSE), (char)(len < 2 ? 0 : 2),
                             len < 2 ? '\0' : payload[0], len < 2 ? '\0' : payload[1] };

    conn_write(c, answer, len < 2 ? 2 : 4);
    conn_close(c);
}

static void on_frame(conn_t *c, unsigned opcode, char *payload, size_t len, const char *mask)
{
    for (size_t i = 0; i < len; i++)
        payload[i] = (char)(payload[i] ^ mask[i % 4]);
    if (opcode == OP_TEXT)
        room_say(c, json_text(payload, len, "\"content\":\""), json_text(payload, len, "\"client_id\":\""));
    else if (opcode == OP_CLOSE)
        on_close(c, payload, len);
}

/* Handles all whole frames. Returns how many bytes they took. */
static size_t take_frames(conn_t *c, char *data, size_t n)
{
    size_t used = 0;

    while (c->fd >= 0 && n - used >= 6) {
        const unsigned char *f = (const unsigned char *)data + used;
        size_t len = f[1] & 0x7f, head = len == 126 ? 8 : 6;

        if (len == 127 || n - used < head)
            break;
        if (len == 126)
            len = (size_t)f[2] << 8 | f[3];
        if (n - used - head < len)
            break;
        on_frame(c, f[0] & 0x0f, data + used + head, len, data + used + head - 4);
        used += head + len;
    }
    return used;
}

static void send_answer(conn_t *c, const char *key)
{
    static const char history[] = "{\"type\":\"message_history\",\"messages\":[],\"last_seq\":";
    char accept[WS_ACCEPT_BYTES + 1], answer[512], *p = answer;

    ws_accept(key, accept);
    p += sprintf(p, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: tripchat\r\n\r\n", accept);
    *p++ = (char)(unsigned char)(0x80 | OP_TEXT);
    p++;
    p[-1] = (char)sprintf(p, "%s%llu}", history, (unsigned long long)c->room->last_seq);
    conn_write(c, answer, (size_t)(p - answer) + (size_t)p[-1]);
}

static void room_join(room_t *room, conn_t *c)
{
    if (room->n_members == room->cap_members) {
        room->cap_members = room->cap_members ? 2 * room->cap_members : 16;
        room->members = grow(room->members, room->cap_members, sizeof(conn_t *));
    }
    c->room = room;
    c->place = room->n_members;
    room->members[room->n_members++] = c;
}

/* Answers the handshake once it has come whole. Returns how many bytes it took, 0 before. */
static size_t take_handshake(conn_t *c, const char *data, size_t n)
{
    static const char field[] = "Sec-WebSocket-Key: ";
    const char *end = memmem(data, n, "\r\n\r\n", 4), *key = memmem(data, n, field, sizeof(field) - 1);
    const char *path_end, *number;

    if (!end)
        return 0;
    path_end = memmem(data, n, " HTTP/1.1", 9);
    number = path_end ? memrchr(data, '-', (size_t)(path_end - data)) : NULL;
    if (!key || !number || end - key < (ptrdiff_t)(sizeof(field) - 1 + WS_KEY_BYTES)) {
        conn_close(c);
        return n;
    }
    room_join(&rooms[strtoul(number + 1, NULL, 10) % MAX_ROOMS], c);
    send_answer(c, key + sizeof(field) - 1);
    return (size_t)(end + 4 - data);
}

static void conn_readable(conn_t *c)
{
    static char bytes[READ_BYTES];
    ssize_t n = recv(c->fd, bytes, sizeof(bytes), 0);
    size_t used = 0;

    if (n <= 0) {
        if (n == 0 || errno != EAGAIN)
            conn_close(c);
        return;
    }
    buf_append(&c->in, bytes, (size_t)n);
    if (!c->room)
        used = take_handshake(c, c->in.data, c->in.len);
    if (c->fd >= 0 && c->room)
        used += take_frames(c, c->in.data + used, c->in.len - used);
    drop_front(&c->in, used);
}

/* ---- the loop ---- */

static void accept_all(int listener)
{
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        conn_t *c = zeroed(1, sizeof(*c));

        c->fd = fd;
        conn_watch(c, EPOLLIN, EPOLL_CTL_ADD);
    }
}

static void free_dead(void)
{
    conn_t *c;

    while ((c = first_dead) != NULL) {
        first_dead = c->next_dead;
        free(c->in.data);
        free(c->out.data);
        free(c);
    }
}

static void loop_once(int listener)
{
    struct epoll_event events[MAX_EVENTS];
    int n = epoll_wait(epoll_fd, events, MAX_EVENTS, -1);
    room_t *room;

    for (int i = 0; i < n; i++) {
        conn_t *c = events[i].data.ptr;

        if (!c)
            accept_all(listener);
        else if (c->fd >= 0 && events[i].events & EPOLLOUT)
            conn_writable(c);
        if (c && c->fd >= 0 && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
            conn_readable(c);
    }
    while ((room = first_busy) != NULL) {
        first_busy = room->next_busy;
        room_flush(room);
    }
    free_dead();
}

static int listen_somewhere(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    struct epoll_event event = { .events = EPOLLIN, .data = { .ptr = NULL } };
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) || listen(fd, SOMAXCONN)
        || getsockname(fd, (struct sockaddr *)&at, &len))
        die_of("listen");
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event))
        die_of("epoll_ctl");
    printf("%u\n", (unsigned)ntohs(at.sin_port));
    fflush(stdout);
    return fd;
}

int main(void)
{
    int listener;

    (void)raise_fd_limit();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        die_of("epoll_create1");
    listener = listen_somewhere();
    for (;;)
        loop_once(listener);
}
