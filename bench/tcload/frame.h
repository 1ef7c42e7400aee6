/* WebSocket frames as a client writes and reads them. RFC 6455, 5.2 and 5.3. No I/O. */
#ifndef BENCH_TCLOAD_FRAME_H
#define BENCH_TCLOAD_FRAME_H

#include "common/buf.h"

#include <stddef.h>
#include <stdint.h>

typedef struct {
    unsigned char first, second; /* the first two bytes as they came */
    size_t head_bytes;
    uint64_t len;               /* of the payload, in bytes */
} frame_t;

/* Appends a whole frame, masked with the key. The payload may be NULL when n is 0. */
void frame_append(buf_t *out, unsigned opcode, const char *payload, size_t n, uint32_t key);

/* Reads a frame's head from n bytes, at least two. Returns the bytes of the head, or 0 when they have not all come. */
size_t frame_read_head(const char *data, size_t n, frame_t *frame);

#endif
