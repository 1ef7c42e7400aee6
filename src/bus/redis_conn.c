/* One connection to a Redis. See redis_conn.h. */
#include "bus/redis_conn.h"

#include "base/limits.h"

#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

static void on_ready(tc_io_t *io, unsigned events);

static void run_flush(tc_task_t *task)
{
    tc_redis_conn_flush((tc_redis_conn_t *)((char *)task - offsetof(tc_redis_conn_t, flush)));
}

void tc_redis_conn_init(tc_redis_conn_t *conn, tc_loop_t *loop,
                        const tc_redis_conn_events_t *events)
{
    memset(conn, 0, sizeof(*conn));
    conn->loop = loop;
    conn->events = events;
    conn->io.fd = -1;
    conn->io.on_ready = on_ready;
    conn->flush.run = run_flush;
}

void tc_redis_conn_close(tc_redis_conn_t *conn)
{
    if (conn->context != NULL) {
        (void)tc_loop_watch(conn->loop, &conn->io, 0);
        redisFree(conn->context);
        conn->context = NULL;
    }
}

static void greet(tc_redis_conn_t *conn, const tc_redis_address_t *address)
{
    char database[16];
    const char *auth[] = {"AUTH", address->user ? address->user : address->password,
                          address->password};
    const char *select[] = {"SELECT", database};

    conn->greetings = 0;
    if (address->password != NULL) {
        tc_redis_conn_send(conn, address->user ? 3 : 2, auth, NULL);
        conn->greetings++;
    }
    if (address->database != 0) {
        apr_snprintf(database, sizeof(database), "%d", address->database);
        tc_redis_conn_send(conn, 2, select, NULL);
        conn->greetings++;
    }
}

void tc_redis_conn_open(tc_redis_conn_t *conn, const tc_redis_address_t *address)
{
    redisContext *context = address->socket ? redisConnectUnixNonBlock(address->socket)
                                            : redisConnectNonBlock(address->host, address->port);

    if (context == NULL || context->err != 0) {
        conn->events->on_broken(conn, context ? context->errstr : "out of memory");
        if (context != NULL) {
            redisFree(context);
        }
        return;
    }
    (void)fcntl(context->fd, F_SETFD, FD_CLOEXEC);
    conn->context = context;
    conn->connecting = true;
    conn->io.fd = context->fd;
    if (tc_loop_watch(conn->loop, &conn->io, TC_POLL_IN | TC_POLL_OUT) != APR_SUCCESS) {
        conn->events->on_broken(conn, "cannot watch the socket");
        return;
    }
    greet(conn, address);
}

void tc_redis_conn_send(tc_redis_conn_t *conn, int count, const char **words, const size_t *lens)
{
    if (conn->context != NULL
        && redisAppendCommandArgv(conn->context, count, words, lens) == REDIS_OK) {
        tc_loop_defer(conn->loop, &conn->flush);
    }
}

void tc_redis_conn_flush(tc_redis_conn_t *conn)
{
    int done = 1;

    if (conn->context == NULL || conn->connecting) {
        return;
    }
    if (redisBufferWrite(conn->context, &done) != REDIS_OK) {
        conn->events->on_broken(conn, conn->context->errstr);
        return;
    }
    (void)tc_loop_watch(conn->loop, &conn->io, TC_POLL_IN | (done ? 0 : TC_POLL_OUT));
}

static void take_reply(tc_redis_conn_t *conn, const redisReply *reply)
{
    if (conn->greetings == 0) {
        conn->events->on_reply(conn, reply);
    }
    else if (reply->type == REDIS_REPLY_ERROR) {
        /* A server that does not know AUTH repeats the password in its error. */
        bool unknown = strstr(reply->str, "unknown command") != NULL;

        conn->events->on_broken(conn, unknown ? "the server does not know AUTH or SELECT" : reply->str);
    }
    else {
        conn->greetings--;
    }
}

/* Valid replies are short; a reply that grows without end is not one of ours. */
static bool is_too_long(const tc_redis_conn_t *conn)
{
    const redisReader *reader = conn->context->reader;

    return reader->len - reader->pos > TC_BUS_REPLY_BYTES;
}

static void read_replies(tc_redis_conn_t *conn)
{
    redisContext *context = conn->context;

    if (redisBufferRead(context) != REDIS_OK) {
        conn->events->on_broken(conn, context->errstr);
        return;
    }
    while (conn->context == context) {
        void *reply = NULL;

        if (redisGetReplyFromReader(context, &reply) != REDIS_OK) {
            conn->events->on_broken(conn, context->errstr);
            return;
        }
        if (reply == NULL) {
            break;
        }
        take_reply(conn, reply);
        freeReplyObject(reply);
    }
    if (conn->context == context && is_too_long(conn)) {
        conn->events->on_broken(conn, "a reply is too long");
    }
}

/* BSD says ENOTCONN to who writes too early, and hiredis takes that for the end. False: it is broken, or not yet up. */
static bool is_connected(tc_redis_conn_t *conn)
{
    int error = 0;
    socklen_t len = sizeof(error);

    if (getsockopt(conn->io.fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0) {
        error = errno;
    }
    if (error != 0) {
        char why[128];

        conn->events->on_broken(conn, apr_strerror(APR_FROM_OS_ERROR(error), why, sizeof(why)));
        return false;
    }
    conn->connecting = false;
    return true;
}

static void on_ready(tc_io_t *io, unsigned events)
{
    tc_redis_conn_t *conn = (tc_redis_conn_t *)((char *)io - offsetof(tc_redis_conn_t, io));

    if (conn->connecting && !is_connected(conn)) {
        return;
    }
    if ((events & (TC_POLL_IN | TC_POLL_HANGUP)) != 0) {
        read_replies(conn);
    }
    if ((events & TC_POLL_OUT) != 0) {
        tc_redis_conn_flush(conn);
    }
}
