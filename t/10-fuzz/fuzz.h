/*
 * What the fuzz targets share. A target is a file fuzz_<name>.c with a function LLVMFuzzerTestOneInput(). The file
 * says at its top what the target checks. libFuzzer feeds the target in `make fuzz`, and replay.c in `make test`. A
 * target keeps no state between inputs and leaks no memory, because both would mislead the fuzzer. README.md has the
 * rest.
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

/* The target, and its name as in fuzz_<name>.c. `data` is exactly `size` bytes on the heap. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern const char fuzz_name[];

/* Ends the process when a property does not hold. For libFuzzer that is a crash, and it keeps the input. */
#define FUZZ_REQUIRE(condition)                                                                    \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);         \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* A copy of `len` bytes on the heap, with no room behind them. The caller frees the copy. */
unsigned char *fuzz_copy(const void *data, size_t len);

/* The same with a NUL behind it. If `data` holds a NUL itself, the string ends there. */
char *fuzz_string(const void *data, size_t len);

/* Checks UTF-8 by code points (RFC 3629, 3). It does not use the codec, because it checks the codec. */
bool fuzz_is_utf8(const void *text, size_t len);

/* The number of code points in valid UTF-8. */
size_t fuzz_count_chars(const void *text, size_t len);

#endif
