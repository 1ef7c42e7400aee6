/*
 * The way by which sockets go from one process to another: a pair of local sockets that was made before the
 * processes were forked, with records of bytes and a descriptor each (unix(7), SCM_RIGHTS). What was sent and
 * not received waits in the kernel, whoever has ended meanwhile. Any process may send and receive; nothing here
 * blocks.
 */
#ifndef TC_ENGINE_PASSAGE_H
#define TC_ENGINE_PASSAGE_H

#include "base/buf.h"

#include <apr_errno.h>
#include <stdbool.h>

#define TC_PASSAGE_INLINE_BYTES 16384 /* of a record; a longer one goes in a file in memory */

typedef struct {
    int out; /* -1: there is no passage */
    int in;
} tc_passage_t;

/* Both ends non-blocking and close-on-exec. */
apr_status_t tc_passage_open(tc_passage_t *passage);

/* Sends a copy of the record and of the descriptor, which stays the caller's. APR_EAGAIN: not now. */
apr_status_t tc_passage_send(const tc_passage_t *passage, const void *record, size_t len, int fd);

/*
 * Takes the next record into an empty `record`, with its descriptor, close-on-exec; both are the caller's. APR_EAGAIN:
 * there is none. Anything else: one was lost, with its descriptor closed.
 */
apr_status_t tc_passage_receive(const tc_passage_t *passage, tc_buf_t *record, int *fd);

#endif
