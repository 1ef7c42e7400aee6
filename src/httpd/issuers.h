/*
 * The lines of TripChatIssuer: `issuer option=value …`. config.c keeps a line as words, and keys.c makes an issuer of them.
 */
#ifndef TC_HTTPD_ISSUERS_H
#define TC_HTTPD_ISSUERS_H

#include <apr_pools.h>
#include <apr_tables.h>

/* What an option says. In the words of a line an option is followed by its value, and a key by algorithm and path. */
#define TC_ISSUER_NAME "issuer" /* the first word of a line */
#define TC_ISSUER_PLACE "place" /* where the line stands */
#define TC_ISSUER_KEY "key"
#define TC_ISSUER_KEY_SET "keyset"
#define TC_ISSUER_AUDIENCE "audience"
#define TC_ISSUER_ANY_AUDIENCE "" /* the value of audience=none, the only audience of its line */
#define TC_ISSUER_REQUIRE "require"
#define TC_ISSUER_USER_CLAIM "userclaim"

/*
 * Reads a line into words (const char *, on `pool`), three for each option: its name, and one or two values, else "".
 * `earlier` are the words of earlier lines; NULL: there are none. Returns NULL, or what is wrong, for the administrator.
 * While the configuration is read.
 */
const char *tc_issuers_read_line(int argc, char *const argv[], const char *place, const char *const *earlier,
                                 apr_array_header_t *words, apr_pool_t *pool);

#define TC_ISSUER_WORDS 3

#endif
