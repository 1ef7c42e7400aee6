/* Plain and TLS sockets. See transport.h. */
#include "engine/transport.h"

#include "base/limits.h"
#include "engine/system.h"

#include <apr_errno.h>
#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void tc_transport_init(tc_transport_t *transport, int fd, SSL *ssl)
{
    memset(transport, 0, sizeof(*transport));
    transport->fd = fd;
    transport->ssl = ssl;
}

static apr_status_t socket_status(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK ? APR_EAGAIN : apr_get_os_error();
}

static apr_status_t plain_read(tc_transport_t *transport, unsigned char *data, size_t size,
                               size_t *len)
{
    ssize_t got;

    do {
        got = recv(transport->fd, data, size, 0);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        return socket_status();
    }
    *len = (size_t)got;
    return got == 0 ? APR_EOF : APR_SUCCESS;
}

static apr_status_t plain_write(tc_transport_t *transport, const struct iovec *iov, int count,
                                size_t *len)
{
    struct msghdr message;
    ssize_t sent;

    memset(&message, 0, sizeof(message));
    message.msg_iov = (struct iovec *)iov;
    message.msg_iovlen = (size_t)count;
    do {
        sent = sendmsg(transport->fd, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) {
        return socket_status();
    }
    *len = (size_t)sent;
    return APR_SUCCESS;
}

/*
 * What a failed SSL_read_ex() or SSL_write_ex() means. Sets *other_way if a read waits until the socket is writable, or
 * a write until it is readable: a key update can cause either.
 */
static apr_status_t tls_status(SSL *ssl, int result, int opposite, bool *other_way)
{
    int error = SSL_get_error(ssl, result), reason;

    *other_way = error == opposite;
    switch (error) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return APR_EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return APR_EOF;
    case SSL_ERROR_SYSCALL:
        ERR_clear_error();
        return errno == 0 ? APR_EOF : apr_get_os_error();
    default:
        /* The peer has gone without a close_notify. OpenSSL 3 calls that an error; here it is an end like any other. */
        reason = ERR_GET_REASON(ERR_peek_error());
        ERR_clear_error();
        return reason == SSL_R_UNEXPECTED_EOF_WHILE_READING ? APR_EOF : APR_EGENERAL;
    }
}

static apr_status_t tls_read(tc_transport_t *transport, unsigned char *data, size_t size,
                             size_t *len)
{
    int ok;

    ERR_clear_error();
    errno = 0;
    ok = SSL_read_ex(transport->ssl, data, size, len);
    transport->read_wants_write = false;
    return ok ? APR_SUCCESS
              : tls_status(transport->ssl, ok, SSL_ERROR_WANT_WRITE, &transport->read_wants_write);
}

/* Copies the pieces into one buffer: a record for each piece would cost a header, a tag and a system call each. */
static size_t gather(const struct iovec *iov, int count, unsigned char *scratch)
{
    size_t used = 0;
    int i;

    for (i = 0; i < count && used < TC_TLS_BATCH_BYTES; i++) {
        size_t room = TC_TLS_BATCH_BYTES - used;
        size_t len = iov[i].iov_len < room ? iov[i].iov_len : room;

        memcpy(scratch + used, iov[i].iov_base, len);
        used += len;
    }
    return used;
}

static apr_status_t tls_write(tc_transport_t *transport, const struct iovec *iov, int count,
                              unsigned char *scratch, size_t *len, size_t *tried)
{
    int ok;

    *tried = gather(iov, count, scratch);
    ERR_clear_error();
    errno = 0;
    ok = SSL_write_ex(transport->ssl, scratch, *tried, len);
    transport->write_wants_read = false;
    return ok ? APR_SUCCESS
              : tls_status(transport->ssl, ok, SSL_ERROR_WANT_READ, &transport->write_wants_read);
}

apr_status_t tc_transport_read(tc_transport_t *transport, unsigned char *data, size_t size,
                               size_t *len)
{
    *len = 0;
    return transport->ssl ? tls_read(transport, data, size, len)
                          : plain_read(transport, data, size, len);
}

apr_status_t tc_transport_write(tc_transport_t *transport, const struct iovec *iov, int count,
                                unsigned char *scratch, size_t *len, size_t *tried)
{
    *len = *tried = 0;
    return transport->ssl ? tls_write(transport, iov, count, scratch, len, tried)
                          : plain_write(transport, iov, count, len);
}

bool tc_transport_has_pending(const tc_transport_t *transport)
{
    return transport->ssl != NULL && SSL_has_pending(transport->ssl);
}

void tc_transport_finish(tc_transport_t *transport)
{
    if (transport->ssl != NULL) {
        /* SSL_shutdown() is tried once. If the socket is full, the peer sees only the FIN. */
        (void)SSL_shutdown(transport->ssl);
        ERR_clear_error();
    }
    (void)shutdown(transport->fd, SHUT_WR);
}

void tc_transport_close(tc_transport_t *transport)
{
    if (transport->ssl != NULL) {
        SSL_free(transport->ssl);
        transport->ssl = NULL;
    }
    if (transport->fd >= 0) {
        close(transport->fd);
        transport->fd = -1;
    }
}
