/*
 * permessage-deflate (RFC 7692) over zlib: negotiates the extension, compresses and inflates messages, within bounds.
 * The server always compresses without context takeover (server_no_context_takeover). So a room's event is compressed
 * once for all of its clients. Pure.
 */
#ifndef TC_CODEC_DEFLATE_H
#define TC_CODEC_DEFLATE_H

#include "base/buf.h"

#include <stdbool.h>

#define TC_DEFLATE_ANSWER_BYTES 128
#define TC_DEFLATE_WINDOW_BITS 15 /* the window that the server compresses with: 2^15 bytes */
#define TC_DEFLATE_MIN_BYTES 128 /* a shorter message is sent uncompressed */

/* What was negotiated. All zero: no compression. */
typedef struct {
    uint8_t server_bits; /* the client's window for what the server sends: 2^bits bytes, 8 to 15; 0: no compression */
    bool client_keeps;   /* context takeover: the client may refer to its earlier messages */
} tc_deflate_terms_t;

/*
 * Chooses among the offers of Sec-WebSocket-Extensions (NULL: none). If `keeps` is set, a client may keep its context
 * (context takeover), which costs some 40 KB for each connection. Fills *terms and writes the field of the answer. If
 * no offer can be accepted, the answer is "".
 */
void tc_deflate_negotiate(const char *offers, bool keeps, tc_deflate_terms_t *terms,
                          char answer[TC_DEFLATE_ANSWER_BYTES]);

/* ---- inflating ---- */

typedef struct tc_inflater_t tc_inflater_t; /* used by one thread */

typedef enum {
    TC_INFLATE_OK,
    TC_INFLATE_BROKEN,  /* the data is not DEFLATE, or was cut short */
    TC_INFLATE_TOO_BIG, /* the result exceeds max_bytes or max_ratio */
    TC_INFLATE_NO_MEMORY
} tc_inflate_e;

/* Returns NULL if there is no memory. _destroy() allows NULL. */
tc_inflater_t *tc_inflater_create(void);
void tc_inflater_destroy(tc_inflater_t *inflater);

/*
 * Inflates the payload of one message and appends the result to `out`. The result may have `max_bytes`, and may be
 * `max_ratio` times as long as the payload; up to 4 KB, the ratio does not count. If `keeps` is set, the next message
 * may refer to this one. After a failure, `out` may hold a part of the result, and the inflater's context is lost.
 */
tc_inflate_e tc_inflate(tc_inflater_t *inflater, bool keeps, const unsigned char *data, size_t len,
                        size_t max_bytes, unsigned max_ratio, tc_buf_t *out);

/* ---- compressing ---- */

typedef struct tc_deflater_t tc_deflater_t; /* used by one thread */

/* Returns NULL if there is no memory. _destroy() allows NULL. */
tc_deflater_t *tc_deflater_create(void);
void tc_deflater_destroy(tc_deflater_t *deflater);

/* Appends the compressed payload for `data`. If it is not shorter than `data`, returns false and appends nothing. */
bool tc_deflate(tc_deflater_t *deflater, const void *data, size_t len, tc_buf_t *out);

#endif
