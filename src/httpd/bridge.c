/* Connections that a worker relays. See bridge.h. */
#include "httpd/bridge.h"

#include "base/clock.h"
#include "base/held.h"
#include "base/metrics.h"
#include "base/units.h"
#include "engine/semaphore.h"
#include "engine/system.h"
#include "httpd/http2.h"
#include "httpd/often.h"
#include "httpd/reload.h"
#include "httpd/runtime.h"

#include <ap_mpm.h>
#include <apr_portable.h>
#include <apr_strings.h>
#include <errno.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

APLOG_USE_MODULE(tripchat);

#define CHUNK_BYTES 16384 /* relayed one way before the other way has its turn */
#define LOOK_MS 1000      /* how often a worker looks whether its child is to end, or whether its stream was reset */
#define PARTS 4           /* one user holds at most the fourth part of the workers that may relay, */
#define LEAST 2           /* or this many if that is more */
#define OF_CONNECTION 3   /* half of the streams on which mod_http2 works at a time, at first */
#define PATIENCE_US TC_US_PER_S /* for a socket that is about to end */
#define STRANGERS ""      /* all who are turned away hold as many workers as one user */

/* Only its worker uses a bridge. Other workers read who holds it, while it is in the list. */
typedef struct bridge_t {
    struct bridge_t *next;  /* lock: list_lock */
    const tc_site_t *site;  /* const */
    const char *whose;      /* const; a user's id, or STRANGERS */
    request_rec *r;         /* const */
    bool is_socket;         /* const; else a stream of events, or a poll */
    tc_child_t *child;
    ap_filter_t *out;   /* to the client */
    apr_bucket_brigade *outgoing, *incoming; /* empty except during a call; kept, because a pool only grows */
    int fd;             /* our end of the pair */
    int client;         /* to poll; -1: a stream of HTTP/2 that is not read, or the client has ended */
    bool needs_head;    /* HTTP/2: the loop's output begins with a head */
    char *input;        /* of the client, not yet written to the pair */
    apr_size_t input_len, input_done;
    char buffer[CHUNK_BYTES];
    apr_size_t buffered; /* of a head that is not complete */
} bridge_t;

/* ---- who may hold a worker ---- */

typedef enum { ROOM, NO_WORKER, USER_HAS_MANY, CONNECTION_HAS_SOCKET, CONNECTION_HAS_MANY } room_e;

/* A worker that waits until the socket of its connection has ended. On the worker's stack. */
typedef struct waiter_t {
    struct waiter_t *next;  /* lock: list_lock */
    const conn_rec *master; /* const */
    tc_semaphore_t freed;
} waiter_t;

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER; /* nobody waits for anything else while they have it */
static bridge_t *bridges;                                     /* lock: list_lock; all that hold a worker of this child */
static waiter_t *waiters;                                     /* lock: list_lock */

static bool is_stream(const bridge_t *bridge)
{
    return bridge->r->connection->master != NULL;
}

/* How many workers of this child may relay. */
static unsigned room(void)
{
    int threads = 1;

    (void)ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads);
    return threads > 3 ? (unsigned)threads / 2 : 1;
}

/* How many of them may be mod_http2's, which the site's requests over HTTP/2 need as well. */
static unsigned room_for_streams(void)
{
    unsigned half = tc_http2_workers() / 2;

    return half < room() ? half : room();
}

static unsigned room_for_user(void)
{
    return room() / PARTS > LEAST ? room() / PARTS : LEAST;
}

/* What holds workers of this child. */
typedef struct {
    unsigned all, streams;         /* bridges and waiters; those of HTTP/2 among them */
    unsigned of_user;              /* bridges of the user who wants one */
    unsigned of_connection;        /* bridges of the connection of HTTP/2 */
    bool has_socket;               /* one of these is a socket */
} holders_t;

/* Of `wanted` it may not be known yet whose it is. */
static bool is_of_same_user(const bridge_t *held, const bridge_t *wanted)
{
    return held->site == wanted->site && wanted->whose != NULL && strcmp(held->whose, wanted->whose) == 0;
}

static bool is_on_same_connection(const bridge_t *held, const bridge_t *wanted)
{
    return is_stream(wanted) && held->r->connection->master == wanted->r->connection->master;
}

