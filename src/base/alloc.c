/* Heap allocation that cannot fail quietly. See alloc.h. */
#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>

static void *must(void *ptr, size_t len_bytes)
{
    if (ptr == NULL) {
        fprintf(stderr, "tripchat: out of memory: cannot allocate %zu bytes, the child process ends\n", len_bytes);
        abort();
    }
    return ptr;
}

void *tc_alloc(size_t len_bytes)
{
    return must(malloc(len_bytes ? len_bytes : 1), len_bytes);
}

void *tc_alloc_zero(size_t len_bytes)
{
    return must(calloc(1, len_bytes ? len_bytes : 1), len_bytes);
}

void *tc_realloc(void *ptr, size_t len_bytes)
{
    return must(realloc(ptr, len_bytes ? len_bytes : 1), len_bytes);
}
