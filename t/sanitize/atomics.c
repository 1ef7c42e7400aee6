/*
 * Lets ThreadSanitizer see APR's atomics. httpd hands connections and their pools from thread to thread with these
 * atomics. APR is not built for the sanitizer, so each use of a connection's memory by two threads looked like a race.
 * This library is preloaded beside libtsan, and its functions are found before APR's own.
 */
#include <apr_atomic.h>

apr_uint32_t apr_atomic_read32(volatile apr_uint32_t *mem)
{
    return __atomic_load_n(mem, __ATOMIC_SEQ_CST);
}

void apr_atomic_set32(volatile apr_uint32_t *mem, apr_uint32_t value)
{
    __atomic_store_n(mem, value, __ATOMIC_SEQ_CST);
}

apr_uint32_t apr_atomic_add32(volatile apr_uint32_t *mem, apr_uint32_t value)
{
    return __atomic_fetch_add(mem, value, __ATOMIC_SEQ_CST);
}

void apr_atomic_sub32(volatile apr_uint32_t *mem, apr_uint32_t value)
{
    (void)__atomic_fetch_sub(mem, value, __ATOMIC_SEQ_CST);
}

apr_uint32_t apr_atomic_inc32(volatile apr_uint32_t *mem)
{
    return __atomic_fetch_add(mem, 1, __ATOMIC_SEQ_CST);
}

int apr_atomic_dec32(volatile apr_uint32_t *mem)
{
    return __atomic_sub_fetch(mem, 1, __ATOMIC_SEQ_CST) != 0;
}

apr_uint32_t apr_atomic_cas32(volatile apr_uint32_t *mem, apr_uint32_t with, apr_uint32_t cmp)
{
    (void)__atomic_compare_exchange_n(mem, &cmp, with, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return cmp;
}

apr_uint32_t apr_atomic_xchg32(volatile apr_uint32_t *mem, apr_uint32_t value)
{
    return __atomic_exchange_n(mem, value, __ATOMIC_SEQ_CST);
}

void *apr_atomic_casptr(volatile void **mem, void *with, const void *cmp)
{
    void *found = (void *)cmp;

    (void)__atomic_compare_exchange_n((void *volatile *)mem, &found, with, 0, __ATOMIC_SEQ_CST,
                                      __ATOMIC_SEQ_CST);
    return found;
}

void *apr_atomic_xchgptr(volatile void **mem, void *with)
{
    return __atomic_exchange_n((void *volatile *)mem, with, __ATOMIC_SEQ_CST);
}
