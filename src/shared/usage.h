/*
 * What a connection has done, for its line in the connection log, which is written when the connection ends. Kept only
 * for sites that have such a log. Moves with the connection from child to child. Loop.
 */
#ifndef TC_SHARED_USAGE_H
#define TC_SHARED_USAGE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

#define TC_USAGE_ADDRESS_CHARS 46 /* of an IPv6 address, and its NUL */

typedef struct {
    int64_t began_us; /* monotonic; when the module took the connection over */
    uint64_t messages_in;
    uint64_t messages_out;
    uint64_t bytes_in; /* on the wire, without TLS and the handshake */
    uint64_t bytes_out;
    unsigned close_code; /* 0: none yet */
    bool closed_by_client;
    const char *trip; /* behind the struct; NULL: the connection was turned away before its user was known */
    char address[TC_USAGE_ADDRESS_CHARS];
} tc_usage_t;

/* Whose connection it was, and how it came. */
typedef struct {
    const char *site;
    const char *over; /* websocket, events or poll */
    const char *user_id; /* "": not known */
    int child;        /* pid */
    uint64_t id;      /* in this child; the same as in the error log */
    bool is_tls;
    bool is_bridged;
} tc_usage_subject_t;

/*
 * Makes a zeroed usage, with a copy of the trip's id (or NULL) behind it. free() frees both. _restore() copies what a
 * connection did in another child; the trip stays.
 */
tc_usage_t *tc_usage_create(const char *trip);
void tc_usage_restore(tc_usage_t *usage, const tc_usage_t *was);

/*
 * Appends the line with its line end: the time `wall_us`, then names and values, escaped so that no client can forge a
 * field or a line. `now_us` is monotonic. No I/O.
 */
void tc_usage_encode(const tc_usage_t *usage, const tc_usage_subject_t *subject, int64_t wall_us, int64_t now_us,
                     tc_buf_t *line);

#endif
