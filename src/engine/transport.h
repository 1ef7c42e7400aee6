/*
 * A connection's descriptor, and its SSL if the connection uses TLS. Reads and writes never block, and the transport
 * notes what each of them waits for. Code above the transport need not know about TLS. Loop thread only.
 */
#ifndef TC_ENGINE_TRANSPORT_H
#define TC_ENGINE_TRANSPORT_H

#include <apr_errno.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <sys/uio.h>

typedef struct {
    SSL *ssl;              /* NULL: plain */
    int fd;                /* -1: closed */
    bool read_wants_write; /* TLS: the read can go on when the socket is writable */
    bool write_wants_read; /* TLS: the write can go on when the socket is readable */
} tc_transport_t;

/* Takes over `fd` and one reference of `ssl`. `ssl` may be NULL; otherwise its BIO uses `fd`. */
void tc_transport_init(tc_transport_t *transport, int fd, SSL *ssl);

/*
 * Reads up to `size` bytes. APR_EAGAIN: nothing to read now. APR_EOF: the peer has ended, cleanly or not. Any other
 * error: the connection is broken.
 */
apr_status_t tc_transport_read(tc_transport_t *transport, unsigned char *data, size_t size,
                               size_t *len);

/*
 * Writes as much of `iov` as the socket takes, and sets *len to the bytes written. APR_EAGAIN: the socket takes nothing
 * now. Over TLS, the next call must then begin with the same *tried bytes (SSL_write(3)). `scratch` holds
 * TC_TLS_BATCH_BYTES; over TLS, the pieces are gathered there into one record.
 */
apr_status_t tc_transport_write(tc_transport_t *transport, const struct iovec *iov, int count,
                                unsigned char *scratch, size_t *len, size_t *tried);

/* True if the SSL has buffered bytes to read, which the poller does not report. */
bool tc_transport_has_pending(const tc_transport_t *transport);

/* Tells the peer that nothing more will be sent (close_notify, FIN). Reading is still possible. */
void tc_transport_finish(tc_transport_t *transport);

/* Closes the descriptor and frees the SSL. May be called again. */
void tc_transport_close(tc_transport_t *transport);

#endif
