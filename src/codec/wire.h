/*
 * Whole server frames, encoded once: header and payload in one shared blob. Pure.
 */
#ifndef TC_CODEC_WIRE_H
#define TC_CODEC_WIRE_H

#include "base/blob.h"
#include "codec/deflate.h"
#include "codec/frame.h"

/*
 * A final, unmasked frame. `extra` bytes behind the frame are the caller's to fill (blob->data +
 * blob->len on); they are not sent. One reference, the caller's.
 */
tc_blob_t *tc_wire_frame(tc_opcode_e opcode, const void *payload, size_t len, size_t extra);

/* Bytes of the header in front of a payload of this length, and in a frame made above. */
size_t tc_wire_header_len(size_t payload_len);
size_t tc_wire_frame_header_len(const tc_blob_t *frame);

/*
 * A data frame for a client that has negotiated `terms`: the frame itself, or its compressed form where that is
 * shorter, made once for all and owned by the frame. Loop.
 */
tc_blob_t *tc_wire_deflated(tc_blob_t *frame, const tc_deflate_terms_t *terms, tc_deflater_t *deflater);

#endif
