/*
 * The signatures of tokens, checked by libjwt: HS…, RS… and ES… (RFC 7518, 3). libjwt reads the token, too. The caller has
 * refused whatever libjwt would refuse, so that nothing but the signature decides. No other file uses libjwt, whose
 * releases from 3.0 on have another interface. The build decides between the two. Any thread.
 */
#ifndef TC_TOKEN_JWT_LIB_H
#define TC_TOKEN_JWT_LIB_H

#include "token/jwt_key.h"

/* True if libjwt can check signatures of this algorithm. It refuses a token whose typ is another one than JWT. */
bool tc_jwt_lib_knows(const tc_jwt_alg_t *alg);

/*
 * True when `token` (header.claims.signature, NUL-terminated) is signed with `key` and the key's algorithm. The
 * caller has checked that the token's header names that algorithm, and clears OpenSSL's error queue afterwards.
 */
bool tc_jwt_lib_verifies(const char *token, const tc_jwt_key_t *key);

#endif
