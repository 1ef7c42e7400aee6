/*
 * What a connection has done, for the line that tells of it at its end; kept where a site has a connection log alone.
 * It goes with the connection from child to child. The loop's.
 */
#ifndef TC_SHARED_USAGE_H
#define TC_SHARED_USAGE_H

#include "base/buf.h"
#include "base/uuid.h"

#include <stdbool.h>
#include <stdint.h>

#define TC_USAGE_ADDRESS_CHARS 46 /* of an IPv6 address, and its NUL */

typedef struct {
    int64_t began_us; /* monotonic; when it was taken over */
    uint64_t messages_in;
    uint64_t messages_out;
    uint64_t bytes_in; /* on the wire, but for TLS and what came with the handshake */
    uint64_t bytes_out;
    unsigned close_code; /* 0: none yet */
    bool closed_by_client;
    bool has_trip; /* else it was turned away before anybody asked */
    tc_uuid_t trip_id;
    char address[TC_USAGE_ADDRESS_CHARS];
} tc_usage_t;

/* Who it was. */
typedef struct {
    const char *site;
    const char *over; /* websocket, events or poll */
    const char *user_id; /* "": nobody */
    int child;        /* its process */
    uint64_t id;      /* in this child, as the error log has it */
    bool is_tls;
    bool is_bridged;
} tc_usage_subject_t;

/* Appends the line, with its line end: names and values, without anything that a client could break it with. */
void tc_usage_encode(const tc_usage_t *usage, const tc_usage_subject_t *subject, int64_t wall_us, int64_t now_us,
                     tc_buf_t *line);

#endif
