/*
 * FNV-1a with 64 bits: a hash for tables and names, not for secrets and not against people who choose the input. Pure.
 */
#ifndef TC_BASE_HASH_H
#define TC_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* The hash of nothing, with which a hash begins. */
#define TC_HASH_BASIS UINT64_C(14695981039346656037)

/* The hash so far, and one more unit: a byte, or a character. */
static inline uint64_t tc_hash_add(uint64_t hash, uint32_t unit)
{
    return (hash ^ unit) * UINT64_C(1099511628211);
}

/* The hash so far, and `len` more bytes. */
static inline uint64_t tc_hash_bytes(uint64_t hash, const void *data, size_t len)
{
    const unsigned char *at = data, *end = at + len;

    while (at < end) {
        hash = tc_hash_add(hash, *at++);
    }
    return hash;
}

/* The hash so far, and the bytes of a C string without its NUL. */
static inline uint64_t tc_hash_text(uint64_t hash, const char *text)
{
    while (*text != '\0') {
        hash = tc_hash_add(hash, (unsigned char)*text++);
    }
    return hash;
}

#endif
