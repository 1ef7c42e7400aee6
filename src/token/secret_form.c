/* Tells keys from secrets. See secret_form.h. */
#include "token/secret_form.h"

#include "base/alloc.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define DER_SEQUENCE 0x30
#define DER_INTEGER 0x02
#define STRIPPED 8 /* bytes that may be missing at the end: they were taken for line ends */

static bool contains(const char *bytes, size_t len, const char *word)
{
    return memmem(bytes, len, word, strlen(word)) != NULL;
}

/* X.690, 8.1: a sequence as long as the file, which begins with a sequence or a number, as all keys and certificates do. */
static bool is_der(const unsigned char *bytes, size_t len)
{
    size_t head = 2, body, i, octets;

    if (len < 16 || bytes[0] != DER_SEQUENCE) {
        return false;
    }
    body = bytes[1];
    if (body > 0x80) {
        octets = body & 0x7f;
        if (octets > 3) {
            return false;
        }
        for (body = 0, i = 0; i < octets; i++) {
            body = body << 8 | bytes[head++];
        }
    }
    return head + body >= len && head + body <= len + STRIPPED
           && (bytes[head] == DER_SEQUENCE || bytes[head] == DER_INTEGER);
}

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

/* Base64 without the lines of PEM around it. */
static bool is_base64_of_der(const char *bytes, size_t len)
{
    unsigned char *text = tc_alloc(len + 1), *der = tc_alloc(len + 1);
    size_t i, count = 0;
    int decoded;

    for (i = 0; i < len; i++) {
        if (!is_space(bytes[i])) {
            text[count++] = (unsigned char)bytes[i];
        }
    }
    decoded = EVP_DecodeBlock(der, text, (int)count);
    count = decoded > 0 ? (size_t)decoded : 0;
    OPENSSL_cleanse(text, len + 1);
    free(text);
    /* EVP_DecodeBlock() counts padding as zeros, up to two. */
    for (i = 0, decoded = 0; i < 3 && !decoded; i++) {
        decoded = count > i && is_der(der, count - i);
    }
    OPENSSL_cleanse(der, len + 1);
    free(der);
    return decoded;
}

static bool is_jwk(const char *bytes, size_t len)
{
    if (len >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
        bytes += 3;
        len -= 3;
    }
    while (len > 0 && is_space(*bytes)) {
        bytes++;
        len--;
    }
    return len > 0 && *bytes == '{' && contains(bytes, len, "\"kty\"");
}

static bool is_of_openssh(const char *bytes, size_t len)
{
    static const char *const beginnings[] = {"ssh-rsa ", "ssh-ed25519 ", "ecdsa-sha2-"};
    size_t i;

    for (i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
        if (len > strlen(beginnings[i]) && memcmp(bytes, beginnings[i], strlen(beginnings[i])) == 0) {
            return true;
        }
    }
    return contains(bytes, len, "---- BEGIN SSH2 ");
}

bool tc_secret_form_is_key(const char *bytes, size_t len)
{
    return contains(bytes, len, "-----BEGIN ") || is_der((const unsigned char *)bytes, len)
           || is_base64_of_der(bytes, len) || is_jwk(bytes, len) || is_of_openssh(bytes, len);
}