/*
 * True if the bridge makes room for `wanted` in a moment. A page that is loaded again resets the stream of its old socket, or
 * closes the socket, before it asks for a new one. The worker learns of it later than the new stream's may.
 */
static bool makes_room(const bridge_t *held, const bridge_t *wanted)
{
    return is_on_same_connection(held, wanted)
           && (held->r->connection->aborted || (held->is_socket && wanted->is_socket));
}

static void add_holder(holders_t *holders, const bridge_t *held, const bridge_t *wanted)
{
    bool is_alike = is_on_same_connection(held, wanted) && !held->r->connection->aborted;

    holders->all++;
    holders->streams += is_stream(held);
    holders->of_user += is_of_same_user(held, wanted);
    holders->of_connection += is_alike;
    holders->has_socket = holders->has_socket || (is_alike && held->is_socket);
}

/*
 * A connection of HTTP/2 has one socket, and three bridges in all: a page renews the token of its stream of events with a
 * second stream, and the browser may show the chat in another tab. mod_http2 works on six streams of a connection at a
 * time, but on two after the client has reset some. Then two bridges leave nothing to the site until one of them ends.
 */
static room_e room_beside(const holders_t *holders, const bridge_t *wanted)
{
    if (holders->all >= room() || (is_stream(wanted) && holders->streams >= room_for_streams())) {
        return NO_WORKER;
    }
    if (wanted->is_socket && holders->has_socket) {
        return CONNECTION_HAS_SOCKET;
    }
    if (holders->of_connection >= OF_CONNECTION) {
        return CONNECTION_HAS_MANY;
    }
    return holders->of_user >= room_for_user() ? USER_HAS_MANY : ROOM;
}

/* What there is no room for now, but as soon as others have ended that are about to, waits for them. */
static room_e find_room_locked(const bridge_t *wanted)
{
    holders_t now = {0, 0, 0, 0, false}, soon;
    const bridge_t *held;
    const waiter_t *waiter;
    room_e found;

    for (waiter = waiters; waiter != NULL; waiter = waiter->next) {
        now.all++;
        now.streams++;
    }
    soon = now;
    for (held = bridges; held != NULL; held = held->next) {
        add_holder(&now, held, wanted);
        if (!makes_room(held, wanted)) {
            add_holder(&soon, held, wanted);
        }
    }
    found = room_beside(&now, wanted);
    if (found == ROOM || room_beside(&soon, wanted) != ROOM) {
        return found;
    }
    return CONNECTION_HAS_SOCKET;
}

static void remove_waiter_locked(const waiter_t *waiter)
{
    waiter_t **at;

    for (at = &waiters; *at != waiter; at = &(*at)->next) {
    }
    *at = waiter->next;
}

static bool has_waiter_locked(const conn_rec *master)
{
    const waiter_t *waiter = waiters;

    while (waiter != NULL && waiter->master != master) {
        waiter = waiter->next;
    }
    return waiter != NULL;
}

/*
 * The same, but a page that closes its socket and opens another one waits for the end of the first. Waits without the lock.
 * Of a connection one worker waits, not more: anybody can ask, and nobody has looked at their token yet.
 */
static room_e wait_for_room_locked(const bridge_t *wanted)
{
    int64_t now = tc_clock_monotonic_us(), until = now + PATIENCE_US;
    waiter_t waiter = {.master = wanted->r->connection->master};
    room_e found = find_room_locked(wanted);

    tc_semaphore_init(&waiter.freed);
    while (found == CONNECTION_HAS_SOCKET && now < until && !has_waiter_locked(waiter.master)) {
        waiter.next = waiters;
        waiters = &waiter;
        pthread_mutex_unlock(&list_lock);
        TC_ASSERT_NOTHING_HELD();
        (void)tc_semaphore_wait_for(&waiter.freed, until - now);
        now = tc_clock_monotonic_us();
        pthread_mutex_lock(&list_lock);
        remove_waiter_locked(&waiter);
        found = find_room_locked(wanted);
    }
    tc_semaphore_destroy(&waiter.freed);
    return found;
}

