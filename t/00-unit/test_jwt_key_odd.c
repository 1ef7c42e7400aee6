/*
 * Keys that an administrator did not mean: RSA keys with which everybody can sign, certificates that have expired, and key
 * sets that say odd things. test_secret_form.c tells secrets from keys.
 */
#include "unit.h"

#include "token/jwt_key.h"

#include <apr_strings.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

static EVP_PKEY *rsa; /* made once */

static EVP_PKEY *rsa_key(void)
{
    if (rsa == NULL) {
        rsa = EVP_RSA_gen(2048);
    }
    return rsa;
}

/* ---- bytes of keys ---- */

static const char *text_of(BIO *out, size_t *len, apr_pool_t *pool)
{
    char *text, *copy;

    *len = (size_t)BIO_get_mem_data(out, &text);
    copy = apr_pstrmemdup(pool, text, *len);
    BIO_free(out);
    return copy;
}

/* A certificate that is valid from `from_s` to `to_s` seconds from now; `usage` NULL: for everything. */
static X509 *make_certificate(long from_s, long to_s, const char *usage)
{
    X509 *certificate = X509_new();
    X509_EXTENSION *extension;

    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), from_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate), to_s);
    X509_set_pubkey(certificate, rsa_key());
    if (usage != NULL) {
        extension = X509V3_EXT_conf_nid(NULL, NULL, NID_key_usage, usage);
        ck_assert_int_eq(X509_add_ext(certificate, extension, -1), 1);
        X509_EXTENSION_free(extension);
    }
    ck_assert_int_gt(X509_sign(certificate, rsa_key(), EVP_sha256()), 0);
    return certificate;
}

static const char *pem_of_certificate(long from_s, long to_s, const char *usage, size_t *len, apr_pool_t *pool)
{
    BIO *out = BIO_new(BIO_s_mem());
    X509 *certificate = make_certificate(from_s, to_s, usage);

    PEM_write_bio_X509(out, certificate);
    X509_free(certificate);
    return text_of(out, len, pool);
}

/* ---- public keys ---- */

static const char *doubt_of(long from_s, long to_s, const char *usage, apr_pool_t *pool)
{
    tc_jwt_key_t *key = NULL;
    size_t len;
    const char *pem = pem_of_certificate(from_s, to_s, usage, &len, pool);

    ck_assert_ptr_null(tc_jwt_key_read(tc_jwt_alg_find("RS256"), NULL, pem, len, &key, pool));
    return key->doubt ? key->doubt : "";
}

START_TEST(a_certificate_that_is_out_of_its_time_or_for_something_else_is_doubted)
{
    apr_pool_t *pool = unit_pool();

    ck_assert_str_eq(doubt_of(-60, 60, NULL, pool), "");
    ck_assert_str_eq(doubt_of(-60, 60, "digitalSignature,keyEncipherment", pool), "");
    ck_assert_ptr_nonnull(strstr(doubt_of(-120, -60, NULL, pool), "has expired"));
    ck_assert_ptr_nonnull(strstr(doubt_of(60, 120, NULL, pool), "is not valid yet"));
    ck_assert_ptr_nonnull(strstr(doubt_of(-60, 60, "keyEncipherment", pool), "is not for signatures"));
    apr_pool_destroy(pool);
}
END_TEST

/* A set with the RSA key; `e` in base64url, `more` are further members. NULL: the key is left out; then *left_out says why. */
static tc_jwt_key_t *read_set(const char *e, const char *more, const char **left_out, apr_pool_t *pool)
{
    BIGNUM *n = NULL;
    unsigned char bytes[256];
    tc_buf_t set = TC_BUF_INIT;
    tc_jwt_key_t *keys = NULL;

    ck_assert_int_eq(EVP_PKEY_get_bn_param(rsa_key(), OSSL_PKEY_PARAM_RSA_N, &n), 1);
    ck_assert_int_eq(BN_bn2binpad(n, bytes, sizeof(bytes)), (int)sizeof(bytes));
    BN_free(n);
    unit_append_text(&set, "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"k\",\"e\":\"%s\"%s,\"n\":\"", e, more);
    unit_append_base64url(&set, bytes, sizeof(bytes));
    unit_append_text(&set, "\"}]}");
    if (tc_jwt_key_read_set((char *)set.data, set.len, &keys, left_out, pool) != NULL) {
        keys = NULL;
    }
    tc_buf_free(&set);
    return keys;
}

START_TEST(an_exponent_with_which_anybody_signs_is_refused)
{
    static const char *const wrong[] = {"AQ", "Ag", "AA", "AAAAAQ", "AQAA"}; /* 1, 2, 0, 1, 65536 */
    apr_pool_t *pool = unit_pool();
    const char *left_out;
    size_t i;

    ck_assert_ptr_nonnull(read_set("AQAB", "", &left_out, pool));
    ck_assert_ptr_nonnull(read_set("Aw", "", &left_out, pool));
    for (i = 0; i < UNIT_COUNT(wrong); i++) {
        ck_assert_msg(read_set(wrong[i], "", &left_out, pool) == NULL, "%s", wrong[i]);
        ck_assert_msg(strstr(left_out, "k (") != NULL, "%s: %s", wrong[i], left_out);
    }
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(what_a_set_says_about_a_key_counts_in_whatever_type_it_comes)
{
    static const struct {
        const char *more;
        bool taken;
    } cases[] = {
        {",\"use\":\"sig\"", true},       {",\"use\":\"enc\"", false},       {",\"use\":[\"sig\"]", false},
        {",\"use\":null", false},         {",\"use\":1", false},             {",\"key_ops\":[\"verify\"]", true},
        {",\"key_ops\":\"verify\"", false}, {",\"key_ops\":{}", false},      {",\"key_ops\":[\"sign\"]", false},
        {",\"key_ops\":null", false},     {",\"key_ops\":[]", false},
    };
    apr_pool_t *pool = unit_pool();
    const char *left_out;
    tc_jwt_key_t *key;
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        ck_assert_msg((read_set("AQAB", cases[i].more, &left_out, pool) != NULL) == cases[i].taken, "%s", cases[i].more);
    }
    key = read_set("AQAB", "", &left_out, pool);
    ck_assert_ptr_null(key->doubt);
    key = read_set("AQAB", ",\"d\":\"AQAB\"", &left_out, pool);
    ck_assert_ptr_nonnull(strstr(key->doubt, "private part"));
    apr_pool_destroy(pool);
}
END_TEST

UNIT_MAIN("jwt_key_odd", a_certificate_that_is_out_of_its_time_or_for_something_else_is_doubted,
          an_exponent_with_which_anybody_signs_is_refused, what_a_set_says_about_a_key_counts_in_whatever_type_it_comes)
