/*
 * Code that the unit tests share. It runs a table of Check tests with TAP on standard output. It makes random numbers
 * that are the same in every run, and the frames of a client. A test file ends with UNIT_MAIN(), which names its tests
 * in the order in which they run.
 */
#ifndef UNIT_H
#define UNIT_H

#include "base/buf.h"

#include <apr_pools.h>
#include <check.h>
#include <openssl/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define UNIT_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Runs the tests, each with a watchdog. Each test has a process of its own, unless CK_FORK=no is set. */
int unit_run(const char *subject, const TTest *const *tests, size_t count);

#define UNIT_MAIN(subject, ...)                                                                    \
    int main(void)                                                                                 \
    {                                                                                              \
        const TTest *const tests[] = {__VA_ARGS__};                                                \
        return unit_run((subject), tests, UNIT_COUNT(tests));                                      \
    }

/* Random numbers that depend only on the seed. Any number may be a seed. */
typedef struct {
    uint64_t state;
} unit_random_t;

unit_random_t unit_random_of(uint64_t seed);
uint64_t unit_random_next(unit_random_t *random);
unsigned unit_random_below(unit_random_t *random, unsigned bound);

/* Gives the context a key of its own and a certificate for it, which the key has signed. */
void unit_use_new_certificate(SSL_CTX *context);

/* Makes a pool, which the caller destroys. */
apr_pool_t *unit_pool(void);

/* Appends a masked client frame with its length in the shortest form. `first` is FIN, RSV and opcode. */
void unit_append_frame(tc_buf_t *buf, unsigned first, const void *payload, size_t len);

/* Appends printf-formatted text and a NUL, which does not count in the buffer's length. */
void unit_append_text(tc_buf_t *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Copies exactly `len` bytes to the heap, so that the sanitizer sees a read beyond them. The caller frees the copy. */
unsigned char *unit_copy(const void *data, size_t len);

/* Runs `body` in a child process without its stderr. Returns the signal that ended the process, or 0. */
int unit_signal_of(void (*body)(void));

/* Appends bytes as base64url without padding (RFC 7515, 2). OpenSSL encodes them, not the code under test. */
void unit_append_base64url(tc_buf_t *buf, const void *data, size_t len);

#endif
