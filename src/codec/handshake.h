/*
 * Checks the fields of an opening handshake (RFC 6455, 4.2), finds subprotocol and token in them, and computes
 * Sec-WebSocket-Accept. Pure: the caller reads the fields of the request and sends the answer.
 */
#ifndef TC_CODEC_HANDSHAKE_H
#define TC_CODEC_HANDSHAKE_H

#include "codec/deflate.h"

#define TC_HANDSHAKE_ACCEPT_CHARS 28
#define TC_HANDSHAKE_SUBPROTOCOL "tripchat"

/* Header fields as they came. Fields of the same name are joined by commas; a missing field is NULL. */
typedef struct {
    const char *method;
    bool http_1_1; /* or later */
    const char *upgrade;
    const char *connection;
    const char *version;
    const char *key;
    const char *protocols;
} tc_handshake_in_t;

typedef struct {
    int status;      /* 101, or the HTTP status to refuse with: 400, 405, 426 */
    const char *why; /* a literal for the body of a refusal; NULL with 101 */
    char accept[TC_HANDSHAKE_ACCEPT_CHARS + 1];
    bool subprotocol;   /* the client offers TC_HANDSHAKE_SUBPROTOCOL: answer with it */
    const char *bearer; /* the token of "bearer.<token>"; points into `protocols`; NULL: none came */
    size_t bearer_len;
    const char *other;  /* without TC_HANDSHAKE_SUBPROTOCOL: the offer that shows no token, or else the first */
    size_t other_len;   /* 0: nothing was offered, or TC_HANDSHAKE_SUBPROTOCOL was */
    char extensions[TC_DEFLATE_ANSWER_BYTES]; /* Sec-WebSocket-Extensions of the answer; the caller fills it */
} tc_handshake_out_t;

/* Checks the fields and fills `out`, except `extensions`, which is "" afterwards. */
void tc_handshake_check(const tc_handshake_in_t *in, tc_handshake_out_t *out);

#endif
