/*
 * Which pages may use the chat: the Origin of a request (RFC 6454, 7) against the host that it asks and a
 * list of others. Pure.
 */
#ifndef TC_CODEC_ORIGIN_H
#define TC_CODEC_ORIGIN_H

#include <stdbool.h>

/*
 * True when `origin`, as it came, is a page of the host that the request asks (`host`: the Host field, NULL
 * allowed; a port that is missing is the scheme's own), or is on the NULL-terminated list `allowed`:
 *
 *   https://example.org        this scheme, host and port
 *   example.org:8443           this host and port, http or https
 *   *.example.org              hosts below it, http or https, with the scheme's own port
 *   the same behind https://   with one scheme
 *   *                          any
 */
bool tc_origin_is_allowed(const char *origin, const char *host, const char *const *allowed);

/* NULL, or what is wrong with an entry of such a list: a literal. */
const char *tc_origin_check_pattern(const char *pattern);

#endif
