/* Whole server frames. See wire.h. */
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
