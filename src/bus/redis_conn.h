/*
 * One non-blocking connection to a Redis, on a loop. Commands are sent together at the end of an iteration, replies
 * come one by one. hiredis formats commands and parses replies; this file does the waiting. Bus.
 */
#ifndef TC_BUS_REDIS_CONN_H
#define TC_BUS_REDIS_CONN_H

#include "bus/redis_url.h"
#include "engine/loop.h"

#include <hiredis/hiredis.h>

struct tc_redis_conn_t;

/* What the owner is told. Both callbacks may close the connection. */
typedef struct {
    /* A reply to anything but AUTH and SELECT; it is freed after the call. */
    void (*on_reply)(struct tc_redis_conn_t *conn, const redisReply *reply);
    /* The connection cannot be used any more: the owner must close it. `why` is valid during the call. */
    void (*on_broken)(struct tc_redis_conn_t *conn, const char *why);
} tc_redis_conn_events_t;

typedef struct tc_redis_conn_t {
    tc_io_t io;
    tc_task_t flush;
    tc_loop_t *loop;
    const tc_redis_conn_events_t *events;
    redisContext *context; /* NULL: closed */
    bool connecting;       /* nothing can be written yet */
    unsigned greetings;    /* replies to AUTH and SELECT that have not come yet */
} tc_redis_conn_t;

/* Fills in a closed connection. `loop` and `events` must outlive it. */
void tc_redis_conn_init(tc_redis_conn_t *conn, tc_loop_t *loop,
                        const tc_redis_conn_events_t *events);

/*
 * Begins to connect and to log in; commands may be sent at once. on_broken() reports a failure, during the call or
 * later. Resolving the host's name may block.
 */
void tc_redis_conn_open(tc_redis_conn_t *conn, const tc_redis_address_t *address);

/* May be called at any time, and more than once. */
void tc_redis_conn_close(tc_redis_conn_t *conn);

/* Queues a command of `count` words, which are copied. `lens` NULL: they are C strings. No effect when closed. */
void tc_redis_conn_send(tc_redis_conn_t *conn, int count, const char **words, const size_t *lens);

/* Writes queued commands at once, as far as the socket takes them. */
void tc_redis_conn_flush(tc_redis_conn_t *conn);

#endif
