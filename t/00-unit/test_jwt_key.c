/*
 * Keys of tokens. OpenSSL makes tokens of each algorithm; they are accepted with the key of the algorithm and with no
 * other. Files and key sets without a usable key are refused. RFC 7515, 7517 and 7518.
 */
#include "unit.h"

#include "token/jwt.h"

#include <apr_strings.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#define NOW 1700000000
#define CLAIMS "{\"user_id\":\"u1\",\"exp\":1700000060}"

static const char *const names[] = {"HS256", "HS384", "HS512", "RS256", "RS384", "RS512",
                                    "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"};
static const char secret[] = "a secret of no less than sixty-four bytes, as SHA-512 would have it";

/* Made once in each process, because making keys takes long. */
static EVP_PKEY *rsa, *other_rsa, *p256, *p384, *p521, *k256, *ed25519;

static void make_pkeys(void)
{
    if (rsa == NULL) {
        rsa = EVP_RSA_gen(2048);
        other_rsa = EVP_RSA_gen(2048);
        p256 = EVP_EC_gen("P-256");
        p384 = EVP_EC_gen("P-384");
        p521 = EVP_EC_gen("P-521");
        k256 = EVP_EC_gen("secp256k1");
        ed25519 = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    }
}

static EVP_PKEY *pkey_of(const char *alg)
{
    make_pkeys();
    if (strcmp(alg, "EdDSA") == 0) {
        return ed25519;
    }
    if (alg[0] == 'E') {
        return alg[2] == '2' ? p256 : alg[2] == '3' ? p384 : p521;
    }
    return alg[0] == 'H' ? NULL : rsa;
}

static const EVP_MD *hash_of(const char *alg)
{
    if (strcmp(alg, "EdDSA") == 0) {
        return NULL;
    }
    return alg[2] == '2' ? EVP_sha256() : alg[2] == '3' ? EVP_sha384() : EVP_sha512();
}

/* ---- tokens ---- */

/* Turns a DER signature into R and S, each as long as the field (RFC 7518, 3.4). */
static size_t raw_of_der(unsigned char *signature, size_t len, size_t field)
{
    const unsigned char *at = signature;
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)len);

    ck_assert_ptr_nonnull(pair);
    BN_bn2binpad(ECDSA_SIG_get0_r(pair), signature, (int)field);
    BN_bn2binpad(ECDSA_SIG_get0_s(pair), signature + field, (int)field);
    ECDSA_SIG_free(pair);
    return 2 * field;
}

/* `salt_len` is for PSS only. */
static size_t sign_with_pkey(const tc_buf_t *text, const char *alg, EVP_PKEY *pkey, int salt_len,
                             unsigned char *signature, size_t size)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *padding;
    size_t len = size;

    ck_assert_int_eq(EVP_DigestSignInit(context, &padding, hash_of(alg), NULL, pkey), 1);
    if (alg[0] == 'P') {
        EVP_PKEY_CTX_set_rsa_padding(padding, RSA_PKCS1_PSS_PADDING);
        EVP_PKEY_CTX_set_rsa_pss_saltlen(padding, salt_len);
    }
    ck_assert_int_eq(EVP_DigestSign(context, signature, &len, text->data, text->len), 1);
    EVP_MD_CTX_free(context);
    return alg[0] == 'E' && alg[1] == 'S' ? raw_of_der(signature, len, ((size_t)EVP_PKEY_get_bits(pkey) + 7) / 8) : len;
}

/* Makes a token with this header, signed as `alg` says: with `pkey`, or with the secret `key` if `pkey` is NULL. */
static tc_buf_t token_with(const char *header, const char *claims, const char *alg, EVP_PKEY *pkey, const void *key,
                           size_t key_len, int salt_len)
{
    unsigned char signature[1024];
    unsigned mac_len = 0;
    size_t len;
    tc_buf_t token = TC_BUF_INIT;

    unit_append_base64url(&token, header, strlen(header));
    TC_BUF_LIT(&token, ".");
    unit_append_base64url(&token, claims, strlen(claims));
    if (pkey != NULL) {
        len = sign_with_pkey(&token, alg, pkey, salt_len, signature, sizeof(signature));
    }
    else {
        HMAC(hash_of(alg), key, (int)key_len, token.data, token.len, signature, &mac_len);
        len = mac_len;
    }
    TC_BUF_LIT(&token, ".");
    unit_append_base64url(&token, signature, len);
    return token;
}

static tc_buf_t token_with_header(const char *header, const char *alg, EVP_PKEY *pkey, const void *key,
                                  size_t key_len, int salt_len)
{
    return token_with(header, CLAIMS, alg, pkey, key, key_len, salt_len);
}

