/*
 * Texts as a database keeps them, for those that it cannot convert to UTF-8: a database in WIN1252 takes the byte 0x81,
 * and one in EUC_JP takes characters that Unicode does not have. Any thread.
 */
#ifndef TC_STORE_ENCODING_H
#define TC_STORE_ENCODING_H

#include <apr_pools.h>

/*
 * `text` in UTF-8, on `pool`. `encoding` is PostgreSQL's name of what it is in. Each piece that has no meaning there becomes
 * U+FFFD. NULL: the system does not know the encoding.
 */
const char *tc_encoding_decode(const char *text, const char *encoding, apr_pool_t *pool);

#endif
