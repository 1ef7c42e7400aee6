/*
 * Immutable, reference-counted bytes: a frame that is encoded once and waits in many queues. Made by
 * any thread, handed over whole; from then on one thread (the loop) counts, so the count is plain.
 */
#ifndef TC_BASE_BLOB_H
#define TC_BASE_BLOB_H

#include "base/flight.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct tc_blob_t {
    struct tc_blob_t *other; /* owner's thread; the same in another form, a reference; NULL: none yet */
    struct tc_blob_t *deflated; /* the same, compressed; NULL: not tried, or not worth it */
    tc_flight_t *flight; /* owner's thread; a reference; NULL: it is on none */
    uint32_t refs;      /* owner's thread */
    bool deflate_tried; /* owner's thread */
    bool droppable;     /* ephemeral: may be left out under pressure */
    size_t len;         /* bytes that go on the wire */
    size_t size;        /* bytes in data; what lies behind len is the maker's own */
    unsigned char data[];
} tc_blob_t;

/* A blob of `size` unwritten bytes, len == size, one reference. */
tc_blob_t *tc_blob_create(size_t size);

static inline tc_blob_t *tc_blob_ref(tc_blob_t *blob)
{
    blob->refs++;
    return blob;
}

/* Gives one reference back; the last frees it. NULL is allowed. */
void tc_blob_unref(tc_blob_t *blob);

#endif
