/*
 * The server that is loaded: where it is, and how a client asks it for a WebSocket. Only loopback addresses are loaded,
 * and no certificate is checked.
 */
#ifndef BENCH_TCLOAD_TARGET_H
#define BENCH_TCLOAD_TARGET_H

#include "common/buf.h"
#include "common/ws.h"
#include "tcload/options.h"
#include "tcload/order.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <openssl/ssl.h>

#define NONCE_BYTES 16

typedef struct {
    struct sockaddr_in addr;
    char host[80], path[256];
    char key[WS_KEY_BYTES + 1], accept[WS_ACCEPT_BYTES + 1]; /* the same for all handshakes of the run */
    SSL_CTX *tls;               /* NULL: plain */
    char **tokens;
    uint32_t n_tokens;
} target_t;

/* Each of these ends the program when something is wrong. */
void target_check_trip_format(const options_t *o);
void target_init(target_t *t, const options_t *o);
void target_set_key(target_t *t, const unsigned char nonce[NONCE_BYTES]);

/* Appends the handshake of the connection at this place. is_resume asks for what came after last_seq. */
void target_append_request(const target_t *t, const options_t *o, const track_t *at, bool is_resume, buf_t *out);

#endif
