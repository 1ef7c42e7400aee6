/*
 * Decodes base64url without padding (RFC 4648, 5; RFC 7515, 2), the form that tokens and keys use. Pure.
 */
#ifndef TC_CODEC_BASE64URL_H
#define TC_CODEC_BASE64URL_H

#include "base/buf.h"

#include <stdbool.h>

/* Appends the decoded bytes. If `text` is empty or is not base64url, returns false and appends nothing. */
bool tc_base64url_decode(tc_buf_t *out, const char *text, size_t len);

#endif