static tc_buf_t token_of(const char *alg, const char *kid)
{
    char header[100];

    snprintf(header, sizeof(header), kid ? "{\"alg\":\"%s\",\"kid\":\"%s\"}" : "{\"alg\":\"%s\"}", alg, kid);
    return token_with_header(header, alg, pkey_of(alg), secret, strlen(secret), RSA_PSS_SALTLEN_DIGEST);
}

/* Verifies and frees a token. */
static bool is_good(tc_buf_t token, const tc_jwt_key_t *keys)
{
    apr_pool_t *pool = unit_pool();
    tc_jwt_rules_t rules = {.keys = keys, .user_claim = "user_id"};
    tc_jwt_identity_t identity;
    bool good = tc_jwt_verify((char *)token.data, token.len, &rules, NOW, &identity, pool) == NULL;

    tc_buf_free(&token);
    apr_pool_destroy(pool);
    return good;
}

/* ---- keys ---- */

static const char *pem_of(EVP_PKEY *pkey, apr_pool_t *pool)
{
    BIO *out = BIO_new(BIO_s_mem());
    char *text, *copy;
    long len;

    PEM_write_bio_PUBKEY(out, pkey);
    len = BIO_get_mem_data(out, &text);
    copy = apr_pstrmemdup(pool, text, (apr_size_t)len);
    BIO_free(out);
    return copy;
}

static tc_jwt_key_t *key_of(const char *alg, const char *kid, apr_pool_t *pool)
{
    EVP_PKEY *pkey = pkey_of(alg);
    const char *text = pkey ? pem_of(pkey, pool) : secret;
    tc_jwt_key_t *key = NULL;

    ck_assert_ptr_null(tc_jwt_key_read(tc_jwt_alg_find(alg), kid, text, strlen(text), &key, pool));
    return key;
}

static void append_number(tc_buf_t *buf, const char *name, EVP_PKEY *pkey, const char *param, int size)
{
    BIGNUM *number = NULL;
    unsigned char bytes[1024];
    int len;

    ck_assert_int_eq(EVP_PKEY_get_bn_param(pkey, param, &number), 1);
    len = BN_bn2binpad(number, bytes, size ? size : BN_num_bytes(number));
    BN_free(number);
    unit_append_text(buf, ",\"%s\":\"", name);
    unit_append_base64url(buf, bytes, (size_t)len);
    unit_append_text(buf, "\"");
}

/* Appends the key of `alg` to a key set. `more` are further members of the key. */
static void append_jwk(tc_buf_t *set, const char *alg, const char *more)
{
    EVP_PKEY *pkey = pkey_of(alg);

    if (pkey == NULL) {
        unit_append_text(set, "{\"kty\":\"oct\",\"k\":\"");
        unit_append_base64url(set, secret, strlen(secret));
        unit_append_text(set, "\"");
    }
    else if (pkey == ed25519) {
        unsigned char x[32];
        size_t len = sizeof(x);

        ck_assert_int_eq(EVP_PKEY_get_raw_public_key(pkey, x, &len), 1);
        unit_append_text(set, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"");
        unit_append_base64url(set, x, len);
        unit_append_text(set, "\"");
    }
    else if (alg[0] == 'E') {
        int field = (EVP_PKEY_get_bits(pkey) + 7) / 8;

        unit_append_text(set, "{\"kty\":\"EC\",\"crv\":\"P-%d\"", EVP_PKEY_get_bits(pkey));
        append_number(set, "x", pkey, OSSL_PKEY_PARAM_EC_PUB_X, field);
        append_number(set, "y", pkey, OSSL_PKEY_PARAM_EC_PUB_Y, field);
    }
    else {
        unit_append_text(set, "{\"kty\":\"RSA\"");
        append_number(set, "n", pkey, OSSL_PKEY_PARAM_RSA_N, 0);
        append_number(set, "e", pkey, OSSL_PKEY_PARAM_RSA_E, 0);
    }
    unit_append_text(set, "%s}", more);
}

/* Reads the keys of {"keys":[…]}. Returns NULL if the set is refused; then *why says the reason. */
static tc_jwt_key_t *read_set(const char *list, const char **why, const char **left_out, apr_pool_t *pool)
{
    tc_buf_t set = TC_BUF_INIT;
    tc_jwt_key_t *keys = NULL;

    unit_append_text(&set, "{\"keys\":[%s]}", list);
    *why = tc_jwt_key_read_set((char *)set.data, set.len, &keys, left_out, pool);
    tc_buf_free(&set);
    return *why ? NULL : keys;
}

