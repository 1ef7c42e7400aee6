/*
 * Composes the answer to a REST request for a room's messages (docs/protocol.md): links and results. Pure.
 */
#ifndef TC_CODEC_PAGE_H
#define TC_CODEC_PAGE_H

#include "base/buf.h"

#define TC_PAGE_NONE (-1)

/* Each pair gives a link: the seq after or before which it reads on. At most one of a pair is not TC_PAGE_NONE. */
typedef struct {
    const char *url; /* URL of the list, which ends in ? or &, ready for another parameter */
    int64_t next_after, next_before;
    int64_t previous_after, previous_before;
    int64_t last_seq;
    int32_t epoch; /* of the room; TC_PAGE_NONE: not known */
} tc_page_t;

#define TC_PAGE_INIT                                                                               \
    {                                                                                              \
        NULL, TC_PAGE_NONE, TC_PAGE_NONE, TC_PAGE_NONE, TC_PAGE_NONE, 0, TC_PAGE_NONE              \
    }

/* Appends the whole answer. `results` is a JSON array. */
void tc_page_encode(tc_buf_t *buf, const tc_page_t *page, const char *results, size_t results_len);

#endif
