/* A file that holds a key in any form is no secret of HS256, and secrets are none of these forms. */
#include "unit.h"

#include "token/secret_form.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <string.h>

#define KINDS 3

static EVP_PKEY *pkeys[KINDS];

static void make_pkeys(void)
{
    pkeys[0] = EVP_RSA_gen(2048);
    pkeys[1] = EVP_EC_gen("P-256");
    pkeys[2] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

static void free_pkeys(void)
{
    int i;

    for (i = 0; i < KINDS; i++) {
        EVP_PKEY_free(pkeys[i]);
    }
}

/* Checks the bytes in DER, and as base64 in one line and in several. */
static void is_known(const unsigned char *der, int len, const char *what)
{
    unsigned char text[8192], lines[8192];
    int count = EVP_EncodeBlock(text, der, len), i, out = 0;

    ck_assert_msg(tc_secret_form_is_key((const char *)der, (size_t)len), "%s, DER", what);
    /* A reader of files takes bytes at the end for line ends. */
    ck_assert_msg(tc_secret_form_is_key((const char *)der, (size_t)len - 2), "%s, DER without two bytes", what);
    ck_assert_msg(tc_secret_form_is_key((const char *)text, (size_t)count), "%s, base64", what);
    for (i = 0; i < count; i++) {
        lines[out++] = text[i];
        if (i % 64 == 63) {
            lines[out++] = '\r';
            lines[out++] = '\n';
        }
    }
    ck_assert_msg(tc_secret_form_is_key((const char *)lines, (size_t)out), "%s, base64 in lines", what);
}

START_TEST(a_key_is_known_in_der_and_in_base64)
{
    unsigned char *der = NULL;
    int i, len;

    make_pkeys();
    for (i = 0; i < KINDS; i++) {
        len = i2d_PUBKEY(pkeys[i], &der);
        is_known(der, len, "public key");
        OPENSSL_free(der);
        der = NULL;
        len = i2d_PrivateKey(pkeys[i], &der);
        is_known(der, len, "private key");
        OPENSSL_free(der);
        der = NULL;
    }
    len = i2d_PublicKey(pkeys[0], &der);
    is_known(der, len, "public key of PKCS 1");
    OPENSSL_free(der);
    free_pkeys();
}
END_TEST

START_TEST(a_certificate_is_known)
{
    X509 *certificate = X509_new();
    unsigned char *der = NULL;
    int len;

    make_pkeys();
    X509_set_pubkey(certificate, pkeys[1]);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 60);
    X509_sign(certificate, pkeys[1], EVP_sha256());
    len = i2d_X509(certificate, &der);
    is_known(der, len, "certificate");
    OPENSSL_free(der);
    X509_free(certificate);
    free_pkeys();
}
END_TEST

static bool is_key(const char *text) { return tc_secret_form_is_key(text, strlen(text)); }

START_TEST(a_key_is_known_in_text)
{
    static const char *const keys[] = {
        "-----BEGIN PUBLIC KEY-----\nMII", "\n-----BEGIN PUBLIC KEY-----\nMII", "\xef\xbb\xbf-----BEGIN CERTIFICATE-----\nMII",
        "Bag Attributes\n    friendlyName: x\n-----BEGIN CERTIFICATE-----\nMII", "{\"kty\":\"RSA\",\"n\":\"AA\",\"e\":\"AQAB\"}",
        "\xef\xbb\xbf { \"keys\" : [ { \"kty\" : \"EC\" } ] }", "ssh-rsa AAAAB3NzaC1yc2E a@b", "ssh-ed25519 AAAAC3Nz a@b",
        "ecdsa-sha2-nistp256 AAAAE2Vj a@b", "---- BEGIN SSH2 PUBLIC KEY ----\nAAAA",
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(keys); i++) {
        ck_assert_msg(is_key(keys[i]), "%s", keys[i]);
    }
}
END_TEST

START_TEST(a_secret_is_no_key)
{
    static const char *const secrets[] = {
        "", "0", "a secret of no less than thirty-two bytes", "django-insecure-$x+1_{kty}!@#%^&*(-=_+)BEGIN", "{not \"a\": key}",
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A", "0000000000000000000000000000000000000000000000000000000000000000",
        "MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA=", "-----BEGIN", "ssh-secret", "{\"secret\":\"x\"}",
    };
    unsigned char bytes[64];
    size_t i;

    for (i = 0; i < UNIT_COUNT(secrets); i++) {
        ck_assert_msg(!is_key(secrets[i]), "%s", secrets[i]);
    }
    for (i = 0; i < 2000; i++) {
        ck_assert_int_eq(RAND_bytes(bytes, sizeof(bytes)), 1);
        bytes[0] = bytes[0] == 0x30 ? 0x31 : bytes[0]; /* what chance does in one of a million cases */
        ck_assert(!tc_secret_form_is_key((const char *)bytes, i % sizeof(bytes)));
    }
}
END_TEST

UNIT_MAIN("secret_form", a_key_is_known_in_der_and_in_base64, a_certificate_is_known, a_key_is_known_in_text, a_secret_is_no_key)
