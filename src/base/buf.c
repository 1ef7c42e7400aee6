/* A growable byte buffer. See buf.h. */
#include "base/buf.h"

#include "base/alloc.h"

#include <stdlib.h>

unsigned char *tc_buf_reserve(tc_buf_t *buf, size_t more)
{
    size_t need = buf->len + more;

    if (need > buf->size) {
        size_t size = buf->size ? buf->size : 256;

        while (size < need) {
            size *= 2;
        }
        buf->data = tc_realloc(buf->data, size);
        buf->size = size;
    }
    return buf->data + buf->len;
}

void tc_buf_append(tc_buf_t *buf, const void *data, size_t len)
{
    if (len > 0) {
        memcpy(tc_buf_reserve(buf, len), data, len);
        buf->len += len;
    }
}

void tc_buf_append_int(tc_buf_t *buf, int64_t value)
{
    char digits[24];
    size_t n = sizeof(digits);
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

    do {
        digits[--n] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (value < 0) {
        digits[--n] = '-';
    }
    tc_buf_append(buf, digits + n, sizeof(digits) - n);
}

void tc_buf_free(tc_buf_t *buf)
{
    free(buf->data);
    buf->data = NULL;
    buf->len = buf->size = 0;
}
