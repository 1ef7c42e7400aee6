/*
 * Lets the tools see APR's pools. Debian's APR maps the memory of pools with mmap(), which no tool counts or watches,
 * and keeps freed memory for the next pool. This library is preloaded before the tool's own library. With it, the
 * memory of pools comes from malloc(), and is freed when a pool is cleared or destroyed. A later use of the memory is
 * then reported as a use after free. What a pool refers to is no leak, and a pool that is never destroyed is a leak.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <apr_allocator.h>
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE_BYTES 4096
#define KEEP_NOTHING 1 /* in bytes; 0 would mean no limit */

/* mmap() returns the beginning of a page. allocate() never does, so an address elsewhere is from malloc(). */
static bool is_from_malloc(const void *memory)
{
    return (uintptr_t)memory % PAGE_BYTES != 0;
}

static void *allocate(size_t len)
{
    void *memory = malloc(len), *another;

    while (memory != NULL && !is_from_malloc(memory)) {
        another = malloc(len += sizeof(memory));
        free(memory);
        memory = another;
    }
    return memory != NULL ? memory : MAP_FAILED;
}

static bool is_in_apr(const void *code)
{
    Dl_info info;

    return dladdr(code, &info) != 0 && strstr(info.dli_fname, "/libapr-1.so") != NULL;
}

void *mmap(void *address, size_t len, int protection, int flags, int fd, off_t offset)
{
    static void *(*real)(void *, size_t, int, int, int, off_t);

    if (flags == (MAP_PRIVATE | MAP_ANONYMOUS) && is_in_apr(__builtin_return_address(0))) {
        return allocate(len);
    }
    if (real == NULL) {
        real = (void *(*)(void *, size_t, int, int, int, off_t))dlsym(RTLD_NEXT, "mmap");
    }
    return real(address, len, protection, flags, fd, offset);
}

int munmap(void *address, size_t len)
{
    static int (*real)(void *, size_t);

    if (is_from_malloc(address)) {
        free(address);
        return 0;
    }
    if (real == NULL) {
        real = (int (*)(void *, size_t))dlsym(RTLD_NEXT, "munmap");
    }
    return real(address, len);
}

apr_status_t apr_allocator_create(apr_allocator_t **allocator)
{
    static apr_status_t (*real)(apr_allocator_t **);
    apr_status_t rv;

    if (real == NULL) {
        real = (apr_status_t(*)(apr_allocator_t **))dlsym(RTLD_NEXT, "apr_allocator_create");
    }
    rv = real(allocator);
    if (rv == APR_SUCCESS) {
        apr_allocator_max_free_set(*allocator, KEEP_NOTHING);
    }
    return rv;
}
