/* Shared immutable bytes. See blob.h. */
#include "base/blob.h"

#include "base/alloc.h"
#include "base/weight.h"

#include <stdlib.h>

tc_blob_t *tc_blob_create(size_t size)
{
    tc_blob_t *blob = tc_alloc(sizeof(*blob) + size);

    blob->other = blob->deflated = NULL;
    blob->flight = NULL;
    blob->deflate_tried = false;
    blob->refs = 1;
    blob->droppable = false;
    blob->len = blob->size = size;
    tc_weight_add(sizeof(*blob) + size);
    return blob;
}

/* NOLINTNEXTLINE(misc-no-recursion): the blob in `other` has no `other` of its own */
void tc_blob_unref(tc_blob_t *blob)
{
    if (blob != NULL && --blob->refs == 0) {
        tc_blob_unref(blob->other);
        tc_blob_unref(blob->deflated);
        tc_flight_unref(blob->flight);
        tc_weight_sub(sizeof(*blob) + blob->size);
        free(blob);
    }
}
