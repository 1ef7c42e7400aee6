/*
 * Heap allocation for objects that outlive a request and cross threads: sessions, events, jobs.
 * Not for what lives as long as a pool does. Any thread. Like httpd's ap_malloc(), a failure ends the
 * child with a message: the parent starts another and the clients resume by seq, which is safer than
 * a thousand half-built objects.
 */
#ifndef TC_BASE_ALLOC_H
#define TC_BASE_ALLOC_H

#include <stddef.h>

/* Return memory that the caller frees with free(3). Never NULL. tc_alloc_zero() gives it zeroed. */
void *tc_alloc(size_t len_bytes) __attribute__((malloc, returns_nonnull));
void *tc_alloc_zero(size_t len_bytes) __attribute__((malloc, returns_nonnull));
void *tc_realloc(void *ptr, size_t len_bytes) __attribute__((returns_nonnull));

#endif
