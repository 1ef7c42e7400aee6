/*
 * base64url without padding (RFC 4648, 5; RFC 7515, 2), as tokens and keys have it. Pure.
 */
#ifndef TC_CODEC_BASE64URL_H
#define TC_CODEC_BASE64URL_H

#include "base/buf.h"

#include <stdbool.h>

/* Appends the bytes that `text` stands for. False, with nothing appended, when it is no base64url or empty. */
bool tc_base64url_decode(tc_buf_t *out, const char *text, size_t len);

#endif
