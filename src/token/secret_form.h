/*
 * Tells a public or private key from a secret. If a public key counted as the secret of HS256, everybody who has the key
 * could sign tokens (RFC 8725, 2.1). Pure; any thread.
 */
#ifndef TC_TOKEN_SECRET_FORM_H
#define TC_TOKEN_SECRET_FORM_H

#include <stdbool.h>
#include <stddef.h>

/*
 * True if the bytes are a key or a certificate: PEM, also behind other lines; DER; the base64 of DER, as identity
 * providers show their keys; a JWK or a JWK Set; a key of OpenSSH. A random secret is taken for one of these in less than
 * one of a million cases.
 */
bool tc_secret_form_is_key(const char *bytes, size_t len);

#endif
