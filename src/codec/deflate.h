/*
 * permessage-deflate (RFC 7692) over zlib: what is negotiated, messages into fewer bytes and back, within bounds. We
 * never refer to what was sent before (server_no_context_takeover), so that a room's event is compressed once for all
 * of its clients. Pure.
 */
#ifndef TC_CODEC_DEFLATE_H
#define TC_CODEC_DEFLATE_H

#include "base/buf.h"

#include <stdbool.h>

#define TC_DEFLATE_ANSWER_BYTES 128
#define TC_DEFLATE_WINDOW_BITS 15 /* of what we send */
#define TC_DEFLATE_MIN_BYTES 128 /* a shorter message is not worth it */

/* What was negotiated. Zeroed: nothing. */
typedef struct {
    uint8_t server_bits; /* the client sees back 2^bits bytes of what we send, 8 to 15; 0: no compression */
    bool client_keeps;   /* the client may refer to what it has sent before (context takeover) */
} tc_deflate_terms_t;

/*
 * Chooses among the offers of Sec-WebSocket-Extensions (NULL: none). With `keeps` a client may refer to what it has sent
 * before, which costs some 40 KB a connection. Fills *terms and writes the field that answers, "" where no offer can
 * be taken.
 */
void tc_deflate_negotiate(const char *offers, bool keeps, tc_deflate_terms_t *terms,
                          char answer[TC_DEFLATE_ANSWER_BYTES]);

/* ---- back ---- */

typedef struct tc_inflater_t tc_inflater_t; /* one thread's */

typedef enum {
    TC_INFLATE_OK,
    TC_INFLATE_BROKEN,  /* no DEFLATE data, or cut short */
    TC_INFLATE_TOO_BIG, /* it becomes more than max_bytes, or than max_ratio times as many bytes */
    TC_INFLATE_NO_MEMORY
} tc_inflate_e;

/* NULL: no memory. */
tc_inflater_t *tc_inflater_create(void);
void tc_inflater_destroy(tc_inflater_t *inflater);

/*
 * Appends what a message's payload stands for to `out`, which may hold a part of it when that fails. `keeps`: the next
 * message may refer to this one. What is shorter than 4 KB has no ratio. After a failure the inflater has forgotten
 * everything.
 */
tc_inflate_e tc_inflate(tc_inflater_t *inflater, bool keeps, const unsigned char *data, size_t len,
                        size_t max_bytes, unsigned max_ratio, tc_buf_t *out);

/* ---- forth ---- */

typedef struct tc_deflater_t tc_deflater_t; /* one thread's */

/* NULL: no memory. */
tc_deflater_t *tc_deflater_create(void);
void tc_deflater_destroy(tc_deflater_t *deflater);

/* Appends the payload that stands for `data`; false where that would not be shorter, with nothing appended. */
bool tc_deflate(tc_deflater_t *deflater, const void *data, size_t len, tc_buf_t *out);

#endif