/* Holds the worker for this bridge if there is room. */
static room_e hold(bridge_t *bridge)
{
    room_e found;

    pthread_mutex_lock(&list_lock);
    found = wait_for_room_locked(bridge);
    if (found == ROOM) {
        bridge->next = bridges;
        bridges = bridge;
    }
    pthread_mutex_unlock(&list_lock);
    return found;
}

static void let_go(const bridge_t *bridge)
{
    bridge_t **at;
    waiter_t *waiter;

    pthread_mutex_lock(&list_lock);
    for (at = &bridges; *at != bridge; at = &(*at)->next) {
    }
    *at = bridge->next;
    for (waiter = waiters; waiter != NULL; waiter = waiter->next) {
        if (waiter->master == bridge->r->connection->master) {
            tc_semaphore_post(&waiter->freed);
        }
    }
    pthread_mutex_unlock(&list_lock);
}

/* The administrator must act when workers run out. The other cases are a client's. */
static void log_refusal(request_rec *r, room_e found)
{
    if (found == NO_WORKER) {
        TC_LOG_OFTEN(1, APLOG_WARNING, 0, r, "TC0054: refused with 503: no worker or descriptor is left to relay a "
                     "connection (at most %u a child, %u of them over HTTP/2); HTTP/2 streams and the connections that "
                     "TC0051 names are relayed", room(), room_for_streams());
    }
    else {
        TC_LOG_OFTEN(TC_OFTEN_LINES, APLOG_DEBUG, 0, r, "TC0120: refused with 503: no more workers relay for %s (at most "
                     "%u)", found == USER_HAS_MANY ? "this user"
                     : found == CONNECTION_HAS_SOCKET ? "sockets of this connection of HTTP/2" : "this connection of HTTP/2",
                     found == USER_HAS_MANY ? room_for_user() : found == CONNECTION_HAS_SOCKET ? 1 : OF_CONNECTION);
    }
}

bool tc_bridge_has_room(request_rec *r, const tc_site_t *site, const char *user_id)
{
    const bridge_t wanted = {.site = site, .whose = user_id, .r = r, .is_socket = tc_http2_is_socket(r)};
    room_e found;

    pthread_mutex_lock(&list_lock);
    found = wait_for_room_locked(&wanted);
    pthread_mutex_unlock(&list_lock);
    if (found != ROOM) {
        log_refusal(r, found);
    }
    return found == ROOM;
}

/* ---- to the client ---- */

static apr_status_t pass(bridge_t *bridge, const char *bytes, apr_size_t len)
{
    conn_rec *c = bridge->r->connection;
    apr_bucket_brigade *bb = bridge->outgoing;
    apr_status_t rv;

    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_transient_create(bytes, len, c->bucket_alloc));
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_flush_create(c->bucket_alloc));
    rv = ap_pass_brigade(bridge->out, bb);
    apr_brigade_cleanup(bb);
    return rv == APR_SUCCESS && c->aborted ? APR_ECONNABORTED : rv;
}

/* Sets a field of an HTTP/2 response, which has no Connection field (RFC 9113, 8.2.2). httpd sets the date itself. */
static void set_field(request_rec *r, const char *name, const char *value)
{
    if (strcasecmp(name, "Content-Type") == 0) {
        ap_set_content_type(r, value);
    }
    else if (strcasecmp(name, "Content-Length") == 0) {
        ap_set_content_length(r, apr_atoi64(value));
    }
    else if (strcasecmp(name, "Connection") != 0 && strcasecmp(name, "Date") != 0) {
        apr_table_add(r->headers_out, name, value);
    }
}

/* Sets status and fields of the response from a head that this module made. */
static void apply_head(request_rec *r, const char *head, apr_size_t len)
{
    char *lines = apr_pstrmemdup(r->pool, head, len), *last, *line = apr_strtok(lines, CRLF, &last);

    r->status = line != NULL && strlen(line) > 9 ? (int)apr_atoi64(line + 9) : HTTP_INTERNAL_SERVER_ERROR;
    while ((line = apr_strtok(NULL, CRLF, &last)) != NULL) {
        char *colon = strchr(line, ':');

        if (colon != NULL) {
            *colon = '\0';
            set_field(r, line, colon + 1 + strspn(colon + 1, " "));
        }
    }
}

