/*
 * Immutable, reference-counted bytes: a frame that is encoded once and waits in many queues. Any thread may make a
 * blob and hand it over to the loop. From then on only the loop thread counts references, so the count is not atomic.
 */
#ifndef TC_BASE_BLOB_H
#define TC_BASE_BLOB_H

#include "base/flight.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct tc_blob_t {
    struct tc_blob_t *other; /* owner's thread; a reference: the same content for streams; NULL: not made yet */
    struct tc_blob_t *deflated; /* a reference: the compressed form; NULL: not tried, or not shorter */
    tc_flight_t *flight; /* owner's thread; a reference; NULL: the blob belongs to no flight */
    uint32_t refs;      /* owner's thread */
    bool deflate_tried; /* owner's thread */
    bool droppable;     /* ephemeral: a full queue may drop the frame */
    size_t len;         /* bytes that go on the wire */
    size_t size;        /* bytes in data; those behind len are not sent, their maker decides what they hold */
    unsigned char data[];
} tc_blob_t;

/* Makes a blob of `size` bytes that are not initialized, with len == size. The caller owns the one reference. */
tc_blob_t *tc_blob_create(size_t size);

static inline tc_blob_t *tc_blob_ref(tc_blob_t *blob)
{
    blob->refs++;
    return blob;
}

/* Gives one reference back; the last one frees the blob. NULL is allowed. */
void tc_blob_unref(tc_blob_t *blob);

#endif
