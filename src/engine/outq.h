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

#define TC_OUTQ_INLINE 5 /* frames that need no memory of their own */

typedef struct {
    tc_blob_t **slots; /* a ring: `few`, or memory from the heap */
    tc_blob_t *few[TC_OUTQ_INLINE];
    unsigned first, count, size;
    unsigned pinned;  /* frames at the front that a TLS write was tried with: they must stay */
    unsigned unsent;  /* bytes that the socket had not sent when it last moved; UINT_MAX: not known; valid while due_us is set */
    size_t bytes;     /* length of all frames together */
    size_t head_sent; /* bytes of the first frame that have left */
    int64_t due_us;   /* by when the first frame must have left, which did not leave at once; monotonic; 0: it is not stuck */
    int64_t moved_us; /* when bytes left last, or when the frame got stuck; valid while due_us is set */
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

/*
 * Notes that the socket is full; `unsent` of its bytes have not left the machine's side of the connection
 * (tc_system_unsent()). Returns true if the first frame was not known to be stuck before. The frame then must have left
 * after `grace_us` and as long as a line of TC_SLOWEST_BYTES_S needs for it and for what stands before it.
 */
bool tc_outq_note_stuck(tc_outq_t *queue, int64_t now_us, int64_t grace_us, size_t unsent);

/*
 * The time (monotonic) at which to ask tc_outq_is_too_slow(), if nothing moves until then; INT64_MAX: no frame is stuck.
 * It is true if no byte has moved for `patience_us`, or if the time that tc_outq_note_stuck() gave the frame is over.
 */
int64_t tc_outq_deadline_us(const tc_outq_t *queue, int64_t patience_us);
bool tc_outq_is_too_slow(tc_outq_t *queue, int64_t now_us, int64_t patience_us, size_t unsent);

/* Appends a copy of all bytes that have not left. */
void tc_outq_copy(const tc_outq_t *queue, tc_buf_t *bytes);

/*
 * About what the queue would free: of each frame, and of its other forms, the share of one of those who hold it. Only the
 * newest frames of a long queue are looked at.
 */
size_t tc_outq_share(const tc_outq_t *queue);

static inline bool tc_outq_is_empty(const tc_outq_t *queue)
{
    return queue->count == 0;
}

#endif
