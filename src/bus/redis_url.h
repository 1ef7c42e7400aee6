/*
 * Where a Redis is and how to get in: TripChatBus and its companions. Const after start-up. Any thread.
 */
#ifndef TC_BUS_REDIS_URL_H
#define TC_BUS_REDIS_URL_H

#include <apr_pools.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    const char *name;     /* for logs: host:port/db, or the socket's path */
    const char *host;     /* NULL: a Unix socket */
    int port;
    const char *socket;   /* path; NULL: host and port */
    int database;
    const char *user;     /* NULL: the default user */
    const char *password; /* NULL: no AUTH. Never logged */
    int64_t timeout_us;   /* for connecting, and for an answer */
} tc_redis_address_t;

/*
 * Reads redis://host[:port][/database] or unix:/path[?db=database] into name, host, port, socket and
 * database. NULL, or what is wrong and what to write instead. Strings are made on `pool`.
 */
const char *tc_redis_url_parse(const char *url, tc_redis_address_t *out, apr_pool_t *pool);

/* True when both lead to the same Redis, as the same user, with the same patience. */
bool tc_redis_address_equal(const tc_redis_address_t *a, const tc_redis_address_t *b);

#endif
