/*
 * The signatures of tokens, checked by libjwt: HS…, RS… and ES… (RFC 7518, 3). No other file uses libjwt, whose
 * releases from 3.0 on have another interface. The build decides between the two. Any thread.
 */
#ifndef TC_TOKEN_JWT_LIB_H
#define TC_TOKEN_JWT_LIB_H

#include "token/jwt_key.h"

/*
 * True when `token` (header.claims.signature, NUL-terminated) is signed with `key` and the key's algorithm. The
 * caller has checked that the token's header names that algorithm, and clears OpenSSL's error queue afterwards.
 */
bool tc_jwt_lib_verifies(const char *token, const tc_jwt_key_t *key);

#endif
