/*
 * What makes an SSL of mod_ssl one that any thread may use: no code of another module can be reached through it any
 * more. An SSL has callbacks of its own, and calls those of its SSL_CTX. mod_ssl shares the SSL_CTX with all connections,
 * so it is never changed here; the SSL gets another one. Worker, before the loop gets the SSL. t/00-unit/test_tls.c sets
 * all callbacks that a server can have.
 */
#ifndef TC_ENGINE_TLS_H
#define TC_ENGINE_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>

/*
 * True if the client owes no message of a handshake. False during a handshake, and after the server has asked for a
 * certificate (post-handshake authentication of TLS 1.3, RFC 8446, 4.6.2) and before the certificate has come: such an
 * SSL must not leave httpd, because the answer would run mod_ssl's callbacks. Changes nothing.
 */
bool tc_tls_is_settled(SSL *ssl);

/*
 * True if no cache of OpenSSL's own shares the session, so that tc_tls_detach() may change it. That is so with every
 * SSLSessionCache of mod_ssl.
 */
bool tc_tls_owns_session(const SSL *ssl);

/*
 * Detaches a settled SSL, which owns its session, from the module that made it. From now on the SSL reads and writes
 * `fd`, which it does not close. False: no memory, and nothing has changed.
 */
bool tc_tls_detach(SSL *ssl, int fd);

/* Frees what all detached SSLs share, at the end of a child. Those that are left keep what they need. */
void tc_tls_end(void);

#endif
