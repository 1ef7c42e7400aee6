/* Reads the keys of tokens. See jwt_key.h; jwk.c reads sets of keys. */
#include "token/jwt_key.h"

#include "token/secret_form.h"

#include <apr_strings.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#if OPENSSL_VERSION_NUMBER < 0x30000000L
#error "mod_tripchat needs OpenSSL 3.0 or newer."
#endif

#define RSA_MIN_BITS 2048 /* RFC 7518, 3.3 and 3.5 */

static const tc_jwt_alg_t algs[] = {
    {"HS256", TC_JWT_HMAC, 256, 0},
    {"HS384", TC_JWT_HMAC, 384, 0},
    {"HS512", TC_JWT_HMAC, 512, 0},
    {"RS256", TC_JWT_RSA, 256, 0},
    {"RS384", TC_JWT_RSA, 384, 0},
    {"RS512", TC_JWT_RSA, 512, 0},
    {"PS256", TC_JWT_PSS, 256, 0},
    {"PS384", TC_JWT_PSS, 384, 0},
    {"PS512", TC_JWT_PSS, 512, 0},
    {"ES256", TC_JWT_EC, 256, NID_X9_62_prime256v1},
    {"ES384", TC_JWT_EC, 384, NID_secp384r1},
    {"ES512", TC_JWT_EC, 512, NID_secp521r1},
    {"EdDSA", TC_JWT_ED, 0, 0},
};

const tc_jwt_alg_t *tc_jwt_alg_find(const char *name)
{
    size_t i;

    for (i = 0; i < sizeof(algs) / sizeof(algs[0]); i++) {
        if (strcmp(algs[i].name, name) == 0) {
            return &algs[i];
        }
    }
    return NULL;
}

bool tc_jwt_key_is_short(const tc_jwt_key_t *key)
{
    return key->alg->family == TC_JWT_HMAC && key->len < (size_t)key->alg->hash_bits / 8;
}

/* The hash cannot be told from zeros if OpenSSL has no SHA-256; then it has no HS256 either. */
static void set_id(tc_jwt_key_t *key, apr_pool_t *pool)
{
    const char *name = key->alg->name;
    size_t name_size = strlen(name) + 1;
    unsigned char hash[EVP_MAX_MD_SIZE] = {0}, *text = apr_palloc(pool, name_size + key->len);

    memcpy(text, name, name_size);
    memcpy(text + name_size, key->bytes, key->len);
    (void)EVP_Digest(text, name_size + key->len, hash, NULL, EVP_sha256(), NULL);
    memcpy(key->id, hash, sizeof(key->id));
    OPENSSL_cleanse(text, name_size + key->len);
}

static tc_jwt_key_t *make_key(const tc_jwt_alg_t *alg, const char *kid, const void *bytes, size_t len,
                              apr_pool_t *pool)
{
    tc_jwt_key_t *key = apr_pcalloc(pool, sizeof(*key));

    key->alg = alg;
    key->kid = kid;
    key->bytes = (unsigned char *)apr_pstrmemdup(pool, bytes, len);
    key->len = len;
    set_id(key, pool);
    return key;
}

/* ---- public keys ---- */

static apr_status_t free_pkey(void *pkey)
{
    EVP_PKEY_free(pkey);
    return APR_SUCCESS;
}

static const char *check_curve(const tc_jwt_alg_t *alg, EVP_PKEY *pkey)
{
    char name[64];
    size_t len = 0;

    if (EVP_PKEY_get_group_name(pkey, name, sizeof(name), &len) != 1
        || OBJ_txt2nid(name) != alg->curve_nid) {
        return "the key is on another curve than the algorithm needs: ES256 needs P-256, ES384 needs P-384, "
               "ES512 needs P-521";
    }
    return NULL;
}

/* RFC 8017, 3.1: both numbers are odd, and e is at least 3. If e is 1, every number is the signature of itself. */
static const char *check_rsa(EVP_PKEY *pkey)
{
    BIGNUM *n = NULL, *e = NULL;
    bool good = EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n) == 1
                && EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e) == 1 && BN_is_odd(n) && BN_is_odd(e)
                && !BN_is_one(e);

    BN_free(n);
    BN_free(e);
    if (!good) {
        return "the numbers of the RSA key are no RSA key: n and e must be odd, and e must be 3 or more";
    }
    return EVP_PKEY_get_bits(pkey) < RSA_MIN_BITS ? "the RSA key has less than 2048 bits; use a longer one" : NULL;
}