/* ---- tests ---- */

START_TEST(a_token_is_good_with_the_key_of_its_algorithm_and_no_other)
{
    apr_pool_t *pool = unit_pool();
    size_t i, j;

    for (i = 0; i < UNIT_COUNT(names); i++) {
        const tc_jwt_key_t *key = key_of(names[i], NULL, pool);

        for (j = 0; j < UNIT_COUNT(names); j++) {
            ck_assert_msg(is_good(token_of(names[j], NULL), key) == (i == j), "a token of %s with a key for %s",
                          names[j], names[i]);
        }
    }
    apr_pool_destroy(pool);
}
END_TEST

/* The header names another algorithm than the one that signed the token. */
START_TEST(a_token_that_says_another_algorithm_than_it_was_signed_with_is_refused)
{
    apr_pool_t *pool = unit_pool();
    size_t i, j;

    for (i = 0; i < UNIT_COUNT(names); i++) {
        const tc_jwt_key_t *key = key_of(names[i], NULL, pool);
        char header[100];

        snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", names[i]);
        for (j = 0; j < UNIT_COUNT(names); j++) {
            tc_buf_t token = token_with_header(header, names[j], pkey_of(names[j]), secret, strlen(secret),
                                               RSA_PSS_SALTLEN_DIGEST);

            ck_assert_msg(is_good(token, key) == (i == j), "signed with %s, said to be %s", names[j], names[i]);
        }
    }
    apr_pool_destroy(pool);
}
END_TEST

/* A known attack: the attacker signs with HMAC, and the secret is the PEM of the public key, which everybody knows. */
START_TEST(a_public_key_is_no_secret)
{
    static const char *const hmacs[] = {"HS256", "HS384", "HS512"};
    static const char *const publics[] = {"RS256", "PS256", "ES256"};
    apr_pool_t *pool = unit_pool();
    size_t i, j;

    for (i = 0; i < UNIT_COUNT(publics); i++) {
        const tc_jwt_key_t *key = key_of(publics[i], NULL, pool);

        for (j = 0; j < 2 * UNIT_COUNT(hmacs); j++) {
            const char *alg = hmacs[j / 2];
            char header[100];

            snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", j % 2 ? alg : publics[i]);
            ck_assert(!is_good(token_with_header(header, alg, NULL, key->bytes, key->len, 0), key));
        }
        for (j = 0; j < UNIT_COUNT(hmacs); j++) {
            tc_jwt_key_t *secret_key;

            ck_assert_ptr_nonnull(tc_jwt_key_read(tc_jwt_alg_find(hmacs[j]), NULL, (const char *)key->bytes,
                                                  key->len, &secret_key, pool));
        }
    }
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(a_signature_of_another_key_is_refused)
{
    apr_pool_t *pool = unit_pool();
    int i;

    make_pkeys();
    for (i = 3; i < 9; i++) {
        char header[100];

        snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", names[i]);
        ck_assert(!is_good(token_with_header(header, names[i], other_rsa, NULL, 0, RSA_PSS_SALTLEN_DIGEST),
                           key_of(names[i], NULL, pool)));
    }
    ck_assert(!is_good(token_with_header("{\"alg\":\"ES256\"}", "ES256", k256, NULL, 0, 0),
                       key_of("ES256", NULL, pool)));
    apr_pool_destroy(pool);
}
END_TEST

/* Writes a right signature in another way, as a lenient reader would take it. False: this signature has no such way. */
static bool respell(tc_buf_t *token, const char *way)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char *signature, *last, *at;

    if (strlen(way) < 3) {
        tc_buf_append_str(token, way);
        return true;
    }
    unit_append_text(token, "%s", "");
    signature = strrchr((char *)token->data, '.') + 1;
    last = signature + strlen(signature) - 1;
    at = strpbrk(signature, "-_");
    if (strcmp(way, "a digit of base64") == 0 && at != NULL) {
        *at = *at == '-' ? '+' : '/';
        return true;
    }
    if (strcmp(way, "a bit that no byte has") == 0 && strlen(signature) % 4 != 0) {
        *last = strchr(digits, *last)[1];
        return true;
    }
    return false;
}

