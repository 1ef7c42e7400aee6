/* Compressing and inflating for permessage-deflate. RFC 7692. See deflate.h. deflate_terms.c negotiates. */
#include "codec/deflate.h"

#include <stdlib.h>
#define ZLIB_CONST /* makes zlib's input pointers const */
#include <zlib.h>

#define WINDOW_BITS (-TC_DEFLATE_WINDOW_BITS) /* negative: raw DEFLATE, without zlib's header */
#define MEMORY_LEVEL 8
#define LEVEL 6
#define CHUNK_BYTES 4096
#define NO_RATIO_BYTES 4096
#define WINDOW_BYTES 32768

static const unsigned char tail[4] = {0x00, 0x00, 0xff, 0xff}; /* the sender cuts these bytes off: RFC 7692, 7.2.1 */

/* ---- inflating ---- */

struct tc_inflater_t {
    z_stream z;
};

tc_inflater_t *tc_inflater_create(void)
{
    tc_inflater_t *inflater = calloc(1, sizeof(*inflater));

    if (inflater != NULL && inflateInit2(&inflater->z, WINDOW_BITS) != Z_OK) {
        free(inflater);
        return NULL;
    }
    return inflater;
}

void tc_inflater_destroy(tc_inflater_t *inflater)
{
    if (inflater != NULL) {
        (void)inflateEnd(&inflater->z);
        free(inflater);
    }
}

/*
 * A final block ends zlib's stream, but not the message (RFC 7692, 7.2.3.5). Later blocks may refer to what came
 * before, so the window is kept.
 */
static bool begin_anew(z_stream *z)
{
    unsigned char window[WINDOW_BYTES];
    uInt len = 0;

    return inflateGetDictionary(z, window, &len) == Z_OK && inflateReset(z) == Z_OK
           && (len == 0 || inflateSetDictionary(z, window, len) == Z_OK);
}

/* Inflates one piece of the payload. `out` never grows beyond `max_bytes` + 1. */
static tc_inflate_e inflate_piece(z_stream *z, const unsigned char *data, size_t len, size_t max_bytes,
                                  tc_buf_t *out)
{
    z->next_in = data;
    z->avail_in = (uInt)len;
    do {
        size_t room = max_bytes + 1 - out->len;
        int rc;

        z->next_out = tc_buf_reserve(out, CHUNK_BYTES);
        z->avail_out = room < CHUNK_BYTES ? (uInt)room : CHUNK_BYTES;
        rc = inflate(z, Z_SYNC_FLUSH);
        out->len = (size_t)(z->next_out - out->data);
        if (out->len > max_bytes) {
            return TC_INFLATE_TOO_BIG;
        }
        if (rc == Z_MEM_ERROR) {
            return TC_INFLATE_NO_MEMORY;
        }
        if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR) {
            return TC_INFLATE_BROKEN;
        }
        /* The end code of a block may have been read with the bytes before it, so this call may have read none. */
        if (rc == Z_STREAM_END && !begin_anew(z)) {
            return TC_INFLATE_BROKEN;
        }
        if (rc == Z_BUF_ERROR) {
            break; /* inflate() needs more input than there is */
        }
    } while (z->avail_in > 0 || z->avail_out == 0);
    return TC_INFLATE_OK;
}

/* True at the end of a block, as zlib tells it in data_type. A payload that was cut short ends inside a block. */
static bool is_between_blocks(const z_stream *z)
{
    return (z->data_type & 128) != 0;
}

tc_inflate_e tc_inflate(tc_inflater_t *inflater, bool keeps, const unsigned char *data, size_t len,
                        size_t max_bytes, unsigned max_ratio, tc_buf_t *out)
{
    size_t start = out->len, by_ratio = len > SIZE_MAX / max_ratio ? SIZE_MAX : len * max_ratio;
    size_t most = by_ratio < NO_RATIO_BYTES ? NO_RATIO_BYTES : by_ratio;
    tc_inflate_e result;

    if (len == 0) {
        return TC_INFLATE_OK; /* strictly, an empty message has one byte; no bytes can only mean the same */
    }
    most = start + (most < max_bytes ? most : max_bytes);
    result = inflate_piece(&inflater->z, data, len, most, out);
    if (result == TC_INFLATE_OK) {
        result = inflate_piece(&inflater->z, tail, sizeof(tail), most, out);
    }
    if (result == TC_INFLATE_OK && !is_between_blocks(&inflater->z)) {
        result = TC_INFLATE_BROKEN;
    }
    if (!keeps || result != TC_INFLATE_OK) {
        (void)inflateReset(&inflater->z);
    }
    return result;
}

/* ---- compressing ---- */

struct tc_deflater_t {
    z_stream z;
};

tc_deflater_t *tc_deflater_create(void)
{
    tc_deflater_t *deflater = calloc(1, sizeof(*deflater));

    if (deflater != NULL
        && deflateInit2(&deflater->z, LEVEL, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL, Z_DEFAULT_STRATEGY)
               != Z_OK) {
        free(deflater);
        return NULL;
    }
    return deflater;
}

void tc_deflater_destroy(tc_deflater_t *deflater)
{
    if (deflater != NULL) {
        (void)deflateEnd(&deflater->z);
        free(deflater);
    }
}

bool tc_deflate(tc_deflater_t *deflater, const void *data, size_t len, tc_buf_t *out)
{
    z_stream *z = &deflater->z;
    size_t start = out->len;

    z->next_in = data;
    z->avail_in = (uInt)len;
    z->next_out = tc_buf_reserve(out, len + sizeof(tail));
    z->avail_out = (uInt)(len + sizeof(tail)); /* output that does not fit is not shorter than the input */
    if (deflate(z, Z_SYNC_FLUSH) == Z_OK && z->avail_in == 0 && z->avail_out > 0) {
        out->len = (size_t)(z->next_out - out->data) - sizeof(tail);
    }
    (void)deflateReset(z);
    if (out->len - start >= len) {
        out->len = start;
    }
    return out->len > start;
}
