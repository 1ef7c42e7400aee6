/*
 * What the unit tests share: running a table of Check tests with TAP on standard output, numbers at
 * random that are the same in every run, and the bytes of a client. A test file ends with UNIT_MAIN(),
 * which names its tests in the order they run.
 */
#ifndef UNIT_H
#define UNIT_H

#include "base/buf.h"

#include <apr_pools.h>
#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define UNIT_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Runs the tests, each with a watchdog and, unless CK_FORK=no, in a process of its own. */
int unit_run(const char *subject, const TTest *const *tests, size_t count);

#define UNIT_MAIN(subject, ...)                                                                    \
    int main(void)                                                                                 \
    {                                                                                              \
        const TTest *const tests[] = {__VA_ARGS__};                                                \
        return unit_run((subject), tests, UNIT_COUNT(tests));                                      \
    }

/* Numbers that look random and follow from the seed alone. Seeds may be any number. */
typedef struct {
    uint64_t state;
} unit_random_t;

unit_random_t unit_random_of(uint64_t seed);
uint64_t unit_random_next(unit_random_t *random);
unsigned unit_random_below(unit_random_t *random, unsigned bound);

/* A pool that the caller destroys. */
apr_pool_t *unit_pool(void);

/* Appends a masked client frame, its length in the shortest form. `first` is FIN, RSV and opcode. */
void unit_append_frame(tc_buf_t *buf, unsigned first, const void *payload, size_t len);

/* Appends printf-formatted text, and keeps a NUL behind it that does not count. */
void unit_append_text(tc_buf_t *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A copy of exactly `len` bytes on the heap: a read past them is seen by the sanitizer. */
unsigned char *unit_copy(const void *data, size_t len);

/* Runs `body` in a child process, its stderr closed; returns the signal it died of, or 0. */
int unit_signal_of(void (*body)(void));

/* Appends bytes as base64url without padding (RFC 7515, 2), made by OpenSSL and not by what is tested. */
void unit_append_base64url(tc_buf_t *buf, const void *data, size_t len);

#endif