/* Waits until the head of an answer is complete, applies it, and passes the beginning of the body on. */
static apr_status_t pass_after_head(bridge_t *bridge)
{
    char *end = strstr(bridge->buffer, CRLF CRLF);
    apr_size_t head;

    if (end == NULL) {
        return bridge->buffered < sizeof(bridge->buffer) - 1 ? APR_SUCCESS : APR_EGENERAL;
    }
    head = (apr_size_t)(end - bridge->buffer) + 4;
    apply_head(bridge->r, bridge->buffer, head);
    bridge->needs_head = false;
    return pass(bridge, bridge->buffer + head, bridge->buffered - head);
}

/* Relays one piece of what the loop has written. APR_EOF: the loop has closed its end. */
static apr_status_t relay_out(bridge_t *bridge)
{
    apr_size_t at = bridge->needs_head ? bridge->buffered : 0;
    ssize_t got = read(bridge->fd, bridge->buffer + at, sizeof(bridge->buffer) - 1 - at);

    if (got < 0) {
        return errno == EAGAIN || errno == EINTR ? APR_SUCCESS : apr_get_os_error();
    }
    if (got == 0) {
        return APR_EOF;
    }
    if (!bridge->needs_head) {
        return pass(bridge, bridge->buffer, (apr_size_t)got);
    }
    bridge->buffered += (apr_size_t)got;
    bridge->buffer[bridge->buffered] = '\0';
    return pass_after_head(bridge);
}

/* ---- from the client ---- */

static void end_input(bridge_t *bridge)
{
    bridge->client = -1;
    (void)shutdown(bridge->fd, SHUT_WR);
}

/* Writes the client's input to the pair. What does not fit waits. */
static void write_input(bridge_t *bridge)
{
    while (bridge->input_done < bridge->input_len) {
        ssize_t sent = send(bridge->fd, bridge->input + bridge->input_done,
                            bridge->input_len - bridge->input_done, MSG_NOSIGNAL);

        if (sent < 0) {
            if (errno != EAGAIN && errno != EINTR) {
                end_input(bridge);
                bridge->input_len = bridge->input_done = 0;
            }
            return;
        }
        bridge->input_done += (apr_size_t)sent;
    }
    bridge->input_len = bridge->input_done = 0;
}

/* Reads what the input filters have. They may hold bytes of which poll() tells nothing. */
static void relay_in(bridge_t *bridge)
{
    conn_rec *c = bridge->r->connection;
    apr_bucket_brigade *bb = bridge->incoming;
    apr_status_t rv = APR_SUCCESS;

    while (bridge->client >= 0 && bridge->input_len == 0 && rv == APR_SUCCESS) {
        rv = ap_get_brigade(c->input_filters, bb, AP_MODE_READBYTES, APR_NONBLOCK_READ, CHUNK_BYTES);
        if (rv == APR_SUCCESS && APR_BRIGADE_EMPTY(bb)) {
            break;
        }
        if (rv == APR_SUCCESS) {
            bridge->input_len = CHUNK_BYTES;
            rv = apr_brigade_flatten(bb, bridge->input, &bridge->input_len);
            write_input(bridge);
        }
        apr_brigade_cleanup(bb);
    }
    if (rv != APR_SUCCESS && !APR_STATUS_IS_EAGAIN(rv)) {
        end_input(bridge);
    }
}

/* ---- the worker's stay ---- */

static void relay(bridge_t *bridge)
{
    apr_status_t rv = APR_SUCCESS;

    while (rv == APR_SUCCESS) {
        struct pollfd fds[2] = {{bridge->fd, POLLIN, 0}, {-1, POLLIN, 0}};

        relay_in(bridge);
        if (bridge->input_len > 0) {
            fds[0].events |= POLLOUT;
        }
        else {
            fds[1].fd = bridge->client;
        }
        if (poll(fds, 2, LOOK_MS) < 0 && errno != EINTR) {
            return;
        }
        if (bridge->r->connection->aborted) {
            return; /* mod_http2 says so when the client has reset its stream */
        }
        if (tc_reload_ends_child()) {
            tc_child_farewell(bridge->child, TC_FAREWELL_MOVE);
        }
        if (fds[0].revents & POLLOUT) {
            write_input(bridge);
        }
        if (fds[0].revents & (POLLIN | POLLHUP | POLLERR)) {
            rv = relay_out(bridge);
        }
    }
}

