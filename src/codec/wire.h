/*
 * Composes whole frames of the server: header and payload in one shared blob, encoded once. Pure.
 */
#ifndef TC_CODEC_WIRE_H
#define TC_CODEC_WIRE_H

#include "base/blob.h"
#include "codec/deflate.h"
#include "codec/frame.h"

/*
 * Makes a final, unmasked frame. The blob has `extra` bytes behind the frame, from blob->data + blob->len on, which the
 * caller may fill and which are not sent. The caller owns the one reference. Any thread.
 */
tc_blob_t *tc_wire_frame(tc_opcode_e opcode, const void *payload, size_t len, size_t extra);

/* The length of the header: for a payload of this length, and in a frame of tc_wire_frame(). */
size_t tc_wire_header_len(size_t payload_len);
size_t tc_wire_frame_header_len(const tc_blob_t *frame);

/*
 * Returns the form of a frame for a client that negotiated `terms`: the compressed form if that is shorter, else the
 * frame itself. The compressed form is made once for all clients, and the frame owns it. Loop thread only.
 */
tc_blob_t *tc_wire_deflated(tc_blob_t *frame, const tc_deflate_terms_t *terms, tc_deflater_t *deflater);

#endif
