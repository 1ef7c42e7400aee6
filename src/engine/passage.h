/*
 * The passage takes sockets from one child to another. It is a pair of local sockets, made before the children are
 * forked. Each message in it is a record of bytes and a descriptor (unix(7), SCM_RIGHTS). A message that nobody has
 * received yet waits in the kernel, even if its sender has ended. Any process may send and receive; no function blocks.
 */
#ifndef TC_ENGINE_PASSAGE_H
#define TC_ENGINE_PASSAGE_H

#include "base/buf.h"

#include <apr_errno.h>
#include <stdbool.h>

#define TC_PASSAGE_INLINE_BYTES 16384 /* a longer record goes in a file in memory (memfd_create(2)) */

typedef struct {
    int out; /* -1: there is no passage */
    int in;
} tc_passage_t;

/* Makes the pair of sockets, non-blocking and close-on-exec. If that fails, both ends are -1. */
apr_status_t tc_passage_open(tc_passage_t *passage);

/*
 * Sends a copy of the record and a duplicate of `fd`, which stays the caller's. APR_EAGAIN: the passage is full, try
 * later. APR_ENOSPC: the record is longer than TC_PASSAGE_RECORD_BYTES.
 */
apr_status_t tc_passage_send(const tc_passage_t *passage, const void *record, size_t len, int fd);

/*
 * Receives the next record into `record`, which must be empty, and its descriptor, which is close-on-exec. The caller
 * owns both. APR_EAGAIN: nothing waits. Any other error: a record was lost, and its descriptor was closed.
 */
apr_status_t tc_passage_receive(const tc_passage_t *passage, tc_buf_t *record, int *fd);

#endif
