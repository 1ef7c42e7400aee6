/*
 * An SSL that leaves the module that made it. The SSL_CTX has every callback that a server can have, as those of
 * mod_ssl and of other modules, and counts the calls. Whatever the client does after tc_tls_detach(), none is called.
 */
#include "unit.h"

#include "engine/tls.h"
#include "engine/transport.h"

#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
    SSL_CTX *contexts[2]; /* the server's, the client's */
    SSL *server, *client;
    int fds[2];
} pair_t;

static int calls; /* of the callbacks of the server's SSL_CTX */

/* ---- the callbacks of the other module: each lets the handshake go on ---- */

static int called(int result)
{
    calls++;
    return result;
}

static void on_info(const SSL *ssl, int where, int result)
{
    (void)ssl;
    (void)where;
    called(result);
}

static void on_msg(int is_write, int version, int type, const void *data, size_t len, SSL *ssl, void *arg)
{
    (void)is_write;
    (void)version;
    (void)type;
    (void)data;
    (void)len;
    (void)ssl;
    (void)arg;
    called(0);
}

static int on_verify(int is_good, X509_STORE_CTX *context)
{
    (void)is_good;
    (void)context;
    return called(1);
}

static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    (void)session;
    return called(0);
}

static void on_removed_session(SSL_CTX *context, SSL_SESSION *session)
{
    (void)context;
    (void)session;
    called(0);
}

static SSL_SESSION *on_wanted_session(SSL *ssl, const unsigned char *id, int len, int *copy)
{
    (void)ssl;
    (void)id;
    (void)len;
    *copy = 0;
    called(0);
    return NULL;
}

static int on_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                         int encrypts)
{
    static unsigned char key[33] = "a key of thirty-two characters..";
    static char digest[] = "sha256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_octet_string(OSSL_MAC_PARAM_KEY, key, sizeof(key) - 1),
        OSSL_PARAM_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_END,
    };

    (void)ssl;
    memset(name, 'n', 16);
    memset(iv, 'i', EVP_MAX_IV_LENGTH);
    ck_assert_int_eq(EVP_MAC_CTX_set_params(mac, parameters), 1);
    ck_assert_int_eq(EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key, iv, encrypts), 1);
    return called(1);
}

static int on_ticket(SSL *ssl, void *arg)
{
    (void)ssl;
    (void)arg;
    return called(1);
}

static int on_wanted_id(SSL *ssl, unsigned char *id, unsigned *len)
{
    (void)ssl;
    memset(id, calls, *len);
    return called(1);
}

static int on_hello(SSL *ssl, int *alert, void *arg)
{
    (void)ssl;
    (void)alert;
    (void)arg;
    return called(SSL_CLIENT_HELLO_SUCCESS);
}

static int on_server_name(SSL *ssl, int *alert, void *arg)
{
    (void)ssl;
    (void)alert;
    (void)arg;
    return called(SSL_TLSEXT_ERR_OK);
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in, unsigned len,
                   void *arg)
{
    (void)ssl;
    (void)out;
    (void)out_len;
    (void)in;
    (void)len;
    (void)arg;
    return called(SSL_TLSEXT_ERR_NOACK);
}

static int on_status(SSL *ssl, void *arg)
{
    (void)ssl;
    (void)arg;
    return called(SSL_TLSEXT_ERR_NOACK);
}

static void on_key(const SSL *ssl, const char *line)
{
    (void)ssl;
    (void)line;
    called(0);
}

static int on_certificate(SSL *ssl, void *arg)
{
    (void)ssl;
    (void)arg;
    return called(1);
}

static size_t on_padding(SSL *ssl, int type, size_t len, void *arg)
{
    (void)ssl;
    (void)type;
    (void)len;
    (void)arg;
    return (size_t)called(0);
}

static int on_not_resumable(SSL *ssl, int is_forward_secure)
{
    (void)ssl;
    (void)is_forward_secure;
    return called(0);
}

static int on_security(const SSL *ssl, const SSL_CTX *context, int op, int bits, int nid, void *other, void *arg)
{
    (void)ssl;
    (void)context;
    (void)op;
    (void)bits;
    (void)nid;
    (void)other;
    (void)arg;
    return called(1);
}

