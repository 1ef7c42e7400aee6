/* See frame.h. */
#include "tcload/frame.h"

#include <string.h>

/* Writes the head and returns its length. */
static size_t head_write(unsigned char head[14], unsigned opcode, size_t n, uint32_t key)
{
    size_t h = 2;

    head[0] = (unsigned char)(0x80 | opcode);
    if (n < 126) {
        head[1] = (unsigned char)(0x80 | n);
    }
    else {
        size_t width = n < 65536 ? 2 : 8;

        head[1] = width == 2 ? 0x80 | 126 : 0x80 | 127;
        for (size_t k = 0; k < width; k++)
            head[h++] = (unsigned char)((uint64_t)n >> (8 * (width - 1 - k)));
    }
    memcpy(head + h, &key, 4);
    return h + 4;
}

/* Eight bytes at a time, as far as it goes. */
static void mask_copy(char *at, const char *payload, size_t n, uint32_t key)
{
    uint64_t key2 = (uint64_t)key << 32 | key, word;
    size_t i = 0;

    for (; i + 8 <= n; i += 8) {
        memcpy(&word, payload + i, 8);
        word ^= key2;
        memcpy(at + i, &word, 8);
    }
    for (; i < n; i++)
        at[i] = (char)(payload[i] ^ ((const char *)&key)[i & 3]);
}

void frame_append(buf_t *out, unsigned opcode, const char *payload, size_t n, uint32_t key)
{
    unsigned char head[14];
    size_t h = head_write(head, opcode, n, key);

    buf_reserve(out, h + n);
    memcpy(out->data + out->len, head, h);
    mask_copy(out->data + out->len + h, payload, n, key);
    out->len += h + n;
}

size_t frame_read_head(const char *data, size_t n, frame_t *frame)
{
    const unsigned char *f = (const unsigned char *)data;
    size_t width = f[1] == 126 ? 2 : f[1] == 127 ? 8 : 0;

    frame->first = f[0];
    frame->second = f[1];
    frame->head_bytes = 2 + width;
    frame->len = f[1];
    if (n < frame->head_bytes)
        return 0;
    if (width) {
        frame->len = 0;
        for (size_t i = 2; i < frame->head_bytes; i++)
            frame->len = frame->len << 8 | f[i];
    }
    return frame->head_bytes;
}
