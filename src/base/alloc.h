/*
 * Heap allocation for objects that outlive a request and cross threads: sessions, events, jobs. Objects that live as
 * long as a pool belong on the pool. Any thread. A failure ends the child with a message, as in httpd's ap_malloc().
 * The parent then starts a new child, and the clients resume by seq. That is safer than half-built objects.
 */
#ifndef TC_BASE_ALLOC_H
#define TC_BASE_ALLOC_H

#include <stddef.h>

/* Return memory that the caller frees with free(3). Never NULL. tc_alloc_zero() fills the memory with zeros. */
void *tc_alloc(size_t len_bytes) __attribute__((malloc, returns_nonnull));
void *tc_alloc_zero(size_t len_bytes) __attribute__((malloc, returns_nonnull));

/* Resizes memory that one of these functions returned; NULL is allowed. The old pointer is no longer valid. */
void *tc_realloc(void *ptr, size_t len_bytes) __attribute__((returns_nonnull));

#endif
