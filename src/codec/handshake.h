/*
 * The opening handshake's fields (RFC 6455, 4.2): is it one, which subprotocol, which token, and what
 * Sec-WebSocket-Accept answers. Pure: the caller reads the fields of the request and sends the answer.
 */
#ifndef TC_CODEC_HANDSHAKE_H
#define TC_CODEC_HANDSHAKE_H

#include "codec/deflate.h"

#define TC_HANDSHAKE_ACCEPT_CHARS 28
#define TC_HANDSHAKE_SUBPROTOCOL "tripchat"

/* Header fields as they came, several of a name joined by commas; NULL for one that is missing. */
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
    const char *why; /* a literal for the refusal's body, NULL with 101 */
    char accept[TC_HANDSHAKE_ACCEPT_CHARS + 1];
    bool subprotocol;   /* answer with TC_HANDSHAKE_SUBPROTOCOL */
    const char *bearer; /* the token that came as "bearer.<token>", inside `protocols`; NULL if none */
    size_t bearer_len;
    char extensions[TC_DEFLATE_ANSWER_BYTES]; /* what to answer of them, ""; the caller's to fill */
} tc_handshake_out_t;

/* Checks the fields and composes the answer. */
void tc_handshake_check(const tc_handshake_in_t *in, tc_handshake_out_t *out);

#endif
