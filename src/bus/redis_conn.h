/*
 * One connection to a Redis, non-blocking, on a loop: commands go out together at the end of an
 * iteration, replies come one by one. hiredis formats and reads; when to wait is ours. Bus.
 */
#ifndef TC_BUS_REDIS_CONN_H
#define TC_BUS_REDIS_CONN_H

#include "bus/redis_url.h"
#include "engine/loop.h"

#include <hiredis/hiredis.h>

struct tc_redis_conn_t;

/* What its owner is told. Both may close the connection. */
typedef struct {
    /* A reply, but for those to AUTH and SELECT; freed afterwards. */
    void (*on_reply)(struct tc_redis_conn_t *conn, const redisReply *reply);
    /* It is of no use any more; `why` is good during the call. The owner closes it. */
    void (*on_broken)(struct tc_redis_conn_t *conn, const char *why);
} tc_redis_conn_events_t;

typedef struct tc_redis_conn_t {
    tc_io_t io;
    tc_task_t flush;
    tc_loop_t *loop;
    const tc_redis_conn_events_t *events;
    redisContext *context; /* NULL: closed */
    bool connecting;       /* nothing can be written yet */
    unsigned greetings;    /* replies to AUTH and SELECT that are still to come */
} tc_redis_conn_t;

void tc_redis_conn_init(tc_redis_conn_t *conn, tc_loop_t *loop,
                        const tc_redis_conn_events_t *events);

/*
 * Begins to connect and to log in; commands may follow at once. A failure is told through on_broken(),
 * now or later. Resolves a host's name, which may block.
 */
void tc_redis_conn_open(tc_redis_conn_t *conn, const tc_redis_address_t *address);

/* May be called at any time, and again. */
void tc_redis_conn_close(tc_redis_conn_t *conn);

/* Queues a command; nothing happens on a closed connection. */
void tc_redis_conn_send(tc_redis_conn_t *conn, int count, const char **words, const size_t *lens);

/* Writes what is queued as far as the socket takes it, without waiting for the iteration's end. */
void tc_redis_conn_flush(tc_redis_conn_t *conn);

#endif