static int on_psk(SSL *ssl, const unsigned char *identity, size_t len, SSL_SESSION **session)
{
    (void)ssl;
    (void)identity;
    (void)len;
    *session = NULL;
    return called(1);
}

static int on_extension(SSL *ssl, unsigned type, unsigned context, const unsigned char *in, size_t len, X509 *x,
                        size_t chain, int *alert, void *arg)
{
    (void)ssl;
    (void)type;
    (void)context;
    (void)in;
    (void)len;
    (void)x;
    (void)chain;
    (void)alert;
    (void)arg;
    return called(1);
}

static void set_callbacks(SSL_CTX *context)
{
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_set_session_id_context(context, (const unsigned char *)"site", 4);
    SSL_CTX_set_options(context, SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
    SSL_CTX_set_info_callback(context, on_info);
    SSL_CTX_set_msg_callback(context, on_msg);
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, on_verify);
    SSL_CTX_sess_set_new_cb(context, on_new_session);
    SSL_CTX_sess_set_remove_cb(context, on_removed_session);
    SSL_CTX_sess_set_get_cb(context, on_wanted_session);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket_key);
    SSL_CTX_set_session_ticket_cb(context, on_ticket, NULL, NULL);
    SSL_CTX_set_generate_session_id(context, on_wanted_id);
    SSL_CTX_set_client_hello_cb(context, on_hello, NULL);
    SSL_CTX_set_tlsext_servername_callback(context, on_server_name);
    SSL_CTX_set_alpn_select_cb(context, on_alpn, NULL);
    SSL_CTX_set_tlsext_status_cb(context, on_status);
    SSL_CTX_set_keylog_callback(context, on_key);
    SSL_CTX_set_cert_cb(context, on_certificate, NULL);
    SSL_CTX_set_record_padding_callback(context, on_padding);
    SSL_CTX_set_not_resumable_session_callback(context, on_not_resumable);
    SSL_CTX_set_security_callback(context, on_security);
    SSL_CTX_set_psk_find_session_callback(context, on_psk);
    ck_assert_int_eq(SSL_CTX_add_custom_ext(context, 65000, SSL_EXT_CLIENT_HELLO | SSL_EXT_TLS1_3_CERTIFICATE, NULL,
                                            NULL, NULL, on_extension, NULL), 1);
}

/* ---- pairs ---- */

static SSL *make_ssl(SSL_CTX **context, const SSL_METHOD *method, int version, int fd)
{
    SSL *ssl;

    *context = SSL_CTX_new(method);
    SSL_CTX_set_min_proto_version(*context, version);
    SSL_CTX_set_max_proto_version(*context, version);
    unit_use_new_certificate(*context);
    if (method == TLS_server_method()) {
        set_callbacks(*context);
    }
    else {
        SSL_CTX_set_post_handshake_auth(*context, 1);
    }
    ssl = SSL_new(*context);
    SSL_set_fd(ssl, fd);
    return ssl;
}

static pair_t open_pair(int version)
{
    pair_t pair;
    int turns = 0, server_done, client_done;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair.fds), 0);
    fcntl(pair.fds[0], F_SETFL, O_NONBLOCK);
    fcntl(pair.fds[1], F_SETFL, O_NONBLOCK);
    pair.server = make_ssl(&pair.contexts[0], TLS_server_method(), version, pair.fds[0]);
    pair.client = make_ssl(&pair.contexts[1], TLS_client_method(), version, pair.fds[1]);
    SSL_set_accept_state(pair.server);
    SSL_set_info_callback(pair.server, on_info);
    SSL_set_connect_state(pair.client);
    SSL_set_tlsext_host_name(pair.client, "chat.example");
    do {
        client_done = SSL_do_handshake(pair.client);
        server_done = SSL_do_handshake(pair.server);
        ck_assert_int_lt(++turns, 20);
    } while (client_done != 1 || server_done != 1);
    ck_assert_int_eq(SSL_read(pair.client, &turns, 1), -1); /* the tickets */
    ck_assert_int_gt(calls, 10);
    return pair;
}

static void close_pair(pair_t *pair)
{
    SSL_free(pair->client);
    SSL_CTX_free(pair->contexts[0]);
    SSL_CTX_free(pair->contexts[1]);
    close(pair->fds[1]);
    tc_tls_end();
}

