/*
 * A descriptor and perhaps an SSL on it: reads and writes that never block, and what each waits for.
 * Whether there is TLS shows nowhere above. The loop's.
 */
#ifndef TC_ENGINE_TRANSPORT_H
#define TC_ENGINE_TRANSPORT_H

#include <apr_errno.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <sys/uio.h>

typedef struct {
    int fd;                /* -1 when closed */
    SSL *ssl;              /* NULL: plain */
    bool read_wants_write; /* TLS: the read goes on when the socket takes bytes */
    bool write_wants_read; /* TLS: the write goes on when bytes come */
} tc_transport_t;

/* Takes both over; `ssl` (one reference) may be NULL and has `fd` as its BIO. */
void tc_transport_init(tc_transport_t *transport, int fd, SSL *ssl);

/*
 * Reads up to `size` bytes. APR_EAGAIN: nothing now; APR_EOF: the peer has ended, in whatever way;
 * anything else: the connection is broken.
 */
apr_status_t tc_transport_read(tc_transport_t *transport, unsigned char *data, size_t size,
                               size_t *len);

/*
 * Writes what the socket takes of `iov`; *len may be less than all of it. APR_EAGAIN: nothing now, and
 * over TLS the next call must begin with the same bytes, *tried of them. `scratch` has
 * TC_TLS_BATCH_BYTES, where the pieces become one record.
 */
apr_status_t tc_transport_write(tc_transport_t *transport, const struct iovec *iov, int count,
                                unsigned char *scratch, size_t *len, size_t *tried);

/* True when bytes lie ready that no poll will tell of. */
bool tc_transport_has_pending(const tc_transport_t *transport);

/* Says that nothing more will be sent (close_notify, FIN). What the peer sends can still be read. */
void tc_transport_finish(tc_transport_t *transport);

/* Closes and frees. May be called twice. */
void tc_transport_close(tc_transport_t *transport);

#endif
