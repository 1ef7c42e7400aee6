/*
 * The send queue of a connection: frames that wait for the socket, as shared blobs in order, bounded by number and
 * bytes. If the queue is full, droppable frames (typing) are dropped first. Loop thread only.
 */
#ifndef TC_ENGINE_OUTQ_H
#define TC_ENGINE_OUTQ_H

#include "base/blob.h"
#include "base/buf.h"

#include <apr_errno.h>
#include <sys/uio.h>

#define TC_OUTQ_INLINE 8 /* frames that need no memory of their own */

typedef struct {
    tc_blob_t **slots; /* a ring: `few`, or memory from the heap */
    tc_blob_t *few[TC_OUTQ_INLINE];
    unsigned first, count, size;
    unsigned pinned;  /* frames at the front that a TLS write was tried with: they must stay */
    size_t bytes;     /* length of all frames together */
    size_t head_sent; /* bytes of the first frame that have left */
    int64_t stuck_us; /* when the first frame was found not to leave at once; monotonic; 0: it was not */
} tc_outq_t;

void tc_outq_init(tc_outq_t *queue);

/* Releases all frames. The queue is empty afterwards. */
void tc_outq_free(tc_outq_t *queue);

/*
 * Queues a frame and takes a reference of its own. The queue may hold `max_msgs` frames, and `max_bytes`. Of the first
 * frame, TC_HISTORY_BYTES do not count, because it is already leaving and may be a history. So the queue holds
 * max_bytes + TC_HISTORY_BYTES at most, or a single frame. If the frame does not fit, droppable frames are dropped to
 * make room. APR_ENOSPC: it does not fit even then and was not queued. A droppable frame that does not fit is dropped,
 * and the result is APR_SUCCESS.
 */
apr_status_t tc_outq_push(tc_outq_t *queue, tc_blob_t *frame, unsigned max_msgs, size_t max_bytes);

/* Queues a frame without regard to the bounds: a Close. */
void tc_outq_push_always(tc_outq_t *queue, tc_blob_t *frame);

/* Drops all frames except those that have begun to leave. */
void tc_outq_drop_unsent(tc_outq_t *queue);

/* Fills `iov` with the next pieces to write, at most `max`, and returns their number. They point into the frames. */
int tc_outq_peek(const tc_outq_t *queue, struct iovec *iov, int max);

/* Notes that a TLS write was tried with the first `len` bytes. Their frames then stay until the write is done. */
void tc_outq_pin(tc_outq_t *queue, size_t len);

/* Removes the first `len` bytes, which the socket took at `now_us` (monotonic). */
void tc_outq_consume(tc_outq_t *queue, size_t len, int64_t now_us);

/* Notes that the socket is full. Returns true if the first frame was not known to be stuck before. */
bool tc_outq_note_stuck(tc_outq_t *queue, int64_t now_us);

/*
 * The time (monotonic) by which a first frame that is stuck must have left: `grace_us` after it got stuck, and as long
 * as a line of TC_SLOWEST_BYTES_S needs for it. INT64_MAX: no frame is stuck.
 */
int64_t tc_outq_deadline_us(const tc_outq_t *queue, int64_t grace_us);

/* Appends a copy of all bytes that have not left. */
void tc_outq_copy(const tc_outq_t *queue, tc_buf_t *bytes);

static inline bool tc_outq_is_empty(const tc_outq_t *queue)
{
    return queue->count == 0;
}

#endif