static void ask_for_certificate(pair_t *pair)
{
    SSL_set_verify(pair->server, SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE, NULL);
    ck_assert_int_eq(SSL_verify_client_post_handshake(pair->server), 1);
    ck_assert_int_eq(SSL_do_handshake(pair->server), 1);
}

/* ---- what a client may do ---- */

static void do_nothing(pair_t *pair)
{
    (void)pair;
}

static void send_garbage(pair_t *pair)
{
    static const char record[] = "\x17\x03\x03\x00\x20 not what the keys would make of it";

    ck_assert_int_eq(send(pair->fds[1], record, 37, 0), 37);
}

/* The client takes its own input for broken, and says so. */
static void send_alert(pair_t *pair)
{
    static const char record[] = "\x17\x03\x03\x00\x20 not what the keys would make of it";
    BIO *memory = BIO_new_mem_buf(record, 37);
    char data[10];

    SSL_set0_rbio(pair->client, memory);
    ck_assert_int_le(SSL_read(pair->client, data, sizeof(data)), 0);
}

static void say_goodbye(pair_t *pair)
{
    ck_assert_int_eq(SSL_shutdown(pair->client), 0);
}

static void send_end(pair_t *pair)
{
    shutdown(pair->fds[1], SHUT_WR);
}

/* TLS 1.2 alone. */
static void renegotiate(pair_t *pair)
{
    if (SSL_renegotiate(pair->client) == 1) {
        (void)SSL_do_handshake(pair->client);
    }
}

/* TLS 1.3 alone. */
static void ask_for_new_keys(pair_t *pair)
{
    if (SSL_key_update(pair->client, SSL_KEY_UPDATE_REQUESTED) == 1) {
        ck_assert_int_eq(SSL_do_handshake(pair->client), 1);
    }
}

/* The server's request came before the SSL was detached, which takeover.c does not allow. */
static void send_certificate(pair_t *pair)
{
    char data[10];

    ck_assert_int_eq(SSL_read(pair->client, data, sizeof(data)), -1);
}

static void (*const acts[])(pair_t *) = {do_nothing,  send_garbage,     send_alert,       say_goodbye, send_end,
                                         renegotiate, ask_for_new_keys, send_certificate};

static void expect_no_call(int version, void (*act)(pair_t *), bool has_certificate)
{
    pair_t pair = open_pair(version);
    tc_transport_t transport;
    struct iovec bytes = {(void *)"x", 1};
    unsigned char data[100], *scratch = malloc(1 << 16);
    size_t len, tried;
    int i;

    ck_assert(tc_tls_is_settled(pair.server));
    ck_assert(tc_tls_owns_session(pair.server));
    if (act == send_certificate && version == TLS1_3_VERSION) {
        ask_for_certificate(&pair);
        if (!has_certificate) {
            SSL_certs_clear(pair.client);
        }
    }
    ck_assert(tc_tls_detach(pair.server, pair.fds[0]));
    calls = 0;
    tc_transport_init(&transport, pair.fds[0], pair.server);
    act(&pair);
    for (i = 0; i < 5; i++) {
        (void)tc_transport_read(&transport, data, sizeof(data), &len);
        (void)tc_transport_write(&transport, &bytes, 1, scratch, &len, &tried);
        (void)SSL_read(pair.client, data, sizeof(data));
    }
    if (i % 2) {
        tc_transport_finish(&transport);
    }
    tc_transport_close(&transport);
    ck_assert_msg(calls == 0, "version %x: %d", (unsigned)version, calls);
    close_pair(&pair);
    ERR_clear_error();
    free(scratch);
}

START_TEST(no_callback_of_another_module_is_called_whatever_the_client_does)
{
    size_t i;

    for (i = 0; i < UNIT_COUNT(acts); i++) {
        expect_no_call(TLS1_2_VERSION, acts[i], true);
        expect_no_call(TLS1_3_VERSION, acts[i], true);
    }
    expect_no_call(TLS1_3_VERSION, send_certificate, false);
}
END_TEST

