/* Makes messages of frames. RFC 6455, 5.4 to 5.6 and 8.1. See reader.h. */
#include "codec/reader.h"

#include "codec/close.h"

#define RSV1 4 /* in tc_frame_header_t.rsv */

void tc_reader_init(tc_reader_t *reader, size_t max_message_bytes)
{
    memset(reader, 0, sizeof(*reader));
    reader->max_message_bytes = max_message_bytes;
}

void tc_reader_free(tc_reader_t *reader)
{
    tc_buf_free(&reader->message);
    tc_buf_free(&reader->control);
}

/* Bytes that the message may still get. The message may have been gathered under another limit. */
static size_t room_left(const tc_reader_t *reader)
{
    return reader->max_message_bytes > reader->message.len ? reader->max_message_bytes - reader->message.len : 0;
}

bool tc_reader_restore(tc_reader_t *reader, const tc_reader_t *was)
{
    bool control = tc_opcode_is_control(was->frame.opcode);
    uint64_t left = was->frame.payload_len - was->payload_done;

    reader->payload_done = was->payload_done;
    reader->frame = was->frame;
    memcpy(reader->header, was->header, sizeof(reader->header));
    reader->header_len = was->header_len;
    reader->message_opcode = was->message_opcode;
    reader->in_payload = was->in_payload;
    reader->takes_deflated = was->takes_deflated;
    reader->deflated = was->deflated;
    reader->utf8 = was->utf8;
    if (reader->message.len > reader->max_message_bytes || reader->control.len > TC_CONTROL_MAX_BYTES
        || reader->header_len >= sizeof(reader->header)) {
        return false;
    }
    return !was->in_payload || (was->payload_done <= was->frame.payload_len
                                && left <= (control ? TC_CONTROL_MAX_BYTES : room_left(reader)));
}

bool tc_reader_is_idle(const tc_reader_t *reader)
{
    return reader->header_len == 0 && !reader->in_payload && reader->message_opcode == 0;
}

static tc_read_e fail(tc_read_item_t *item, unsigned code, const char *why)
{
    item->close_code = code;
    item->why = why;
    return TC_READ_FAIL;
}

static tc_read_e check_control(const tc_frame_header_t *frame, tc_read_item_t *item)
{
    if (frame->opcode > TC_OPCODE_PONG) {
        return fail(item, TC_CLOSE_PROTOCOL, "reserved opcode");
    }
    if (!frame->fin) {
        return fail(item, TC_CLOSE_PROTOCOL, "fragmented control frame");
    }
    if (frame->payload_len > TC_CONTROL_MAX_BYTES) {
        return fail(item, TC_CLOSE_PROTOCOL, "control frame over 125 bytes");
    }
    return TC_READ_MORE;
}

static tc_read_e check_data(tc_reader_t *reader, tc_read_item_t *item)
{
    const tc_frame_header_t *frame = &reader->frame;

    if (frame->opcode > TC_OPCODE_BINARY) {
        return fail(item, TC_CLOSE_PROTOCOL, "reserved opcode");
    }
    if (frame->opcode == TC_OPCODE_CONTINUATION && reader->message_opcode == 0) {
        return fail(item, TC_CLOSE_PROTOCOL, "continuation of nothing");
    }
    if (frame->opcode != TC_OPCODE_CONTINUATION && reader->message_opcode != 0) {
        return fail(item, TC_CLOSE_PROTOCOL, "message inside a message");
    }
    if (frame->payload_len > room_left(reader)) {
        return fail(item, TC_CLOSE_TOO_BIG, "message too big");
    }
    if (frame->opcode != TC_OPCODE_CONTINUATION) {
        reader->message_opcode = frame->opcode;
        reader->deflated = frame->rsv == RSV1;
        memset(&reader->utf8, 0, sizeof(reader->utf8));
    }
    return TC_READ_MORE;
}

/* RSV1 in the first frame of a message says that the whole message is compressed (RFC 7692, 6). */
static bool may_be_deflated(const tc_reader_t *reader)
{
    const tc_frame_header_t *frame = &reader->frame;

    return reader->takes_deflated && frame->rsv == RSV1
           && (frame->opcode == TC_OPCODE_TEXT || frame->opcode == TC_OPCODE_BINARY);
}

