/* base64url. See base64url.h. */
#include "codec/base64url.h"

static int digit(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

bool tc_base64url_decode(tc_buf_t *out, const char *text, size_t len)
{
    unsigned char *bytes;
    unsigned bits = 0;
    size_t i, got = 0;

    if (len == 0 || len % 4 == 1) {
        return false;
    }
    bytes = tc_buf_reserve(out, len / 4 * 3 + 3);
    for (i = 0; i < len; i++) {
        int value = digit(text[i]);

        if (value < 0) {
            return false;
        }
        bits = bits << 6 | (unsigned)value;
        if (i % 4 != 0) { /* a group of four digits gives three bytes: none at its first digit */
            bytes[got++] = (unsigned char)(bits >> (6 - 2 * (i % 4)));
        }
    }
    out->len += got;
    return true;
}
