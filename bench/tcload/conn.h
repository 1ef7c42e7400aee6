/* A connection's life: connect, TLS, handshake, close. It writes; receive.c reads. */
#ifndef BENCH_TCLOAD_CONN_H
#define BENCH_TCLOAD_CONN_H

#include "tcload/bench.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What conn_read() returns when it brought no bytes. */
enum { IO_EOF = 0, IO_AGAIN = -1, IO_ERROR = -2 };

/* "live", "closing" and so on: what a connection is doing, for a message. */
const char *conn_state_name(const conn_t *c);

/* Gives the connection its room and its member, and calls connect(). */
void conn_start(bench_t *b, conn_t *c);

/* Goes on after epoll said so, in the states ST_CONNECT and ST_TLS. */
void conn_on_connected(bench_t *b, conn_t *c);
void conn_on_tls(bench_t *b, conn_t *c);

/* Appends a masked frame to what waits. conn_flush() sends it. */
void conn_append_frame(bench_t *b, conn_t *c, unsigned opcode, const char *payload, size_t n);
void conn_append_close(bench_t *b, conn_t *c, unsigned code);

/* Writes what waits. False when the connection has no socket any more. */
bool conn_flush(bench_t *b, conn_t *c);

/* Reads up to n bytes. Returns their number or an IO_ value; *text says what went wrong for IO_ERROR. */
ssize_t conn_read(conn_t *c, char *data, size_t n, const char **text);

/* Sends our close frame, after which the connection is in ST_CLOSING. */
void conn_close(bench_t *b, conn_t *c);

/* The connection ended as it should: its socket is closed. */
void conn_done(bench_t *b, conn_t *c);

/* The connection failed: its socket is closed, and the reason is counted. */
void conn_fail(bench_t *b, conn_t *c, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Puts the connection on the list that loop.c wakes from. */
void conn_pause(bench_t *b, const conn_t *c, uint64_t ns);

/* Whether the connection is between connect() and its history. */
bool conn_is_handshaking(const conn_t *c);

#endif