/* From here on the bytes are no HTTP messages, so the request's filters step aside. */
static void step_aside(request_rec *r, int status)
{
    conn_rec *c = r->connection;

    ap_remove_input_filter_byhandle(c->input_filters, "reqtimeout");
    r->status = status;
    r->status_line = ap_get_status_line(status);
    r->output_filters = r->proto_output_filters = c->output_filters;
    r->input_filters = r->proto_input_filters = c->input_filters;
    c->keepalive = AP_CONN_CLOSE;
}

/* The descriptor to poll for the client's bytes, or -1. False: this kind of connection has none. */
static bool find_client(request_rec *r, int *fd)
{
    apr_os_sock_t os_socket;

    if (r->connection->master != NULL) {
        *fd = tc_http2_input(r->connection);
        return true;
    }
    if (apr_os_sock_get(&os_socket, ap_get_conn_socket(r->connection)) != APR_SUCCESS) {
        return false;
    }
    *fd = os_socket;
    return true;
}

/* Polls and streams of events over HTTP/2 stay answers to a request. */
static bool is_answer(const request_rec *r, int status)
{
    return r->connection->master != NULL && status != HTTP_SWITCHING_PROTOCOLS;
}

/* Finds the client's bytes, and sends the head of the answer if there is one. */
static apr_status_t begin(bridge_t *bridge, int status, const char *head)
{
    request_rec *r = bridge->r;

    bridge->out = r->output_filters;
    bridge->outgoing = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    bridge->incoming = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    bridge->input = apr_palloc(r->pool, CHUNK_BYTES);
    bridge->client = -1;
    if (is_answer(r, status)) {
        bridge->needs_head = head == NULL;
        apr_table_setn(r->subprocess_env, "no-gzip", "1"); /* mod_deflate would hold events back, */
        apr_table_setn(r->subprocess_env, "no-brotli", "1"); /* and so would mod_brotli */
        if (head != NULL) {
            apply_head(r, head, strlen(head));
        }
        return APR_SUCCESS;
    }
    if (!find_client(r, &bridge->client)) {
        return APR_ENOTSOCK;
    }
    step_aside(r, status);
    bridge->out = r->connection->output_filters;
    if (bridge->client < 0) {
        end_input(bridge);
    }
    return head != NULL ? pass(bridge, head, strlen(head)) : APR_SUCCESS;
}

static bridge_t *make_bridge(request_rec *r, tc_child_t *child, const tc_adoption_t *adoption, int status)
{
    bridge_t *bridge = apr_pcalloc(r->pool, sizeof(*bridge));

    bridge->site = adoption->site;
    bridge->whose = adoption->user != NULL ? apr_pstrdup(r->pool, adoption->user->id) : STRANGERS;
    bridge->r = r;
    bridge->is_socket = status == HTTP_SWITCHING_PROTOCOLS;
    bridge->child = child;
    return bridge;
}

int tc_bridge(request_rec *r, tc_child_t *child, tc_adoption_t *adoption, int status, const char *head)
{
    bridge_t *bridge = make_bridge(r, child, adoption, status);
    room_e found = hold(bridge);
    int ends[2];

    if (found == ROOM && tc_system_stream_pair(ends) != 0) {
        let_go(bridge);
        found = NO_WORKER;
    }
    if (found != ROOM) {
        log_refusal(r, found);
        tc_adoption_drop(adoption, &child->peers);
        return HTTP_SERVICE_UNAVAILABLE;
    }
    bridge->fd = ends[1];
    adoption->fd = ends[0];
    adoption->bridged = true;
    if (begin(bridge, status, head) == APR_SUCCESS && tc_runtime_child() == child) { /* else the child is stopping */
        tc_metrics_add(adoption->site->metrics_slot, TC_M_TAKEOVERS + TC_L_TAKEOVER_BRIDGED, 1);
        tc_child_adopt(child, adoption);
        relay(bridge);
    }
    else {
        tc_adoption_drop(adoption, &child->peers);
    }
    close(bridge->fd);
    let_go(bridge);
    /* The loop has dropped a poll without an answer. */
    return bridge->needs_head && !r->connection->aborted ? HTTP_SERVICE_UNAVAILABLE : OK;
}
