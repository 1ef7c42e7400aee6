/*
 * Decides which pages may use the chat. The Origin of a request (RFC 6454, 7) is compared with the request's host and
 * with a list of other origins. Pure.
 */
#ifndef TC_CODEC_ORIGIN_H
#define TC_CODEC_ORIGIN_H

#include <stdbool.h>

/*
 * True if the Origin field `origin` names the host of the request, or matches the list `allowed`. `host` is the Host
 * field and may be NULL; a missing port means the scheme's default port. The list ends with NULL, and may be NULL.
 * Its entries:
 *
 *   https://example.org        this scheme, host and port
 *   example.org:8443           this host and port, http or https
 *   *.example.org              every host below example.org, http or https, with the scheme's default port
 *   the same behind https://   with one scheme
 *   *                          any origin
 */
bool tc_origin_is_allowed(const char *origin, const char *host, const char *const *allowed);

/* Checks an entry of such a list. Returns NULL, or a literal that says what is wrong; it completes `"entry" …`. */
const char *tc_origin_check_pattern(const char *pattern);

#endif
