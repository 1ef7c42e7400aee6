/*
 * Makes messages and control frames of the bytes that a client sends (RFC 6455, 5.4 to 5.6 and 8.1). The reader removes
 * the masks, checks the protocol's rules, and checks text as it arrives. It checks limits before it allocates: memory
 * grows with the bytes that have come, never with what a header claims. Pure: the caller reads the socket and answers.
 */
#ifndef TC_CODEC_READER_H
#define TC_CODEC_READER_H

#include "base/buf.h"
#include "codec/frame.h"
#include "codec/utf8.h"

typedef struct {
    size_t max_message_bytes;  /* set by tc_reader_init() */
    tc_buf_t message;          /* fragments so far; freed at the call after the message was returned */
    tc_buf_t control;          /* payload of a control frame that came in pieces */
    uint64_t payload_done;     /* bytes of the current frame's payload that were read */
    tc_frame_header_t frame;   /* the current frame; valid if in_payload is set */
    unsigned char header[TC_FRAME_HEADER_MAX_BYTES];
    uint8_t header_len;        /* bytes in header */
    uint8_t message_opcode;    /* opcode of the message in progress; 0: none */
    bool in_payload;
    bool takes_deflated;       /* set by the caller: permessage-deflate was negotiated */
    bool deflated;             /* the message in progress is compressed */
    uint32_t frames;           /* frames begun since the caller last reset the number */
    uint32_t empty_frames;     /* the same for control frames, and for empty fragments that end no message */
    bool drained;              /* `message` was returned: free it at the next call */
    tc_utf8_t utf8;
} tc_reader_t;

typedef enum {
    TC_READ_MORE,    /* all input is used up; nothing is complete */
    TC_READ_MESSAGE, /* a whole text or binary message */
    TC_READ_CONTROL, /* a whole ping, pong or close */
    TC_READ_FAIL     /* the client broke a rule: close the connection with item.close_code */
} tc_read_e;

typedef struct {
    uint8_t opcode;
    bool deflated;       /* message: `data` is compressed, and its text was not checked (RFC 7692, 6) */
    unsigned char *data; /* payload, in the reader's memory or in the input; valid until the next call */
    size_t len;
    unsigned close_code; /* TC_READ_FAIL */
    const char *why;     /* TC_READ_FAIL: a literal, the reason for the Close frame */
} tc_read_item_t;

/* Makes an empty reader. A message longer than `max_message_bytes` makes tc_reader_next() fail with 1009. */
void tc_reader_init(tc_reader_t *reader, size_t max_message_bytes);
void tc_reader_free(tc_reader_t *reader);

/*
 * Goes on where another reader stood, whose `message` and `control` the caller has put into `reader`. False: what the
 * other reader was about to read is more than this reader may, or makes no sense. Close the connection with 1009.
 */
bool tc_reader_restore(tc_reader_t *reader, const tc_reader_t *was);

/*
 * Reads bytes from *pos up to `end`, unmasks them in place, and moves *pos behind the bytes it used. Call it until it
 * returns TC_READ_MORE. After TC_READ_FAIL, only free the reader.
 */
tc_read_e tc_reader_next(tc_reader_t *reader, unsigned char **pos, unsigned char *end,
                         tc_read_item_t *item);

/* True between messages: no frame or message is in progress, so no deadline is needed. */
bool tc_reader_is_idle(const tc_reader_t *reader);

#endif
