/* Code that the unit tests share. See unit.h. */
#include "unit.h"

#include <apr_general.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#define WATCHDOG_S 900 /* seconds after which a test that hangs is ended; no test measures time */

int unit_run(const char *subject, const TTest *const *tests, size_t count)
{
    Suite *suite = suite_create(subject);
    TCase *tcase = tcase_create(subject);
    SRunner *runner = srunner_create(suite);
    size_t i;
    int failed;

    apr_initialize();
    signal(SIGPIPE, SIG_IGN); /* httpd's children ignore it, too */
    tcase_set_timeout(tcase, WATCHDOG_S);
    for (i = 0; i < count; i++) {
        tcase_add_test(tcase, tests[i]);
    }
    suite_add_tcase(suite, tcase);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    apr_terminate();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

unit_random_t unit_random_of(uint64_t seed)
{
    return (unit_random_t){seed};
}

/* SplitMix64, for which any seed is good. */
uint64_t unit_random_next(unit_random_t *random)
{
    uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

unsigned unit_random_below(unit_random_t *random, unsigned bound)
{
    return (unsigned)(unit_random_next(random) % bound);
}

apr_pool_t *unit_pool(void)
{
    apr_pool_t *pool;

    ck_assert_int_eq(apr_pool_create(&pool, NULL), APR_SUCCESS);
    return pool;
}

/* Does not use the codec's header code, because the tests check that code. */
void unit_append_frame(tc_buf_t *buf, unsigned first, const void *payload, size_t len)
{
    static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d}; /* RFC 6455, 5.7 */
    unsigned char head[14];
    size_t n = 0, i;

    head[n++] = (unsigned char)first;
    head[n++] = (unsigned char)(0x80 | (len < 126 ? len : len < 65536 ? 126 : 127));
    if (len >= 65536) {
        for (i = 8; i-- > 2;) {
            head[n++] = (unsigned char)((uint64_t)len >> (8 * i));
        }
    }
    if (len >= 126) {
        head[n++] = (unsigned char)(len >> 8);
        head[n++] = (unsigned char)len;
    }
    for (i = 0; i < 4; i++) {
        head[n++] = mask[i];
    }
    tc_buf_append(buf, head, n);
    for (i = 0; i < len; i++) {
        unsigned char byte = ((const unsigned char *)payload)[i] ^ mask[i % 4];

        tc_buf_append(buf, &byte, 1);
    }
}

void unit_append_text(tc_buf_t *buf, const char *fmt, ...)
{
    va_list args;
    char *text;
    int len;

    va_start(args, fmt);
    len = vasprintf(&text, fmt, args);
    va_end(args);
    ck_assert_int_ge(len, 0);
    tc_buf_append(buf, text, (size_t)len + 1);
    buf->len--;
    free(text);
}

unsigned char *unit_copy(const void *data, size_t len)
{
    unsigned char *copy = malloc(len);

    ck_assert(copy != NULL || len == 0);
    if (len > 0) {
        memcpy(copy, data, len);
    }
    return copy;
}

int unit_signal_of(void (*body)(void))
{
    int status = 0;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);

        dup2(null, STDERR_FILENO);
        body();
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

void unit_append_base64url(tc_buf_t *buf, const void *data, size_t len)
{
    unsigned char *text = malloc(4 * (len / 3 + 1) + 1), *c;

    EVP_EncodeBlock(text, data, (int)len);
    for (c = text; *c != '\0' && *c != '='; c++) {
        unsigned char digit = *c == '+' ? '-' : *c == '/' ? '_' : *c;

        tc_buf_append(buf, &digit, 1);
    }
    free(text);
}

void unit_use_new_certificate(SSL_CTX *context)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_NAME *name = X509_get_subject_name(certificate);

    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_set_pubkey(certificate, key);
    ck_assert_int_gt(X509_sign(certificate, key, EVP_sha256()), 0);
    ck_assert_int_eq(SSL_CTX_use_certificate(context, certificate), 1);
    ck_assert_int_eq(SSL_CTX_use_PrivateKey(context, key), 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
}
