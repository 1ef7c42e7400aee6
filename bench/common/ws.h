/* What both ends of a WebSocket connection know: opcodes and the accept value. RFC 6455, 4.2.2 and 5.2. */
#ifndef BENCH_COMMON_WS_H
#define BENCH_COMMON_WS_H

enum { OP_CONT = 0, OP_TEXT = 1, OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };

#define WS_KEY_BYTES    24      /* of Sec-WebSocket-Key: 16 bytes in base64 */
#define WS_ACCEPT_BYTES 28      /* of Sec-WebSocket-Accept: a SHA-1 digest in base64 */

/* Writes the Sec-WebSocket-Accept that belongs to the key, terminated. The key need not be terminated. */
void ws_accept(const char key[WS_KEY_BYTES], char accept[WS_ACCEPT_BYTES + 1]);

#endif