/* Everything that a header alone can break is said here, before a byte of payload is kept. */
static tc_read_e begin_frame(tc_reader_t *reader, tc_read_item_t *item)
{
    tc_frame_header_t *frame = &reader->frame;

    reader->header_len = 0;
    if (!tc_frame_decode_header(reader->header, frame)) {
        return fail(item, TC_CLOSE_PROTOCOL, "length not in its shortest form");
    }
    if (frame->rsv != 0 && !may_be_deflated(reader)) {
        return fail(item, TC_CLOSE_PROTOCOL, "reserved bit set");
    }
    if (!frame->masked) {
        return fail(item, TC_CLOSE_PROTOCOL, "frame not masked");
    }
    reader->in_payload = true;
    reader->payload_done = 0;
    reader->frames++;
    reader->empty_frames += tc_opcode_is_control(frame->opcode) || (frame->payload_len == 0 && !frame->fin);
    return tc_opcode_is_control(frame->opcode) ? check_control(frame, item)
                                               : check_data(reader, item);
}

/* Reads the header as far as it has come. True if the header is complete. */
static bool read_header(tc_reader_t *reader, unsigned char **pos, unsigned char *end)
{
    size_t need = 2;

    while (*pos < end) {
        reader->header[reader->header_len++] = *(*pos)++;
        if (reader->header_len >= 2) {
            need = tc_frame_header_len(reader->header);
        }
        if (reader->header_len == need) {
            return true;
        }
    }
    return false;
}

/* A control payload that comes in one piece stays in the input. A payload that comes in pieces is gathered. */
static tc_read_e take_control(tc_reader_t *reader, unsigned char *data, size_t len, bool whole,
                              tc_read_item_t *item)
{
    item->opcode = reader->frame.opcode;
    item->deflated = false;
    item->data = data;
    item->len = len;
    if (!whole || reader->control.len > 0) {
        tc_buf_append(&reader->control, data, len);
        item->data = reader->control.data;
        item->len = reader->control.len;
    }
    if (!whole) {
        return TC_READ_MORE;
    }
    reader->in_payload = false;
    reader->control.len = 0;
    return TC_READ_CONTROL;
}

static tc_read_e take_data(tc_reader_t *reader, unsigned char *data, size_t len, bool whole,
                           tc_read_item_t *item)
{
    bool text = reader->message_opcode == TC_OPCODE_TEXT && !reader->deflated;
    bool last = whole && reader->frame.fin;

    if (text && !tc_utf8_feed(&reader->utf8, data, len)) {
        return fail(item, TC_CLOSE_BAD_DATA, "text is not UTF-8");
    }
    if (text && last && !tc_utf8_is_complete(&reader->utf8)) {
        return fail(item, TC_CLOSE_BAD_DATA, "text ends inside a character");
    }
    if (whole) {
        reader->in_payload = false;
    }
    item->data = data;
    item->len = len;
    if (!last || reader->message.len > 0) {
        tc_buf_append(&reader->message, data, len);
        item->data = reader->message.data;
        item->len = reader->message.len;
    }
    if (!last) {
        return TC_READ_MORE;
    }
    item->opcode = reader->message_opcode;
    item->deflated = reader->deflated;
    reader->message_opcode = 0;
    reader->drained = true;
    return TC_READ_MESSAGE;
}

static tc_read_e read_payload(tc_reader_t *reader, unsigned char **pos, unsigned char *end,
                              tc_read_item_t *item)
{
    uint64_t missing = reader->frame.payload_len - reader->payload_done;
    size_t here = (size_t)(end - *pos);
    size_t len = here < missing ? here : (size_t)missing;
    unsigned char *data = *pos;
    bool whole = len == missing;

    tc_frame_mask(data, len, reader->frame.mask, reader->payload_done);
    *pos += len;
    reader->payload_done += len;
    return tc_opcode_is_control(reader->frame.opcode)
               ? take_control(reader, data, len, whole, item)
               : take_data(reader, data, len, whole, item);
}

tc_read_e tc_reader_next(tc_reader_t *reader, unsigned char **pos, unsigned char *end,
                         tc_read_item_t *item)
{
    tc_read_e got;

    if (reader->drained) {
        tc_buf_free(&reader->message);
        reader->drained = false;
    }
    if (reader->control.len == 0 && reader->control.data != NULL && !reader->in_payload) {
        tc_buf_free(&reader->control);
    }
    while (*pos < end) {
        if (!reader->in_payload) {
            if (!read_header(reader, pos, end)) {
                break;
            }
            got = begin_frame(reader, item);
            if (got != TC_READ_MORE) {
                return got;
            }
        }
        /* An empty payload is complete already. It must not wait for a byte of the next frame. */
        got = read_payload(reader, pos, end, item);
        if (got != TC_READ_MORE) {
            return got;
        }
    }
    return TC_READ_MORE;
}
