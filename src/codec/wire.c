/* Composes whole frames of the server. See wire.h. */
#include "codec/wire.h"

#include <string.h>

size_t tc_wire_header_len(size_t payload_len)
{
    unsigned char header[TC_FRAME_HEADER_MAX_BYTES];

    return tc_frame_encode_header(TC_OPCODE_TEXT, payload_len, header);
}

size_t tc_wire_frame_header_len(const tc_blob_t *frame)
{
    return tc_frame_header_len(frame->data);
}

tc_blob_t *tc_wire_frame(tc_opcode_e opcode, const void *payload, size_t len, size_t extra)
{
    unsigned char header[TC_FRAME_HEADER_MAX_BYTES];
    size_t header_len = tc_frame_encode_header(opcode, len, header);
    tc_blob_t *blob = tc_blob_create(header_len + len + extra);

    blob->len = header_len + len;
    memcpy(blob->data, header, header_len);
    if (len > 0) {
        memcpy(blob->data + header_len, payload, len);
    }
    return blob;
}

#define RSV1 0x40 /* in a frame's first byte: RFC 7692, 6 */

static tc_blob_t *deflate_frame(const tc_blob_t *frame, size_t header_len, tc_deflater_t *deflater)
{
    tc_buf_t payload = TC_BUF_INIT;
    tc_blob_t *deflated = NULL;

    if (tc_deflate(deflater, frame->data + header_len, frame->len - header_len, &payload)) {
        deflated = tc_wire_frame((tc_opcode_e)(frame->data[0] & 0x0f), payload.data, payload.len, 0);
        deflated->data[0] |= RSV1;
        deflated->droppable = frame->droppable;
        deflated->flight = tc_flight_ref(frame->flight);
    }
    tc_buf_free(&payload);
    return deflated;
}

/*
 * The server compresses with its own window, which may be wider than the client's. A message that is not longer than
 * the client's window cannot refer further back than that window, so only longer ones stay uncompressed. So do the longest:
 * a history may have megabytes, and the loop would stand still for a quarter of a second.
 */
tc_blob_t *tc_wire_deflated(tc_blob_t *frame, const tc_deflate_terms_t *terms, tc_deflater_t *deflater)
{
    size_t header_len = tc_wire_frame_header_len(frame), len = frame->len - header_len;
    bool is_far = terms->server_bits < TC_DEFLATE_WINDOW_BITS && len > (size_t)1 << terms->server_bits;

    if (len < TC_DEFLATE_MIN_BYTES || is_far || len > TC_DEFLATE_MOST_BYTES || tc_opcode_is_control(frame->data[0] & 0x0f)) {
        return frame;
    }
    if (!frame->deflate_tried) {
        frame->deflate_tried = true;
        frame->deflated = deflate_frame(frame, header_len, deflater);
    }
    return frame->deflated ? frame->deflated : frame;
}
