/*
 * What the fuzz targets share. A target is a file fuzz_<name>.c with a LLVMFuzzerTestOneInput(), which says at
 * its top what it checks; libFuzzer feeds it in `make fuzz`, replay.c in `make test`. It may neither keep
 * state between inputs nor leak: both would lead the fuzzer astray. README.md has the rest.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The target, and its name as in fuzz_<name>.c. `data` is `size` bytes on the heap, and no more. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern const char fuzz_name[];

/* A property that does not hold ends the process: for libFuzzer a crash, whose input it keeps. */
#define FUZZ_REQUIRE(condition)                                                                    \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);         \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* A copy of `len` bytes on the heap, with no room behind them; the caller frees it. */
unsigned char *fuzz_copy(const void *data, size_t len);

/* The same with a NUL behind it. What is in `data` behind a NUL of its own is out of a string's reach. */
char *fuzz_string(const void *data, size_t len);

/* UTF-8 by code points (RFC 3629, 3), written without the codec, which it is to check. */
bool fuzz_is_utf8(const void *text, size_t len);

/* Code points in valid UTF-8. */
size_t fuzz_count_chars(const void *text, size_t len);

#endif