START_TEST(a_signature_is_written_in_one_way)
{
    static const char *const ways[] = {"=", "==", "\n", "!", "a digit of base64", "a bit that no byte has"};
    static const char *const types[] = {"", ",\"typ\":\"at+jwt\""}; /* the second is not checked by libjwt */
    apr_pool_t *pool = unit_pool();
    size_t i, way, type;

    make_pkeys();
    for (i = 0; i < UNIT_COUNT(names); i++) {
        for (type = 0; type < UNIT_COUNT(types); type++) {
            for (way = 0; way < UNIT_COUNT(ways); way++) {
                char header[100];
                tc_buf_t token;

                snprintf(header, sizeof(header), "{\"alg\":\"%s\"%s}", names[i], types[type]);
                token = token_with_header(header, names[i], pkey_of(names[i]), secret, strlen(secret), RSA_PSS_SALTLEN_DIGEST);
                if (respell(&token, ways[way])) {
                    ck_assert_msg(!is_good(token, key_of(names[i], NULL, pool)), "%s: %s", header, ways[way]);
                }
                else {
                    tc_buf_free(&token);
                }
            }
        }
    }
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(a_pss_salt_has_the_length_of_the_hash)
{
    apr_pool_t *pool = unit_pool();
    const tc_jwt_key_t *key = key_of("PS256", NULL, pool);

    ck_assert(is_good(token_with_header("{\"alg\":\"PS256\"}", "PS256", rsa, NULL, 0, 32), key));
    ck_assert(!is_good(token_with_header("{\"alg\":\"PS256\"}", "PS256", rsa, NULL, 0, 0), key));
    ck_assert(!is_good(token_with_header("{\"alg\":\"PS256\"}", "PS256", rsa, NULL, 0, 20), key));
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(kid_chooses_among_keys_and_a_key_without_one_is_for_all)
{
    apr_pool_t *pool = unit_pool();
    tc_jwt_key_t *first = key_of("RS256", "one", pool), *second = key_of("ES256", "two", pool);
    tc_jwt_key_t *third = key_of("HS256", NULL, pool), *same = key_of("RS256", "three", pool);

    first->next = second;
    second->next = third;
    third->next = same;
    ck_assert(is_good(token_of("RS256", "one"), first));
    ck_assert(is_good(token_of("RS256", "three"), first));
    ck_assert(is_good(token_of("RS256", NULL), first));
    ck_assert(is_good(token_of("ES256", "two"), first));
    ck_assert(!is_good(token_of("RS256", "two"), first));
    ck_assert(!is_good(token_of("RS256", "four"), first));
    ck_assert(!is_good(token_of("RS256", ""), first));
    ck_assert(is_good(token_of("HS256", "whatever"), first));
    ck_assert(!is_good(token_with_header("{\"alg\":\"RS256\",\"kid\":1}", "RS256", rsa, NULL, 0, 0), first));
    apr_pool_destroy(pool);
}
END_TEST

/* The right key is found, wherever in the set it stands. */
START_TEST(all_keys_of_an_algorithm_are_tried)
{
    apr_pool_t *pool = unit_pool();
    tc_jwt_key_t *wrong = NULL, *right = key_of("RS256", NULL, pool);
    const char *pem = pem_of(other_rsa, pool);

    ck_assert_ptr_null(tc_jwt_key_read(tc_jwt_alg_find("RS256"), NULL, pem, strlen(pem), &wrong, pool));
    ck_assert(!is_good(token_of("RS256", NULL), wrong));
    wrong->next = right;
    ck_assert(is_good(token_of("RS256", NULL), wrong));
    apr_pool_destroy(pool);
}
END_TEST

/* A token without a kid is tried with a few keys of its algorithm. One with a kid finds its key among many. */
START_TEST(a_token_without_a_kid_is_tried_with_a_few_keys)
{
    apr_pool_t *pool = unit_pool();
    int before;

    for (before = 0; before < 8; before++) {
        tc_jwt_key_t *keys = key_of("HS256", "own", pool);
        int i;

        for (i = 0; i < before; i++) {
            tc_jwt_key_t *other = NULL;

            ck_assert_ptr_null(tc_jwt_key_read(tc_jwt_alg_find("HS256"), apr_psprintf(pool, "k%d", i), "another secret", 14,
                                               &other, pool));
            other->next = keys;
            keys = other;
        }
        ck_assert(is_good(token_of("HS256", "own"), keys));
        ck_assert_msg(is_good(token_of("HS256", NULL), keys) == (before < 5), "%d keys before its own", before);
    }
    apr_pool_destroy(pool);
}
END_TEST

/* libjwt, OpenSSL and json-c would each read some of these in a way of their own. */
START_TEST(claims_mean_the_same_whatever_the_algorithm)
{
    static const struct {
        const char *more;
        bool good;
    } cases[] = {
        {"\"a\":\"\\u0000\"", false}, {"\"a\":[{\"b\":\"x\\u0000y\"}]", false}, {"\"a\":\"\\ud83d\"", false},
        {"\"\\ude00\":1", false}, {"\"a\":\"\xff\"", false}, {"\"a\":\"\xed\xa0\x80\"", false}, {"\"a\":1e999", false},
        {"\"a\":9223372036854775808", false}, {"\"a\":18446744073709551615", false}, {"\"a\":-9223372036854775809", false},
        {"'a':1", false}, {"\"a\":{\"b\":1,\"b\":2}", false}, {"\"a\":01", false}, {"\"a\":[[[[[[[[1]]]]]]]]", false},
        {"\"a\":9223372036854775807", true}, {"\"a\":-9223372036854775808", true}, {"\"a\":1.5e300", true}, {"\"a\":\"\xc3\xa9\"", true},
        {"\"a\":\"\\ud83d\\ude00\"", true}, {"\"a\":[null,true,{\"b\":-0.0}]", true}, {"\"nbf\":1,\"sub\":1", true},
        {"\"exp\":1700000060.5", true}, {"\"a\":1e-999", true},
    };
    static const char *const types[] = {"", ",\"typ\":\"JWT\"", ",\"typ\":\"at+jwt\""};
    static const char *const families[] = {"HS256", "RS256", "PS256", "ES384", "EdDSA"};
    apr_pool_t *pool = unit_pool();
    size_t alg, i, type;

    for (alg = 0; alg < UNIT_COUNT(families); alg++) {
        tc_jwt_key_t *key = key_of(families[alg], NULL, pool);

        for (i = 0; i < UNIT_COUNT(cases); i++) {
            const char *exp = strstr(cases[i].more, "exp") ? "" : ",\"exp\":1700000060";
            const char *claims = apr_psprintf(pool, "{\"user_id\":\"u1\"%s,%s}", exp, cases[i].more);

            for (type = 0; type < UNIT_COUNT(types); type++) {
                const char *header = apr_psprintf(pool, "{\"alg\":\"%s\"%s}", families[alg], types[type]);
                tc_buf_t token = token_with(header, claims, families[alg], pkey_of(families[alg]), secret, strlen(secret),
                                            RSA_PSS_SALTLEN_DIGEST);

                ck_assert_msg(is_good(token, key) == cases[i].good, "%s %s", header, claims);
            }
        }
    }
    apr_pool_destroy(pool);
}
END_TEST

static bool fits(const char *alg, EVP_PKEY *pkey)
{
    apr_pool_t *pool = unit_pool();
    tc_jwt_key_t *key;
    const char *pem = pem_of(pkey, pool);
    bool fit = tc_jwt_key_read(tc_jwt_alg_find(alg), NULL, pem, strlen(pem), &key, pool) == NULL;

    apr_pool_destroy(pool);
    return fit;
}

START_TEST(a_key_that_does_not_go_with_its_algorithm_is_refused)
{
    EVP_PKEY *small = EVP_RSA_gen(1024), *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    EVP_PKEY *pss = EVP_PKEY_Q_keygen(NULL, NULL, "RSA-PSS", (size_t)2048);

    make_pkeys();
    ck_assert(fits("RS256", rsa) && fits("PS512", rsa) && fits("ES256", p256) && fits("ES384", p384)
              && fits("ES512", p521));
    ck_assert(!fits("ES256", p384) && !fits("ES384", p256) && !fits("ES512", p256) && !fits("ES256", k256));
    ck_assert(!fits("ES256", rsa) && !fits("RS256", p256) && !fits("PS256", p256));
    ck_assert(!fits("RS256", small) && !fits("RS256", ed) && !fits("ES256", ed));
    if (pss != NULL) {
        ck_assert(fits("PS256", pss) && !fits("RS256", pss));
    }
    EVP_PKEY_free(small);
    EVP_PKEY_free(ed);
    EVP_PKEY_free(pss);
}
END_TEST

START_TEST(a_certificate_is_as_good_as_a_key_and_anything_else_is_refused)
{
    apr_pool_t *pool = unit_pool();
    const tc_jwt_alg_t *rs256 = tc_jwt_alg_find("RS256");
    X509 *certificate = X509_new();
    BIO *out = BIO_new(BIO_s_mem());
    tc_jwt_key_t *key;
    char *text;
    long len;

    make_pkeys();
    X509_set_pubkey(certificate, rsa);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 60);
    X509_sign(certificate, rsa, EVP_sha256());
    PEM_write_bio_X509(out, certificate);
    len = BIO_get_mem_data(out, &text);
    ck_assert_ptr_null(tc_jwt_key_read(rs256, NULL, text, (size_t)len, &key, pool));
    ck_assert(is_good(token_of("RS256", NULL), key));
    ck_assert_ptr_nonnull(tc_jwt_key_read(rs256, NULL, text, (size_t)len / 2, &key, pool));
    (void)BIO_reset(out);
    PEM_write_bio_PrivateKey(out, rsa, NULL, NULL, 0, NULL, NULL);
    len = BIO_get_mem_data(out, &text);
    ck_assert_ptr_nonnull(tc_jwt_key_read(rs256, NULL, text, (size_t)len, &key, pool));
    ck_assert_ptr_nonnull(tc_jwt_key_read(rs256, NULL, "", 0, &key, pool));
    ck_assert_ptr_nonnull(tc_jwt_key_read(rs256, NULL, secret, strlen(secret), &key, pool));
    BIO_free(out);
    X509_free(certificate);
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(what_is_no_algorithm_of_ours_is_not_found)
{
    static const char *const unknown[] = {"", "none", "None", "hs256", "HS256 ", "HS1", "RS1", "ES256K", "eddsa", "Ed448", "RSA-OAEP"};
    size_t i;

    for (i = 0; i < UNIT_COUNT(unknown); i++) {
        ck_assert_msg(tc_jwt_alg_find(unknown[i]) == NULL, "%s", unknown[i]);
    }
    for (i = 0; i < UNIT_COUNT(names); i++) {
        ck_assert_str_eq(tc_jwt_alg_find(names[i])->name, names[i]);
        ck_assert_ptr_nonnull(strstr(TC_JWT_ALGS, names[i]));
    }
}
END_TEST

START_TEST(a_short_secret_is_known_as_one)
{
    apr_pool_t *pool = unit_pool();
    tc_jwt_key_t *key;

    ck_assert_ptr_null(tc_jwt_key_read(tc_jwt_alg_find("HS384"), NULL, secret, 48, &key, pool));
    ck_assert(!tc_jwt_key_is_short(key));
    ck_assert_ptr_null(tc_jwt_key_read(tc_jwt_alg_find("HS384"), NULL, secret, 47, &key, pool));
    ck_assert(tc_jwt_key_is_short(key));
    ck_assert(!tc_jwt_key_is_short(key_of("ES256", NULL, pool)));
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(a_set_has_a_key_for_each_algorithm)
{
    apr_pool_t *pool = unit_pool();
    tc_buf_t list = TC_BUF_INIT;
    const char *why, *left_out;
    tc_jwt_key_t *keys, *key;
    size_t i;

    for (i = 0; i < UNIT_COUNT(names); i++) {
        char more[100];

        snprintf(more, sizeof(more), ",\"alg\":\"%s\",\"kid\":\"k-%s\",\"use\":\"sig\"", names[i], names[i]);
        tc_buf_append_str(&list, i ? "," : "");
        append_jwk(&list, names[i], more);
    }
    tc_buf_append(&list, "", 1);
    keys = read_set((char *)list.data, &why, &left_out, pool);
    ck_assert_msg(keys != NULL, "%s", why);
    ck_assert_str_eq(left_out, "");
    for (i = 0, key = keys; i < UNIT_COUNT(names); i++, key = key->next) {
        char kid[20];

        snprintf(kid, sizeof(kid), "k-%s", names[i]);
        ck_assert_str_eq(key->alg->name, names[i]);
        ck_assert(is_good(token_of(names[i], kid), keys));
        ck_assert(is_good(token_of(names[i], NULL), keys));
        ck_assert(!is_good(token_of(names[i], "another"), keys));
    }
    ck_assert_ptr_null(key);
    tc_buf_free(&list);
    apr_pool_destroy(pool);
}
END_TEST

static const char *jwk(const char *alg, const char *more, apr_pool_t *pool)
{
    tc_buf_t buf = TC_BUF_INIT;
    const char *text;

    append_jwk(&buf, alg, more);
    text = apr_pstrmemdup(pool, (char *)buf.data, buf.len);
    tc_buf_free(&buf);
    return text;
}

START_TEST(a_key_without_alg_is_bound_to_what_its_kind_is_used_for)
{
    apr_pool_t *pool = unit_pool();
    static const char *const kinds[] = {"RS256", "ES256", "ES384", "ES512", "EdDSA"};
    const char *why, *left_out;
    size_t i;

    for (i = 0; i < UNIT_COUNT(kinds); i++) {
        tc_jwt_key_t *keys = read_set(jwk(kinds[i], "", pool), &why, &left_out, pool);

        ck_assert_msg(keys != NULL, "%s", why);
        ck_assert_str_eq(keys->alg->name, kinds[i]);
    }
    ck_assert_ptr_null(read_set(jwk("HS256", "", pool), &why, &left_out, pool));
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(keys_for_something_else_are_left_out_and_named)
{
    static const char *const others[] = {
        ",\"use\":\"enc\"", ",\"alg\":\"RSA-OAEP\"", ",\"alg\":\"Ed448\"", ",\"key_ops\":[\"encrypt\"]", ",\"key_ops\":[]",
        ",\"alg\":\"none\"", ",\"use\":[\"sig\"]", ",\"use\":1", ",\"use\":null", ",\"key_ops\":\"verify\"", ",\"key_ops\":{}",
    };
    apr_pool_t *pool = unit_pool();
    const char *why, *left_out;
    size_t i;

    for (i = 0; i < UNIT_COUNT(others); i++) {
        const char *other = jwk("RS256", apr_pstrcat(pool, others[i], ",\"kid\":\"other\"", NULL), pool);
        tc_jwt_key_t *keys = read_set(apr_pstrcat(pool, other, ",", jwk("ES256", ",\"key_ops\":[\"verify\"]", pool), NULL),
                                      &why, &left_out, pool);

        ck_assert_msg(keys != NULL && keys->next == NULL, "%s", others[i]);
        ck_assert_str_eq(keys->alg->name, "ES256");
        ck_assert_str_eq(left_out, "other");
        ck_assert_ptr_null(read_set(other, &why, &left_out, pool));
    }
    apr_pool_destroy(pool);
}
END_TEST

/* With e = 1 everybody can sign, and with an even number nobody's key is meant. */
START_TEST(an_rsa_key_of_odd_numbers_is_refused)
{
    static const char *const exponents[] = {"AQ", "Ag", "BA", "AQAA", "AA"};
    apr_pool_t *pool = unit_pool();
    const char *why, *left_out;
    char *good = apr_pstrdup(pool, jwk("RS256", "", pool)), *e = strstr(good, "\"e\":\"AQAB\""), *n;
    size_t i;

    ck_assert_ptr_nonnull(e);
    ck_assert_ptr_nonnull(read_set(good, &why, &left_out, pool));
    for (i = 0; i < UNIT_COUNT(exponents); i++) {
        const char *odd = apr_pstrcat(pool, apr_pstrmemdup(pool, good, (apr_size_t)(e - good)), "\"e\":\"", exponents[i], "\"",
                                      e + strlen("\"e\":\"AQAB\""), NULL);

        ck_assert_msg(read_set(odd, &why, &left_out, pool) == NULL, "e %s", exponents[i]);
    }
    n = strstr(good, "\"n\":\"");
    ck_assert_ptr_nonnull(n);
    n = strchr(n + strlen("\"n\":\""), '"');
    n[-1] = 'A'; /* the last byte of the modulus is even now */
    n[-2] = 'A';
    ck_assert_ptr_null(read_set(good, &why, &left_out, pool));
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(a_certificate_is_doubted_if_it_has_expired_or_is_for_something_else)
{
    static const struct {
        long from_s, until_s;
        const char *usage;
        bool is_doubted;
    } cases[] = {
        {-60, 60, NULL, false}, {-120, -60, NULL, true}, {-60, 60, "digitalSignature", false},
        {-60, 60, "keyEncipherment", true}, {-60, 60, "digitalSignature,keyEncipherment", false},
    };
    size_t i;

    make_pkeys();
    for (i = 0; i < UNIT_COUNT(cases); i++) {
        X509 *certificate = X509_new();
        BIO *out = BIO_new(BIO_s_mem());
        char *text;
        long len;

        X509_set_pubkey(certificate, rsa);
        X509_set_version(certificate, 2);
        X509_gmtime_adj(X509_getm_notBefore(certificate), cases[i].from_s);
        X509_gmtime_adj(X509_getm_notAfter(certificate), cases[i].until_s);
        if (cases[i].usage != NULL) {
            X509_EXTENSION *usage = X509V3_EXT_conf_nid(NULL, NULL, NID_key_usage, cases[i].usage);

            X509_add_ext(certificate, usage, -1);
            X509_EXTENSION_free(usage);
        }
        X509_sign(certificate, rsa, EVP_sha256());
        PEM_write_bio_X509(out, certificate);
        len = BIO_get_mem_data(out, &text);
        ck_assert_msg((tc_jwt_key_doubt(text, (size_t)len) != NULL) == cases[i].is_doubted, "case %zu", i);
        BIO_free(out);
        X509_free(certificate);
    }
    ck_assert_ptr_null(tc_jwt_key_doubt("no certificate", 14));
}
END_TEST

/* A provider's set may have one key that we cannot read. The others go on verifying. */
START_TEST(an_odd_key_is_left_out_with_its_reason)
{
    static const struct {
        const char *key, *why;
    } cases[] = {
        {"1", "one (it is not an object with a kty)"},
        {"{\"kid\":\"k\"}", "one (it is not an object with a kty)"},
        {"{\"kty\":\"oct\",\"kid\":\"k\",\"k\":\"AAAA\"}", "k (it has kty oct and no alg; add one, for example \"alg\": \"HS256\")"},
        {"{\"kty\":\"RSA\",\"kid\":\"k\"}", "k (its numbers (n and e, or crv, x and y) do not form a public key)"},
        {"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"k\",\"x\":\"AAAA\"}",
         "k (its numbers (n and e, or crv, x and y) do not form a public key)"},
        {"{\"kty\":\"RSA\",\"alg\":\"EdDSA\",\"kid\":\"k\",\"n\":\"AQAB\",\"e\":\"AQAB\"}", "k (EdDSA needs an Ed25519 key)"},
        {"{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"AAAA\"}", "one without a kid"},
    };
    apr_pool_t *pool = unit_pool();
    const char *why, *left_out;
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        tc_jwt_key_t *keys = read_set(apr_pstrcat(pool, jwk("ES256", "", pool), ",", cases[i].key, ",", jwk("EdDSA", "", pool),
                                                  NULL), &why, &left_out, pool);

        ck_assert_msg(keys != NULL && keys->next != NULL && keys->next->next == NULL, "%s", cases[i].key);
        ck_assert(is_good(token_of("ES256", NULL), keys) && is_good(token_of("EdDSA", NULL), keys));
        ck_assert_str_eq(left_out, cases[i].why);
        ck_assert_ptr_null(read_set(cases[i].key, &why, &left_out, pool));
        ck_assert_ptr_nonnull(strstr(why, cases[i].why));
    }
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(a_set_that_is_none_is_refused)
{
    static const char *const sets[] = {
        "", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[]}", "{\"keys\":[1]}", "{\"keys\":[{}]}", "{\"keys\":[null]}",
        "{\"keys\":[{\"kty\":\"RSA\"}]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"+\",\"e\":\"AQAB\"}]}",
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"AAAA\"}]}",
        ("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
         "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}]}"),
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"alg\":\"ES256\",\"x\":\"AAAA\",\"y\":\"AAAA\"}]}",
        "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}",
        "{\"keys\":[{\"kty\":\"oct\",\"alg\":\"HS256\"}]}",
        "{\"keys\":[{\"kty\":\"oct\",\"alg\":\"RS256\",\"k\":\"AAAA\"}]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"alg\":\"HS256\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}",
        "{\"keys\":[],\"keys\":[]}",
        "{\"keys\":[[[[[[[[[[[[1]]]]]]]]]]]]}",
    };
    apr_pool_t *pool = unit_pool();
    const char *left_out;
    tc_jwt_key_t *keys;
    size_t i;

    for (i = 0; i < UNIT_COUNT(sets); i++) {
        ck_assert_msg(tc_jwt_key_read_set(sets[i], strlen(sets[i]), &keys, &left_out, pool) != NULL, "%s", sets[i]);
    }
    apr_pool_destroy(pool);
}
END_TEST

UNIT_MAIN("jwt_key", a_token_is_good_with_the_key_of_its_algorithm_and_no_other,
          a_token_that_says_another_algorithm_than_it_was_signed_with_is_refused, a_public_key_is_no_secret,
          a_signature_of_another_key_is_refused, a_signature_is_written_in_one_way, a_pss_salt_has_the_length_of_the_hash,
          kid_chooses_among_keys_and_a_key_without_one_is_for_all, all_keys_of_an_algorithm_are_tried, a_token_without_a_kid_is_tried_with_a_few_keys,
          claims_mean_the_same_whatever_the_algorithm, an_odd_key_is_left_out_with_its_reason, an_rsa_key_of_odd_numbers_is_refused,
          a_certificate_is_doubted_if_it_has_expired_or_is_for_something_else,
          a_key_that_does_not_go_with_its_algorithm_is_refused,
          a_certificate_is_as_good_as_a_key_and_anything_else_is_refused,
          what_is_no_algorithm_of_ours_is_not_found, a_short_secret_is_known_as_one,
          a_set_has_a_key_for_each_algorithm, a_key_without_alg_is_bound_to_what_its_kind_is_used_for,
          keys_for_something_else_are_left_out_and_named, a_set_that_is_none_is_refused)
