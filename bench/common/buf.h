/* A buffer of bytes that grows. One thread runs it. */
#ifndef BENCH_COMMON_BUF_H
#define BENCH_COMMON_BUF_H

#include <stddef.h>

typedef struct {
    char *data;
    size_t off, len, cap;       /* the bytes are data[off..len) */
} buf_t;

/* Makes room for `more` bytes behind data[len]. A buffer without bytes starts again at data[0]. */
void buf_reserve(buf_t *f, size_t more);

/* Copies n bytes to the end. */
void buf_append(buf_t *f, const void *data, size_t n);

/* Frees the memory. The buffer is empty then, and may be used again. */
void buf_free(buf_t *f);

#endif
