/*
 * The transport over socketpairs: plain, TLS 1.2 and TLS 1.3, with a certificate that is made here. The client's side
 * uses only OpenSSL or system calls. No test waits: both ends are non-blocking and run in turns.
 */
#include "unit.h"

#include "base/limits.h"
#include "engine/transport.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
    tc_transport_t server; /* the transport under test */
    int fd;                /* the client's */
    SSL *ssl;              /* the client's; NULL: plain sockets */
    SSL_CTX *contexts[2];
    unsigned char scratch[TC_TLS_BATCH_BYTES];
} pair_t;

enum { PLAIN, TLS_1_2, TLS_1_3, KINDS };

/* ---- making pairs ---- */

static void make_sockets(int *fds)
{
    int size = 8192, i;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    for (i = 0; i < 2; i++) {
        fcntl(fds[i], F_SETFL, O_NONBLOCK);
        setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    }
}

static SSL *make_ssl(SSL_CTX **context, const SSL_METHOD *method, int kind, int fd)
{
    int version = kind == TLS_1_2 ? TLS1_2_VERSION : TLS1_3_VERSION;
    SSL *ssl;

    *context = SSL_CTX_new(method);
    SSL_CTX_set_min_proto_version(*context, version);
    SSL_CTX_set_max_proto_version(*context, version);
    if (method == TLS_server_method()) {
        unit_use_new_certificate(*context);
    }
    ssl = SSL_new(*context);
    SSL_set_fd(ssl, fd);
    return ssl;
}

/* Runs both sides in turns until both handshakes are complete. */
static void shake_hands(SSL *server, SSL *client)
{
    int turns = 0, server_done, client_done;

    do {
        client_done = SSL_do_handshake(client);
        server_done = SSL_do_handshake(server);
        ck_assert_int_lt(++turns, 20);
    } while (client_done != 1 || server_done != 1);
}