/* A client that sends new keys as fast as it can holds the loop for one record a read, whatever the other module set. */
START_TEST(a_read_ends_after_each_record)
{
    pair_t pair = open_pair(TLS1_3_VERSION);
    tc_transport_t transport;
    unsigned char data[100];
    size_t len;
    int i, before = 0, left = 0;

    ck_assert_int_ne(SSL_get_mode(pair.server) & SSL_MODE_AUTO_RETRY, 0); /* OpenSSL's default */
    ck_assert(tc_tls_detach(pair.server, pair.fds[0]));
    tc_transport_init(&transport, pair.fds[0], pair.server);
    for (i = 0; i < 20; i++) {
        ck_assert_int_eq(SSL_key_update(pair.client, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        ck_assert_int_eq(SSL_do_handshake(pair.client), 1);
    }
    ck_assert_int_eq(ioctl(pair.fds[0], FIONREAD, &before), 0);
    ck_assert_int_eq(tc_transport_read(&transport, data, sizeof(data), &len), APR_EAGAIN);
    ck_assert_int_eq(ioctl(pair.fds[0], FIONREAD, &left), 0);
    ck_assert_int_eq(before - left, before / 20);
    tc_transport_close(&transport);
    close_pair(&pair);
}
END_TEST

START_TEST(an_ssl_is_not_settled_while_a_certificate_is_to_come)
{
    pair_t pair = open_pair(TLS1_3_VERSION);
    char data[10];
    int i;

    ck_assert_int_eq(SSL_get_verify_mode(pair.server), SSL_VERIFY_NONE);
    ck_assert(tc_tls_is_settled(pair.server) && tc_tls_is_settled(pair.server));
    ask_for_certificate(&pair);
    ck_assert(!tc_tls_is_settled(pair.server) && !tc_tls_is_settled(pair.server));
    ck_assert_int_eq(SSL_write(pair.client, "early", 5), 5);
    ck_assert_int_eq(SSL_read(pair.server, data, sizeof(data)), 5);
    ck_assert(!tc_tls_is_settled(pair.server));
    calls = 0;
    ck_assert_int_eq(SSL_read(pair.client, data, sizeof(data)), -1); /* and answers */
    ck_assert_int_eq(SSL_read(pair.server, data, sizeof(data)), -1);
    ck_assert(tc_tls_is_settled(pair.server));
    ck_assert_int_gt(calls, 0);
    ck_assert_int_eq(SSL_get_verify_mode(pair.server), SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE);
    ck_assert_ptr_nonnull(SSL_get0_peer_certificate(pair.server));
    ck_assert_uint_eq(ERR_peek_error(), 0);
    for (i = 0; i < 2; i++) {
        ck_assert_int_eq(SSL_write(pair.client, "later", 5), 5);
        ck_assert_int_eq(SSL_read(pair.server, data, sizeof(data)), 5);
    }
    SSL_free(pair.server);
    close(pair.fds[0]);
    close_pair(&pair);
}
END_TEST

START_TEST(an_ssl_is_not_settled_during_a_handshake)
{
    SSL_CTX *context;
    SSL *ssl = make_ssl(&context, TLS_server_method(), TLS1_3_VERSION, -1);

    SSL_set_accept_state(ssl);
    ck_assert(!tc_tls_is_settled(ssl));
    SSL_free(ssl);
    SSL_CTX_free(context);
}
END_TEST

START_TEST(a_session_in_a_cache_of_openssl_is_not_its_own)
{
    static const struct {
        long mode;
        bool owns;
    } modes[] = {
        {SSL_SESS_CACHE_OFF, true},
        {SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL, true},
        {SSL_SESS_CACHE_SERVER, false},
        {SSL_SESS_CACHE_BOTH | SSL_SESS_CACHE_NO_INTERNAL_LOOKUP, false},
    };
    SSL_CTX *context;
    SSL *ssl = make_ssl(&context, TLS_server_method(), TLS1_2_VERSION, -1);
    size_t i;

    for (i = 0; i < UNIT_COUNT(modes); i++) {
        SSL_CTX_set_session_cache_mode(context, modes[i].mode);
        ck_assert_msg(tc_tls_owns_session(ssl) == modes[i].owns, "mode %ld", modes[i].mode);
    }
    SSL_free(ssl);
    SSL_CTX_free(context);
}
END_TEST

UNIT_MAIN("an SSL that leaves its module", no_callback_of_another_module_is_called_whatever_the_client_does,
          a_read_ends_after_each_record, an_ssl_is_not_settled_while_a_certificate_is_to_come, an_ssl_is_not_settled_during_a_handshake,
          a_session_in_a_cache_of_openssl_is_not_its_own)
