/* The frame header and masking. RFC 6455, 5.2 and 5.3. See frame.h. */
#include "codec/frame.h"

#include <string.h>

#define LEN_16BIT 126
#define LEN_64BIT 127

size_t tc_frame_header_len(const unsigned char head[2])
{
    unsigned len7 = head[1] & 0x7f;
    size_t len = 2;

    len += len7 == LEN_16BIT ? 2 : len7 == LEN_64BIT ? 8 : 0;
    return len + ((head[1] & 0x80) ? 4 : 0);
}

static uint64_t read_big_endian(const unsigned char *data, size_t len)
{
    uint64_t value = 0;

    while (len-- > 0) {
        value = value << 8 | *data++;
    }
    return value;
}

bool tc_frame_decode_header(const unsigned char *data, tc_frame_header_t *out)
{
    unsigned len7 = data[1] & 0x7f;
    const unsigned char *rest = data + 2;

    out->fin = (data[0] & 0x80) != 0;
    out->rsv = (data[0] >> 4) & 7;
    out->opcode = data[0] & 0x0f;
    out->masked = (data[1] & 0x80) != 0;
    out->payload_len = len7;
    if (len7 == LEN_16BIT) {
        out->payload_len = read_big_endian(rest, 2);
        rest += 2;
        if (out->payload_len < LEN_16BIT) {
            return false;
        }
    }
    else if (len7 == LEN_64BIT) {
        out->payload_len = read_big_endian(rest, 8);
        rest += 8;
        if (out->payload_len <= 0xffff || out->payload_len >> 63) {
            return false;
        }
    }
    if (out->masked) {
        memcpy(out->mask, rest, 4);
    }
    return true;
}

size_t tc_frame_encode_header(tc_opcode_e opcode, uint64_t payload_len, unsigned char *out)
{
    size_t n = 2, bytes, i;

    out[0] = (unsigned char)(0x80 | opcode);
    if (payload_len < LEN_16BIT) {
        out[1] = (unsigned char)payload_len;
        return n;
    }
    bytes = payload_len <= 0xffff ? 2 : 8;
    out[1] = bytes == 2 ? LEN_16BIT : LEN_64BIT;
    for (i = bytes; i-- > 0;) {
        out[n++] = (unsigned char)(payload_len >> (8 * i));
    }
    return n;
}

void tc_frame_mask(unsigned char *data, size_t len, const uint8_t mask[4], uint64_t offset)
{
    unsigned char turned[8];
    uint64_t wide;
    size_t i;

    for (i = 0; i < 8; i++) {
        turned[i] = mask[(offset + i) & 3];
    }
    memcpy(&wide, turned, 8);
    for (i = 0; i + 8 <= len; i += 8) {
        uint64_t word;

        memcpy(&word, data + i, 8);
        word ^= wide;
        memcpy(data + i, &word, 8);
    }
    for (; i < len; i++) {
        data[i] ^= turned[i & 7];
    }
}
