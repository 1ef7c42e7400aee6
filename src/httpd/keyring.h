/*
 * Keys that were good, kept across reloads. The memory is httpd's parent's own and not on pconf, which a reload clears.
 * If a reload finds a file that is missing, empty or broken, the site goes on with what the file held before. Nothing
 * here is written to a disk or shared. What is replaced or no longer used is wiped. In check_config and post_config.
 */
#ifndef TC_HTTPD_KEYRING_H
#define TC_HTTPD_KEYRING_H

#include <apr_pools.h>
#include <stdbool.h>

/* Keeps a copy of bytes that were good, under a name; replaces and wipes what had the name before. */
void tc_keyring_keep(const char *name, const void *bytes, apr_size_t len);

/* A copy of what is kept under a name, with a NUL behind it, on `pool`; NULL: nothing is. What is asked for stays. */
const char *tc_keyring_find(const char *name, apr_size_t *len, apr_pool_t *pool);

/* Wipes what was neither kept nor asked for since the last call. In post_config, when the configuration is accepted. */
void tc_keyring_sweep(void);

/* True if httpd reloads: there is a server that goes on. False at a start and during `httpd -t`. */
bool tc_keyring_is_reload(void);

#endif
