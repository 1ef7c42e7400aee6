/*
 * Frames that wait for a socket: shared blobs in order, bounded by number and bytes. Under pressure the
 * droppable ones (typing) go first. The loop's.
 */
#ifndef TC_ENGINE_OUTQ_H
#define TC_ENGINE_OUTQ_H

#include "base/blob.h"
#include "base/buf.h"

#include <apr_errno.h>
#include <sys/uio.h>

#define TC_OUTQ_INLINE 8 /* frames that need no memory of their own */

typedef struct {
    tc_blob_t **slots; /* few, or from the heap; a ring */
    tc_blob_t *few[TC_OUTQ_INLINE];
    unsigned first, count, size;
    unsigned pinned;  /* frames at the front that a TLS write has been tried with: they must stay */
    size_t bytes;     /* of all frames */
    size_t head_sent; /* bytes of the first that have left */
} tc_outq_t;

void tc_outq_init(tc_outq_t *queue);

/* Gives back all frames. */
void tc_outq_free(tc_outq_t *queue);

/*
 * Queues a frame with a reference of the queue's own. APR_ENOSPC: it would be more than `max_msgs` in
 * all or `max_bytes` behind the first, which is leaving (a long history, say), even without the
 * droppable ones; nothing was queued. A droppable frame that does not fit is left out: APR_SUCCESS.
 */
apr_status_t tc_outq_push(tc_outq_t *queue, tc_blob_t *frame, unsigned max_msgs, size_t max_bytes);

/* Queues a frame whatever the bounds: a Close. */
void tc_outq_push_always(tc_outq_t *queue, tc_blob_t *frame);

/* Drops all frames but those that have begun to leave. */
void tc_outq_drop_unsent(tc_outq_t *queue);

/* Fills `iov` with at most `max` pieces to write; returns how many. */
int tc_outq_peek(const tc_outq_t *queue, struct iovec *iov, int max);

/* A TLS write was tried with the first `len` bytes: their frames must stay until it is done. */
void tc_outq_pin(tc_outq_t *queue, size_t len);

/* `len` bytes have left, now. */
void tc_outq_consume(tc_outq_t *queue, size_t len, int64_t now_us);

/* Appends all bytes that have not left. */
void tc_outq_copy(const tc_outq_t *queue, tc_buf_t *bytes);

static inline bool tc_outq_is_empty(const tc_outq_t *queue)
{
    return queue->count == 0;
}

#endif
