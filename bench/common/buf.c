/* See buf.h. */
#include "common/buf.h"
#include "common/util.h"

#include <stdlib.h>
#include <string.h>

void buf_reserve(buf_t *f, size_t more)
{
    size_t cap = f->cap ? f->cap : 512;

    if (f->off == f->len)
        f->off = f->len = 0;
    while (cap < f->len + more)
        cap *= 2;
    if (cap != f->cap) {
        f->data = grow(f->data, cap, 1);
        f->cap = cap;
    }
}

void buf_append(buf_t *f, const void *data, size_t n)
{
    buf_reserve(f, n);
    memcpy(f->data + f->len, data, n);
    f->len += n;
}

void buf_free(buf_t *f)
{
    free(f->data);
    memset(f, 0, sizeof(*f));
}
