/*
 * The passage takes sockets from one child to another. It is a pair of local sockets, made before the children are
 * forked. Each message in it is a record of bytes and a descriptor (unix(7), SCM_RIGHTS). A message that nobody has
 * received yet waits in the kernel, even if its sender has ended. Any process may send and receive; no function blocks.
 */
#ifndef TC_ENGINE_PASSAGE_H
#define TC_ENGINE_PASSAGE_H

#include "base/buf.h"
#include "engine/system.h"

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

/* Does the caller take what this process sends? */
typedef bool tc_passage_trust_fn(void *context, const tc_system_sender_t *sender);

/*
 * Receives the next record into `record`, which must be empty, and its descriptor, which is close-on-exec. The caller
 * owns both. Every process that was forked after the passage was made has its ends. So `trusts` is asked about the
 * sender before anything that it sent is looked at, on systems that tell the sender; NULL: anybody. APR_EAGAIN: nothing
 * waits. APR_EACCES: the sender is not trusted. Any other error: a record was lost. Then its descriptor was closed.
 */
apr_status_t tc_passage_receive(const tc_passage_t *passage, tc_buf_t *record, int *fd, tc_passage_trust_fn *trusts,
                                void *context);

/* Closes both ends, where they are open. */
void tc_passage_close(tc_passage_t *passage);

#endif
