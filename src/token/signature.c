/* Checks the signatures of tokens over OpenSSL. See signature.h. */
#include "token/signature.h"

#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

static const EVP_MD *hash_of(const tc_jwt_alg_t *alg)
{
    return alg->hash_bits == 256 ? EVP_sha256() : alg->hash_bits == 384 ? EVP_sha384() : EVP_sha512();
}

/* RFC 7518, 3.2. */
static bool hmac_verifies(const char *text, size_t len, const unsigned char *signature, size_t signature_len,
                          const tc_jwt_key_t *key)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_len = 0;

    return HMAC(hash_of(key->alg), key->bytes, (int)key->len, (const unsigned char *)text, len, mac, &mac_len) != NULL
           && signature_len == mac_len && CRYPTO_memcmp(signature, mac, mac_len) == 0;
}

/* RFC 7518, 3.3 and 3.5, and RFC 8037, 3.1. PSS: the salt is as long as the hash. Ed25519 hashes for itself. */
static bool pkey_verifies(const char *text, size_t len, const unsigned char *signature, size_t signature_len,
                          const tc_jwt_key_t *key)
{
    const EVP_MD *hash = key->alg->family == TC_JWT_ED ? NULL : hash_of(key->alg);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *padding = NULL;
    bool good = context != NULL && EVP_DigestVerifyInit(context, &padding, hash, NULL, key->pkey) == 1;

    if (good && key->alg->family == TC_JWT_PSS) {
        good = EVP_PKEY_CTX_set_rsa_padding(padding, RSA_PKCS1_PSS_PADDING) == 1
               && EVP_PKEY_CTX_set_rsa_pss_saltlen(padding, RSA_PSS_SALTLEN_DIGEST) == 1;
    }
    good = good && EVP_DigestVerify(context, signature, signature_len, (const unsigned char *)text, len) == 1;
    EVP_MD_CTX_free(context);
    return good;
}

/* RFC 7518, 3.4: a token has R and S, each as long as the field. OpenSSL wants both in DER. */
static bool ec_verifies(const char *text, size_t len, const unsigned char *signature, size_t signature_len,
                        const tc_jwt_key_t *key)
{
    size_t field = ((size_t)EVP_PKEY_get_bits(key->pkey) + 7) / 8;
    ECDSA_SIG *pair = signature_len == 2 * field ? ECDSA_SIG_new() : NULL;
    BIGNUM *r = pair ? BN_bin2bn(signature, (int)field, NULL) : NULL;
    BIGNUM *s = pair ? BN_bin2bn(signature + field, (int)field, NULL) : NULL;
    unsigned char *der = NULL;
    int der_len = 0;
    bool good = false;

    if (r != NULL && s != NULL && ECDSA_SIG_set0(pair, r, s) == 1) {
        r = s = NULL; /* the pair's now */
        der_len = i2d_ECDSA_SIG(pair, &der);
    }
    if (der_len > 0) {
        good = pkey_verifies(text, len, der, (size_t)der_len, key);
    }
    OPENSSL_free(der);
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(pair);
    return good;
}

bool tc_signature_verifies(const char *text, size_t len, const unsigned char *signature, size_t signature_len,
                           const tc_jwt_key_t *key)
{
    switch (key->alg->family) {
    case TC_JWT_HMAC:
        return hmac_verifies(text, len, signature, signature_len, key);
    case TC_JWT_EC:
        return ec_verifies(text, len, signature, signature_len, key);
    default:
        return pkey_verifies(text, len, signature, signature_len, key);
    }
}
