/*
 * The answer to a read of a room's list of messages (docs/protocol.md): links and results. Pure.
 */
#ifndef TC_CODEC_PAGE_H
#define TC_CODEC_PAGE_H

#include "base/buf.h"

#define TC_PAGE_NONE (-1)

/* At most one of each pair is not TC_PAGE_NONE: the seq that the link reads on from. */
typedef struct {
    const char *url; /* of the list, ready for the next parameter: it ends in ? or & */
    int64_t next_after, next_before;
    int64_t previous_after, previous_before;
    int64_t last_seq;
} tc_page_t;

#define TC_PAGE_INIT                                                                               \
    {                                                                                              \
        NULL, TC_PAGE_NONE, TC_PAGE_NONE, TC_PAGE_NONE, TC_PAGE_NONE, 0                            \
    }

/* Appends the whole answer; `results` is a JSON array. */
void tc_page_encode(tc_buf_t *buf, const tc_page_t *page, const char *results, size_t results_len);

#endif
