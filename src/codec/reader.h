/*
 * Puts a client's bytes together to messages and control frames (RFC 6455, 5.4 to 5.6 and 8.1): masks
 * off, rules checked, text checked as it arrives, limits before memory. Pure: the caller reads the
 * socket and answers. Memory grows with what has come, never with what a header claims.
 */
#ifndef TC_CODEC_READER_H
#define TC_CODEC_READER_H

#include "base/buf.h"
#include "codec/frame.h"
#include "codec/utf8.h"

typedef struct {
    size_t max_message_bytes;  /* set by tc_reader_init() */
    tc_buf_t message;          /* fragments so far; freed when the message has been handed out */
    tc_buf_t control;          /* a control frame that came in pieces */
    uint64_t payload_done;     /* bytes of the current frame's payload that were read */
    tc_frame_header_t frame;   /* the current frame; valid once in_payload */
    unsigned char header[TC_FRAME_HEADER_MAX_BYTES];
    uint8_t header_len;        /* bytes in header */
    uint8_t message_opcode;    /* of the message begun, 0 when none is */
    bool in_payload;
    bool takes_deflated;       /* set by the caller: permessage-deflate was negotiated */
    bool deflated;             /* the message begun is compressed */
    uint32_t frames;           /* begun since the caller last took the number */
    bool drained;              /* the caller has had message; free it at the next call */
    tc_utf8_t utf8;
} tc_reader_t;

typedef enum {
    TC_READ_MORE,    /* all input is used up */
    TC_READ_MESSAGE, /* a whole text or binary message */
    TC_READ_CONTROL, /* a whole ping, pong or close */
    TC_READ_FAIL     /* the peer broke a rule: fail the connection with item.close_code */
} tc_read_e;

typedef struct {
    uint8_t opcode;
    bool deflated;       /* a message: `data` is compressed, and no text was checked (RFC 7692, 6) */
    unsigned char *data; /* payload: the reader's or the input's, good until the next call */
    size_t len;
    unsigned close_code; /* TC_READ_FAIL */
    const char *why;     /* TC_READ_FAIL: a literal, fit for the Close frame */
} tc_read_item_t;

void tc_reader_init(tc_reader_t *reader, size_t max_message_bytes);
void tc_reader_free(tc_reader_t *reader);

/*
 * Takes bytes from *pos up to `end`, unmasking in place, and moves *pos past what it used. Call it
 * until it returns TC_READ_MORE; after TC_READ_FAIL the reader is of no more use.
 */
tc_read_e tc_reader_next(tc_reader_t *reader, unsigned char **pos, unsigned char *end,
                         tc_read_item_t *item);

/* True between messages: nothing is begun that a deadline should watch. */
bool tc_reader_is_idle(const tc_reader_t *reader);

#endif
