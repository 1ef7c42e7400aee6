/*
 * Masks tokens in text that goes to a log: request lines, queries, header fields, and whole lines of an error log. It
 * goes by what the raw text says, not by what a decoder makes of it. So a token is masked also where the chat would not
 * find one: behind a bad escape, in a second parameter, or in a spelling that the chat does not take. Pure.
 *
 * What counts as a token:
 * - the value of a parameter `token` or `access_token` (RFC 6750, 2.3), in any case and percent-encoded or not
 * - what follows the scheme in an Authorization field, unless the scheme is one that carries no token (Basic, Digest,
 *   Negotiate, NTLM), and what follows the word `bearer`
 * - a subprotocol `bearer.…`, and the subprotocol behind one that is named `bearer`, `token`, `jwt` or the like
 * - a JSON Web Token (RFC 7519), wherever it stands
 */
#ifndef TC_CODEC_MASK_H
#define TC_CODEC_MASK_H

#include <stdbool.h>
#include <stddef.h>

/* What a text is. */
typedef enum {
    TC_MASK_TEXT,        /* a request line, a query, a URL, or any other value */
    TC_MASK_CREDENTIALS, /* the value of Authorization or Proxy-Authorization */
    TC_MASK_PROTOCOLS    /* the value of Sec-WebSocket-Protocol */
} tc_mask_kind_e;

/* The kind of the value that has this name: a header field, an environment variable (HTTP_AUTHORIZATION), or a note. */
tc_mask_kind_e tc_mask_kind_of(const char *name);

/* True if tc_mask_shorten() would change the text. NULL is no text. */
bool tc_mask_finds(tc_mask_kind_e kind, const char *text);

/* Writes *** in place of each token. The text gets shorter, or keeps its length. */
void tc_mask_shorten(tc_mask_kind_e kind, char *text);

/*
 * Writes a star over each character of each token in a line of an error log, whose `len` characters are escaped as
 * ap_escape_errorlog_item() does. The line keeps its length, and needs no NUL.
 */
void tc_mask_line(char *line, size_t len);

#endif
