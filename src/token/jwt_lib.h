/*
 * The signatures of tokens, checked by libjwt: HS…, RS… and ES… (RFC 7518, 3). Nothing else of the project knows
 * libjwt, whose releases from 3.0 on have another interface. Which one it is shows at build time. Any thread.
 */
#ifndef TC_TOKEN_JWT_LIB_H
#define TC_TOKEN_JWT_LIB_H

#include "token/jwt_key.h"

/*
 * True when `token` (header.claims.signature, with a NUL behind) is signed with `key`, as the key's algorithm has
 * it. The caller has settled that the token's header says that algorithm. Leaves errors in OpenSSL's queue.
 */
bool tc_jwt_lib_verifies(const char *token, const tc_jwt_key_t *key);

#endif
