/*
 * The signatures of tokens (RFC 7515, 5.2), checked by OpenSSL, for each algorithm of jwt_key.h. Any thread; keeps no
 * state.
 */
#ifndef TC_TOKEN_SIGNATURE_H
#define TC_TOKEN_SIGNATURE_H

#include "token/jwt_key.h"

/*
 * True if `signature` is one of `key` over `text`, by the key's algorithm. The caller clears OpenSSL's error queue
 * afterwards.
 */
bool tc_signature_verifies(const char *text, size_t len, const unsigned char *signature, size_t signature_len,
                           const tc_jwt_key_t *key);

#endif
