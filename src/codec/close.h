/*
 * Close codes and the payload of Close frames (RFC 6455, 5.5.1 and 7.4). Pure.
 */
#ifndef TC_CODEC_CLOSE_H
#define TC_CODEC_CLOSE_H

#include <stdbool.h>
#include <stddef.h>

typedef enum {
    TC_CLOSE_NORMAL = 1000,
    TC_CLOSE_GOING_AWAY = 1001,
    TC_CLOSE_PROTOCOL = 1002,
    TC_CLOSE_UNSUPPORTED = 1003,
    TC_CLOSE_NONE = 1005,      /* never on the wire: the Close frame had no code */
    TC_CLOSE_ABNORMAL = 1006,  /* never on the wire: the connection was lost */
    TC_CLOSE_BAD_DATA = 1007,
    TC_CLOSE_POLICY = 1008,
    TC_CLOSE_TOO_BIG = 1009,
    TC_CLOSE_INTERNAL = 1011,
    TC_CLOSE_RESTART = 1012,
    TC_CLOSE_TRY_LATER = 1013,
    TC_CLOSE_UNAUTHORIZED = 4001, /* the chat's own: the token is not valid */
    TC_CLOSE_FORBIDDEN = 4003     /* the chat's own: the user or the origin is not allowed */
} tc_close_code_e;

/* True for a code that an endpoint may put into a Close frame (7.4.1, 7.4.2 and IANA's registry). */
bool tc_close_is_valid_code(unsigned code);

/*
 * Reads a Close payload of `len` bytes, at most 125. Returns the code in it, or TC_CLOSE_NONE for an empty payload. If
 * the payload breaks the rules, returns 0 and sets *error to the code to close the connection with.
 */
unsigned tc_close_decode(const unsigned char *payload, size_t len, unsigned *error);

/*
 * Writes a Close payload: the code and as much of `reason` as fits without cutting a character. `reason` is UTF-8 or
 * NULL. For TC_CLOSE_NONE the payload is empty. `out` holds 125 bytes. Returns the payload's length.
 */
size_t tc_close_encode(unsigned code, const char *reason, unsigned char *out);

#endif
