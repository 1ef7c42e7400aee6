/*
 * Decodes and encodes the WebSocket frame header (RFC 6455, 5.2); masks payloads (5.3). Pure; no allocation.
 */
#ifndef TC_CODEC_FRAME_H
#define TC_CODEC_FRAME_H

#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    TC_OPCODE_CONTINUATION = 0x0,
    TC_OPCODE_TEXT = 0x1,
    TC_OPCODE_BINARY = 0x2,
    TC_OPCODE_CLOSE = 0x8,
    TC_OPCODE_PING = 0x9,
    TC_OPCODE_PONG = 0xa
} tc_opcode_e;

typedef struct {
    uint64_t payload_len;
    uint8_t opcode;
    uint8_t rsv;  /* the three reserved bits, 0..7 */
    bool fin;
    bool masked;
    uint8_t mask[4];
} tc_frame_header_t;

static inline bool tc_opcode_is_control(unsigned opcode)
{
    return (opcode & 0x8) != 0;
}

/* The length in bytes of the header whose first two bytes are `head`. */
size_t tc_frame_header_len(const unsigned char head[2]);

/*
 * Decodes a whole header of tc_frame_header_len() bytes. Returns false, which is a protocol error (5.2), if the payload
 * length is not in its shortest form or has its top bit set.
 */
bool tc_frame_decode_header(const unsigned char *data, tc_frame_header_t *out);

/* Writes the header of an unmasked, final frame to `out`. Returns its length, 10 bytes at most. */
size_t tc_frame_encode_header(tc_opcode_e opcode, uint64_t payload_len, unsigned char *out);

/* Masks or unmasks a piece of a payload in place. `offset` is the piece's place in the payload (5.3). */
void tc_frame_mask(unsigned char *data, size_t len, const uint8_t mask[4], uint64_t offset);

#endif
