/*
 * Where a Redis is and how to log in there: TripChatBus and the TripChatRedis… directives. Const after start-up. Any
 * thread.
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
    int64_t timeout_us;   /* how long Redis may be silent */
} tc_redis_address_t;

/*
 * Reads redis://host[:port][/database] or unix:/path[?db=database] into name, host, port, socket and database. The
 * strings are on `pool`. Returns NULL, or what is wrong and what to write instead.
 */
const char *tc_redis_url_parse(const char *url, tc_redis_address_t *out, apr_pool_t *pool);

/* True when both lead to the same Redis, with the same user, password and timeout. */
bool tc_redis_address_equal(const tc_redis_address_t *a, const tc_redis_address_t *b);

#endif
