/*
 * A growable byte buffer, the paper that JSON and frames are written on. Owned by one thread at a
 * time; its bytes come from the heap and go with tc_buf_free().
 */
#ifndef TC_BASE_BUF_H
#define TC_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    unsigned char *data; /* NULL while nothing was written */
    size_t len;
    size_t size;
} tc_buf_t;

/* An empty buffer: `tc_buf_t buf = TC_BUF_INIT;` */
#define TC_BUF_INIT {NULL, 0, 0}

/* Makes room for `more` bytes behind len and returns where they start. */
unsigned char *tc_buf_reserve(tc_buf_t *buf, size_t more);

void tc_buf_append(tc_buf_t *buf, const void *data, size_t len);
void tc_buf_append_int(tc_buf_t *buf, int64_t value);

/* Frees the bytes; the buffer is empty again. */
void tc_buf_free(tc_buf_t *buf);

/* Appends a string literal. */
#define TC_BUF_LIT(buf, literal) tc_buf_append((buf), "" literal "", sizeof(literal) - 1)

static inline void tc_buf_append_str(tc_buf_t *buf, const char *str)
{
    tc_buf_append(buf, str, strlen(str));
}

#endif
