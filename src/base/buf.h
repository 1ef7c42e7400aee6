/*
 * A growable byte buffer in which JSON and frames are composed. One thread at a time owns a buffer. Its bytes are on
 * the heap; tc_buf_free() frees them.
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

/* Makes room for `more` bytes behind len and returns a pointer to that room. Does not change len. */
unsigned char *tc_buf_reserve(tc_buf_t *buf, size_t more);

/* Appends a copy of the bytes, or a number in decimal digits. */
void tc_buf_append(tc_buf_t *buf, const void *data, size_t len);
void tc_buf_append_int(tc_buf_t *buf, int64_t value);

/* Frees the bytes. The buffer is empty afterwards and may be used again. */
void tc_buf_free(tc_buf_t *buf);

/* Appends a string literal. */
#define TC_BUF_LIT(buf, literal) tc_buf_append((buf), "" literal "", sizeof(literal) - 1)

static inline void tc_buf_append_str(tc_buf_t *buf, const char *str)
{
    tc_buf_append(buf, str, strlen(str));
}

#endif