static const char *check_pkey(const tc_jwt_alg_t *alg, EVP_PKEY *pkey)
{
    int type = EVP_PKEY_get_base_id(pkey);

    if (alg->family == TC_JWT_EC) {
        return type == EVP_PKEY_EC ? check_curve(alg, pkey)
                                   : "the algorithm needs a key on an elliptic curve";
    }
    if (alg->family == TC_JWT_ED) {
        return type == EVP_PKEY_ED25519 ? NULL : "EdDSA needs an Ed25519 key";
    }
    if (type != EVP_PKEY_RSA && !(alg->family == TC_JWT_PSS && type == EVP_PKEY_RSA_PSS)) {
        return "the algorithm needs an RSA key";
    }
    return check_rsa(pkey);
}

/* libjwt before 3 takes PEM. It gets the key that was read here, not the file, which may hold more. */
static const char *write_pem(const tc_jwt_alg_t *alg, const char *kid, EVP_PKEY *pkey,
                             tc_jwt_key_t **key, apr_pool_t *pool)
{
    BIO *out = BIO_new(BIO_s_mem());
    char *text;
    long len;

    if (out == NULL || PEM_write_bio_PUBKEY(out, pkey) != 1) {
        BIO_free(out);
        return "OpenSSL cannot write the key as PEM";
    }
    len = BIO_get_mem_data(out, &text);
    *key = make_key(alg, kid, text, (size_t)len, pool);
    BIO_free(out);
    return NULL;
}

const char *tc_jwt_key_of_pkey(const tc_jwt_alg_t *alg, const char *kid, EVP_PKEY *pkey,
                               tc_jwt_key_t **key, apr_pool_t *pool)
{
    const char *wrong = check_pkey(alg, pkey);

    if (wrong == NULL) {
        wrong = write_pem(alg, kid, pkey, key, pool);
    }
    if (wrong != NULL) {
        EVP_PKEY_free(pkey);
        return wrong;
    }
    (*key)->pkey = pkey;
    apr_pool_cleanup_register(pool, pkey, free_pkey, apr_pool_cleanup_null);
    return NULL;
}

/* NULL when the bytes are neither a public key nor a certificate. */
static EVP_PKEY *read_pem(const char *bytes, size_t len)
{
    BIO *in = BIO_new_mem_buf(bytes, (int)len);
    EVP_PKEY *pkey = in ? PEM_read_bio_PUBKEY(in, NULL, NULL, NULL) : NULL;
    X509 *certificate;

    if (in != NULL && pkey == NULL) {
        (void)BIO_reset(in);
        certificate = PEM_read_bio_X509(in, NULL, NULL, NULL);
        pkey = certificate ? X509_get_pubkey(certificate) : NULL;
        X509_free(certificate);
    }
    BIO_free(in);
    ERR_clear_error();
    return pkey;
}

const char *tc_jwt_key_read(const tc_jwt_alg_t *alg, const char *kid, const char *bytes, size_t len,
                            tc_jwt_key_t **key, apr_pool_t *pool)
{
    EVP_PKEY *pkey;

    if (alg->family == TC_JWT_HMAC) {
        if (tc_secret_form_is_key(bytes, len)) {
            return "the file holds a key, not a secret; use TripChatJWTKey with the key in PEM and its algorithm, for example "
                   "RS256, or TripChatJWTKeySet for a JWK Set";
        }
        *key = make_key(alg, kid, bytes, len, pool);
        return NULL;
    }
    pkey = read_pem(bytes, len);
    return pkey ? tc_jwt_key_of_pkey(alg, kid, pkey, key, pool)
                : "the file holds no public key or certificate in PEM; openssl pkey -pubout makes a public key "
                  "of a private one";
}

const char *tc_jwt_key_doubt(const char *bytes, size_t len)
{
    BIO *in = BIO_new_mem_buf(bytes, (int)len);
    X509 *certificate = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
    const char *doubt = NULL;

    if (certificate != NULL && X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0) {
        doubt = "the certificate has expired; its key is used all the same";
    }
    else if (certificate != NULL && (X509_get_key_usage(certificate) & X509v3_KU_DIGITAL_SIGNATURE) == 0) {
        doubt = "the certificate says that its key is not for signatures; its key is used all the same";
    }
    X509_free(certificate);
    BIO_free(in);
    ERR_clear_error();
    return doubt;
}
