/* Detaches an SSL from the module that made it. See tls.h. */
#include "engine/tls.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <stdatomic.h>

/*
 * OpenSSL tells nobody whether an answer to a CertificateRequest is still to come. But it says why it does not send
 * another request, and without SSL_VERIFY_PEER it sends none.
 */
bool tc_tls_is_settled(SSL *ssl)
{
    int mode = SSL_get_verify_mode(ssl), reason;

    if (!SSL_is_init_finished(ssl)) {
        return false;
    }
    if (SSL_version(ssl) < TLS1_3_VERSION) {
        return true;
    }
    (void)ERR_set_mark();
    SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL); /* NULL: the callback stays */
    reason = SSL_verify_client_post_handshake(ssl) ? 0 : ERR_GET_REASON(ERR_peek_last_error());
    SSL_set_verify(ssl, mode, NULL);
    (void)ERR_pop_to_mark();
    return reason == SSL_R_INVALID_CONFIG || reason == SSL_R_EXTENSION_NOT_RECEIVED;
}

bool tc_tls_owns_session(const SSL *ssl)
{
    long mode = SSL_CTX_get_session_cache_mode(SSL_get_SSL_CTX(ssl));

    return (mode & SSL_SESS_CACHE_SERVER) == 0 || (mode & SSL_SESS_CACHE_NO_INTERNAL_STORE) != 0;
}

/* No certificate is asked for any more, so none is taken. */
static int refuse_certificate(int is_good, X509_STORE_CTX *context)
{
    (void)is_good;
    X509_STORE_CTX_set_error(context, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
}

/*
 * Pads nothing. NULL in its place would crash: since OpenSSL 3.2 the record layer, which is made with the keys, goes on
 * calling what was set when it was made.
 */
static size_t pad_nothing(SSL *ssl, int type, size_t len, void *arg)
{
    (void)ssl;
    (void)type;
    (void)len;
    (void)arg;
    return 0;
}

/* An SSL_CTX without callbacks, which all detached SSLs share. Made with the first; NULL: none yet, or no memory. */
static _Atomic(SSL_CTX *) bare_context;

static SSL_CTX *find_context(void)
{
    SSL_CTX *context = atomic_load(&bare_context), *made;

    if (context != NULL) {
        return context;
    }
    made = SSL_CTX_new(TLS_server_method());
    if (made != NULL && !atomic_compare_exchange_strong(&bare_context, &context, made)) {
        SSL_CTX_free(made); /* another thread was faster */
        return context;
    }
    return made;
}

void tc_tls_end(void)
{
    SSL_CTX_free(atomic_exchange(&bare_context, NULL)); /* each SSL has a reference of its own */
}

/*
 * Takes the id from the session. At a fatal alert, and at the end of a connection that ends without a close_notify,
 * OpenSSL removes the session from the cache, through a callback of the SSL_CTX that the SSL began with: this one stays.
 * A session without an id is in no cache.
 * mod_ssl's cache keeps its copy, so the client may resume the session after an alert. TLS 1.3 allows this (RFC 8446,
 * 6.2), and a client with a ticket can do it anyway.
 */
static void hide_session(SSL *ssl)
{
    static const unsigned char none[1];
    SSL_SESSION *session = SSL_get_session(ssl);

    if (session != NULL) {
        (void)SSL_SESSION_set1_id(session, none, 0);
    }
}

bool tc_tls_detach(SSL *ssl, int fd)
{
    SSL_CTX *context = find_context();
    BIO *bio = context ? BIO_new_socket(fd, BIO_NOCLOSE) : NULL;

    if (bio == NULL || SSL_set_SSL_CTX(ssl, context) == NULL) {
        BIO_free(bio);
        return false;
    }
    SSL_set_bio(ssl, bio, bio);
    SSL_set_app_data(ssl, NULL);
    SSL_set_info_callback(ssl, NULL);
    SSL_set_msg_callback(ssl, NULL);
    (void)SSL_set_record_padding_callback(ssl, pad_nothing);
    SSL_set_verify(ssl, SSL_VERIFY_NONE, refuse_certificate);
    (void)SSL_set_num_tickets(ssl, 0); /* no callbacks for a ticket's key, and none for a new session */
    hide_session(ssl);
    SSL_set_options(ssl, SSL_OP_NO_RENEGOTIATION); /* a handshake would run all callbacks there are */
    SSL_clear_mode(ssl, SSL_MODE_AUTO_RETRY); /* one read would go on while the client sends new keys */
    SSL_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE
                          | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return true;
}