static pair_t *open_pair(int kind)
{
    pair_t *pair = calloc(1, sizeof(*pair));
    SSL *server = NULL;
    int fds[2];

    make_sockets(fds);
    if (kind != PLAIN) {
        server = make_ssl(&pair->contexts[0], TLS_server_method(), kind, fds[0]);
        pair->ssl = make_ssl(&pair->contexts[1], TLS_client_method(), kind, fds[1]);
        SSL_set_accept_state(server);
        SSL_set_connect_state(pair->ssl);
        shake_hands(server, pair->ssl);
        /* the same modes as the takeover sets */
        SSL_set_mode(server, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE
                                 | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        /* Reads the session tickets of TLS 1.3: unread, they would turn every hang-up into a reset. */
        ck_assert_int_eq(SSL_read(pair->ssl, pair->scratch, 1), -1);
    }
    pair->fd = fds[1];
    tc_transport_init(&pair->server, fds[0], server);
    return pair;
}

static void hang_up(pair_t *pair)
{
    if (pair->fd >= 0) {
        close(pair->fd);
        pair->fd = -1;
    }
}

static void close_pair(pair_t *pair)
{
    tc_transport_close(&pair->server);
    SSL_free(pair->ssl);
    hang_up(pair);
    SSL_CTX_free(pair->contexts[0]);
    SSL_CTX_free(pair->contexts[1]);
    free(pair);
}

/* ---- the client ---- */

/* Returns the number of bytes that the client gets now; 0: none, -1: the end. */
static int client_read(pair_t *pair, void *data, int size)
{
    int got;

    ERR_clear_error();
    errno = 0;
    if (pair->ssl == NULL) {
        got = (int)recv(pair->fd, data, (size_t)size, 0);
        return got > 0 ? got : got < 0 && errno == EAGAIN ? 0 : -1;
    }
    got = SSL_read(pair->ssl, data, size);
    return got > 0 ? got : SSL_get_error(pair->ssl, got) == SSL_ERROR_WANT_READ ? 0 : -1;
}

static void client_write(pair_t *pair, const void *data, int len)
{
    int sent = pair->ssl ? SSL_write(pair->ssl, data, len) : (int)send(pair->fd, data, (size_t)len, 0);

    ck_assert_int_eq(sent, len);
}

/* ---- the transport ---- */

static apr_status_t server_read(pair_t *pair, void *data, size_t size, size_t *len)
{
    return tc_transport_read(&pair->server, data, size, len);
}

static apr_status_t server_write(pair_t *pair, const void *data, size_t size, size_t *len,
                                 size_t *tried)
{
    struct iovec iov = {(void *)data, size};

    return tc_transport_write(&pair->server, &iov, 1, pair->scratch, len, tried);
}

static void expect_read(pair_t *pair, const char *expected)
{
    char data[100];
    size_t len;

    ck_assert_int_eq(server_read(pair, data, sizeof(data), &len), APR_SUCCESS);
    ck_assert_uint_eq(len, strlen(expected));
    ck_assert_mem_eq(data, expected, len);
}

START_TEST(bytes_go_both_ways_and_nothing_blocks)
{
    int kind;

    for (kind = 0; kind < KINDS; kind++) {
        pair_t *pair = open_pair(kind);
        char data[100];
        size_t len = 99, tried;

        ck_assert_int_eq(server_read(pair, data, sizeof(data), &len), APR_EAGAIN);
        ck_assert_uint_eq(len, 0);
        client_write(pair, "hello", 5);
        expect_read(pair, "hello");
        ck_assert_int_eq(server_read(pair, data, sizeof(data), &len), APR_EAGAIN);
        ck_assert_int_eq(server_write(pair, "world", 5, &len, &tried), APR_SUCCESS);
        ck_assert_uint_eq(len, 5);
        ck_assert_int_eq(client_read(pair, data, sizeof(data)), 5);
        ck_assert_mem_eq(data, "world", 5);
        ck_assert(!pair->server.read_wants_write && !pair->server.write_wants_read);
        close_pair(pair);
    }
}
END_TEST

START_TEST(pieces_leave_in_order_in_one_go)
{
    int kind;

    for (kind = 0; kind < KINDS; kind++) {
        struct iovec iov[] = {{(void *)"a", 1}, {(void *)"bcd", 3}, {(void *)"", 0}, {(void *)"ef", 2}};
        pair_t *pair = open_pair(kind);
        char data[100];
        size_t len, tried;

        ck_assert_int_eq(tc_transport_write(&pair->server, iov, 4, pair->scratch, &len, &tried),
                         APR_SUCCESS);
        ck_assert_uint_eq(len, 6);
        ck_assert_int_eq(client_read(pair, data, sizeof(data)), 6);
        ck_assert_mem_eq(data, "abcdef", 6);
        close_pair(pair);
    }
}
END_TEST

START_TEST(a_tls_write_takes_no_more_than_a_record)
{
    unsigned char *much = calloc(1, 3 * TC_TLS_BATCH_BYTES);
    struct iovec iov[] = {{much, 10000}, {much, 2 * TC_TLS_BATCH_BYTES}};
    pair_t *pair = open_pair(TLS_1_3);
    int size = 1 << 20;
    size_t len, tried;

    setsockopt(pair->server.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    ck_assert_int_eq(tc_transport_write(&pair->server, iov, 2, pair->scratch, &len, &tried),
                     APR_SUCCESS);
    ck_assert_uint_eq(len, TC_TLS_BATCH_BYTES);
    close_pair(pair);
    free(much);
}
END_TEST

/* Byte number n of a stream that a reader can check without knowing the writer. */
static unsigned char byte_at(size_t n)
{
    return (unsigned char)(n * 131 + n / 251);
}

static void fill(unsigned char *data, size_t from, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++) {
        data[i] = byte_at(from + i);
    }
}

/* Reads all bytes that are there and checks them. Returns the number of bytes read so far. */
static size_t drain(pair_t *pair, size_t from, int size)
{
    unsigned char data[5000];
    int got, i;

    while ((got = client_read(pair, data, size)) > 0) {
        for (i = 0; i < got; i++) {
            if (data[i] != byte_at(from + (size_t)i)) {
                ck_abort_msg("byte %zu of the stream is another", from + (size_t)i);
            }
        }
        from += (size_t)got;
    }
    ck_assert_int_eq(got, 0);
    return from;
}

/* A slow client: bytes that the full socket did not take are offered again, from other memory and with more behind. */
START_TEST(a_full_socket_takes_part_and_the_rest_later)
{
    const size_t total = 400000;
    int kind;

    for (kind = 0; kind < KINDS; kind++) {
        pair_t *pair = open_pair(kind);
        size_t sent = 0, received = 0, len, tried, last_tried = 0;
        int blocked = 0;

        while (sent < total) {
            size_t offer = total - sent < 30000 ? total - sent : 30000;
            unsigned char *data = malloc(offer);
            apr_status_t rv;

            fill(data, sent, offer);
            ck_assert_uint_ge(offer, last_tried);
            rv = server_write(pair, data, offer, &len, &tried);
            memset(pair->scratch, 0xee, sizeof(pair->scratch));
            memset(data, 0xee, offer);
            free(data);
            ck_assert(rv == APR_SUCCESS || rv == APR_EAGAIN);
            ck_assert(rv == APR_SUCCESS ? len > 0 : len == 0);
            sent += len;
            last_tried = rv == APR_EAGAIN ? tried : 0;
            if (rv == APR_EAGAIN) {
                ck_assert((kind == PLAIN) == (tried == 0));
                ck_assert(!pair->server.write_wants_read);
                received = drain(pair, received, 700);
                blocked++;
            }
        }
        ck_assert_uint_eq(drain(pair, received, 5000), total);
        ck_assert_int_gt(blocked, 3);
        close_pair(pair);
    }
}
END_TEST

static bool poll_says_readable(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    return poll(&poll_fd, 1, 0) == 1;
}

START_TEST(bytes_that_no_poll_tells_of_are_told)
{
    int kind;

    for (kind = 0; kind < KINDS; kind++) {
        pair_t *pair = open_pair(kind);
        char data[1000] = {0};
        size_t len, left = sizeof(data);

        ck_assert(!tc_transport_has_pending(&pair->server));
        client_write(pair, data, sizeof(data));
        while (left > 0) {
            ck_assert_int_eq(server_read(pair, data, 300, &len), APR_SUCCESS);
            left -= len;
            ck_assert(tc_transport_has_pending(&pair->server) == (kind != PLAIN && left > 0));
            ck_assert(poll_says_readable(pair->server.fd) == (kind == PLAIN && left > 0));
        }
        close_pair(pair);
    }
}
END_TEST

START_TEST(a_record_that_has_come_in_part_is_waited_for)
{
    int kind;

    for (kind = TLS_1_2; kind < KINDS; kind++) {
        pair_t *pair = open_pair(kind);
        BIO *memory = BIO_new(BIO_s_mem());
        unsigned char record[200], data[100];
        size_t len;
        int i, size;

        BIO_up_ref(memory);
        SSL_set0_wbio(pair->ssl, memory);
        client_write(pair, "hello", 5);
        size = BIO_read(memory, record, sizeof(record));
        for (i = 0; i < size; i++) {
            ck_assert_int_eq(server_read(pair, data, sizeof(data), &len), APR_EAGAIN);
            ck_assert_int_eq(send(pair->fd, record + i, 1, 0), 1);
        }
        expect_read(pair, "hello");
        BIO_free(memory);
        close_pair(pair);
    }
}
END_TEST

START_TEST(a_peer_that_ends_is_the_end)
{
    int kind, way;

    for (kind = 0; kind < KINDS; kind++) {
        for (way = 0; way < 3; way++) {
            pair_t *pair = open_pair(kind);
            char data[100];
            apr_status_t rv;
            size_t len;

            client_write(pair, "bye", 3);
            if (way == 0 && pair->ssl != NULL) {
                ck_assert_int_eq(SSL_shutdown(pair->ssl), 0);
            }
            else if (way == 1) {
                shutdown(pair->fd, SHUT_WR);
            }
            else {
                hang_up(pair);
            }
            expect_read(pair, "bye");
            rv = server_read(pair, data, sizeof(data), &len);
            /* A client that hangs up without reading the session tickets of TLS 1.3 sends a reset. */
            ck_assert_msg(rv == APR_EOF || (way == 2 && APR_STATUS_IS_ECONNRESET(rv)),
                          "kind %d, way %d", kind, way);
            ck_assert_uint_eq(len, 0);
            close_pair(pair);
        }
    }
}
END_TEST

START_TEST(a_connection_that_is_reset_is_broken)
{
    int kind;

    for (kind = 0; kind < KINDS; kind++) {
        pair_t *pair = open_pair(kind);
        char data[100];
        size_t len, tried;
        apr_status_t rv;

        ck_assert_int_eq(server_write(pair, "unread", 6, &len, &tried), APR_SUCCESS);
        hang_up(pair); /* with unread bytes, the client sends a reset */
        rv = server_read(pair, data, sizeof(data), &len);
        ck_assert_msg(rv != APR_SUCCESS && rv != APR_EAGAIN, "kind %d: %d", kind, rv);
        rv = server_write(pair, "x", 1, &len, &tried);
        ck_assert_msg(rv != APR_SUCCESS && rv != APR_EAGAIN, "kind %d: %d", kind, rv);
        close_pair(pair);
    }
}
END_TEST

START_TEST(a_plain_write_to_nobody_raises_no_signal)
{
    pair_t *pair = open_pair(PLAIN);
    size_t len, tried;

    signal(SIGPIPE, SIG_DFL);
    hang_up(pair);
    ck_assert_int_eq(server_write(pair, "x", 1, &len, &tried), EPIPE);
    signal(SIGPIPE, SIG_IGN);
    close_pair(pair);
}
END_TEST

START_TEST(bytes_that_are_no_tls_break_the_connection)
{
    int kind;

    for (kind = TLS_1_2; kind < KINDS; kind++) {
        pair_t *pair = open_pair(kind);
        char data[100];
        size_t len;
        apr_status_t rv;

        ck_assert_int_eq(send(pair->fd, "GET / HTTP/1.1\r\n\r\n", 18, 0), 18);
        rv = server_read(pair, data, sizeof(data), &len);
        ck_assert(rv != APR_SUCCESS && rv != APR_EAGAIN && rv != APR_EOF);
        ck_assert_uint_eq(ERR_peek_error(), 0); /* no error is left for the next connection */
        close_pair(pair);
    }
}
END_TEST

START_TEST(an_error_of_another_connection_is_not_taken_for_ours)
{
    pair_t *pair = open_pair(TLS_1_3);
    char data[100];
    size_t len, tried;

    ERR_raise(ERR_LIB_SSL, SSL_R_BAD_LENGTH);
    errno = ECONNRESET;
    ck_assert_int_eq(server_read(pair, data, sizeof(data), &len), APR_EAGAIN);
    ERR_raise(ERR_LIB_SSL, SSL_R_BAD_LENGTH);
    ck_assert_int_eq(server_write(pair, "x", 1, &len, &tried), APR_SUCCESS);
    close_pair(pair);
}
END_TEST

START_TEST(after_the_finish_the_peer_sees_the_end_and_may_go_on_itself)
{
    int kind;

    for (kind = 0; kind < KINDS; kind++) {
        pair_t *pair = open_pair(kind);
        size_t len, tried;
        char data[100];

        ck_assert_int_eq(server_write(pair, "last", 4, &len, &tried), APR_SUCCESS);
        tc_transport_finish(&pair->server);
        ck_assert_int_eq(client_read(pair, data, sizeof(data)), 4);
        ck_assert_int_eq(client_read(pair, data, sizeof(data)), -1);
        if (pair->ssl != NULL) {
            ck_assert(SSL_get_shutdown(pair->ssl) & SSL_RECEIVED_SHUTDOWN);
        }
        client_write(pair, "reply", 5);
        expect_read(pair, "reply");
        ck_assert_uint_eq(ERR_peek_error(), 0);
        close_pair(pair);
    }
}
END_TEST

START_TEST(closing_closes_and_may_be_done_twice)
{
    int kind;

    for (kind = 0; kind < KINDS; kind++) {
        pair_t *pair = open_pair(kind);
        char data[100];

        tc_transport_close(&pair->server);
        ck_assert_int_eq(pair->server.fd, -1);
        ck_assert_int_eq(client_read(pair, data, sizeof(data)), -1);
        ck_assert(!tc_transport_has_pending(&pair->server));
        close_pair(pair);
    }
}
END_TEST

/* ---- TLS that changes its keys during the connection ---- */

START_TEST(a_key_update_passes_unseen)
{
    pair_t *pair = open_pair(TLS_1_3);
    size_t received = 0, sent = 0, len, tried;
    unsigned char data[3000];
    int i;

    for (i = 0; i < 50; i++) {
        char got[100];

        ck_assert_int_eq(SSL_key_update(pair->ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        client_write(pair, "ping", 4);
        expect_read(pair, "ping");
        ck_assert_int_eq(server_read(pair, got, sizeof(got), &len), APR_EAGAIN);
        fill(data, sent, sizeof(data));
        if (server_write(pair, data, sizeof(data), &len, &tried) == APR_EAGAIN) {
            received = drain(pair, received, 700);
        }
        sent += len;
    }
    ck_assert_uint_eq(drain(pair, received, 700), sent);
    close_pair(pair);
}
END_TEST

static const unsigned char block[600];

/* The number of whole blocks that a new socket takes. It is always the same, because the buffers have the same size. */
static int blocks_that_fit(void)
{
    pair_t *pair = open_pair(TLS_1_2);
    size_t len, tried;
    int count = 0;

    while (server_write(pair, block, sizeof(block), &len, &tried) == APR_SUCCESS) {
        ck_assert_uint_eq(len, sizeof(block));
        count++;
    }
    close_pair(pair);
    return count;
}

/* The server asks for new keys (TLS 1.2), and the client answers with its hello. */
static void begin_renegotiation(pair_t *pair)
{
    char data[10];

    ck_assert_int_eq(SSL_renegotiate(pair->server.ssl), 1);
    ck_assert_int_eq(SSL_do_handshake(pair->server.ssl), 1);
    ck_assert_int_eq(client_read(pair, data, sizeof(data)), 0);
}

START_TEST(a_write_in_the_middle_of_a_handshake_waits_for_bytes)
{
    pair_t *pair = open_pair(TLS_1_2);
    size_t len, tried;
    char data[100];

    begin_renegotiation(pair);
    ck_assert_int_eq(server_read(pair, data, sizeof(data), &len), APR_EAGAIN);
    ck_assert(!pair->server.read_wants_write);
    ck_assert_int_eq(server_write(pair, "late", 4, &len, &tried), APR_EAGAIN);
    ck_assert(pair->server.write_wants_read);
    ck_assert_uint_eq(tried, 4);
    ck_assert_int_eq(client_read(pair, data, sizeof(data)), 0);
    ck_assert_int_eq(server_write(pair, "late", 4, &len, &tried), APR_SUCCESS);
    ck_assert(!pair->server.write_wants_read);
    ck_assert_int_eq(client_read(pair, data, sizeof(data)), 4);
    ck_assert_mem_eq(data, "late", 4);
    close_pair(pair);
}
END_TEST

START_TEST(a_read_in_the_middle_of_a_handshake_waits_for_room)
{
    int blocks = blocks_that_fit(), i, got, total = 0;
    pair_t *pair = open_pair(TLS_1_2);
    size_t len, tried;
    char data[1000];

    begin_renegotiation(pair);
    for (i = 0; i < blocks; i++) {
        ck_assert_int_eq(server_write(pair, block, sizeof(block), &len, &tried), APR_SUCCESS);
    }
    ck_assert_int_eq(server_read(pair, data, sizeof(data), &len), APR_EAGAIN);
    ck_assert(pair->server.read_wants_write);
    while ((got = client_read(pair, data, sizeof(data))) > 0) {
        total += got;
    }
    ck_assert_int_eq(total, blocks * (int)sizeof(block));
    ck_assert_int_eq(server_read(pair, data, sizeof(data), &len), APR_EAGAIN);
    ck_assert(!pair->server.read_wants_write);
    ck_assert_int_eq(client_read(pair, data, sizeof(data)), 0);
    ck_assert_int_eq(server_read(pair, data, sizeof(data), &len), APR_EAGAIN);
    ck_assert_int_eq(client_read(pair, data, sizeof(data)), 0);
    client_write(pair, "on", 2);
    expect_read(pair, "on");
    close_pair(pair);
}
END_TEST

UNIT_MAIN("transport", bytes_go_both_ways_and_nothing_blocks, pieces_leave_in_order_in_one_go,
          a_tls_write_takes_no_more_than_a_record, a_full_socket_takes_part_and_the_rest_later,
          bytes_that_no_poll_tells_of_are_told, a_record_that_has_come_in_part_is_waited_for,
          a_peer_that_ends_is_the_end, a_connection_that_is_reset_is_broken,
          a_plain_write_to_nobody_raises_no_signal, bytes_that_are_no_tls_break_the_connection,
          an_error_of_another_connection_is_not_taken_for_ours,
          after_the_finish_the_peer_sees_the_end_and_may_go_on_itself,
          closing_closes_and_may_be_done_twice, a_key_update_passes_unseen,
          a_write_in_the_middle_of_a_handshake_waits_for_bytes,
          a_read_in_the_middle_of_a_handshake_waits_for_room)
