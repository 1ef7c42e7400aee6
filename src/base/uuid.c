/* UUIDs. See uuid.h. */
#include "base/uuid.h"

#include "base/clock.h"
#include "base/hex.h"

#include <apr_general.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

/* Random bytes are drawn in bulk: a system call for each message would cost more than the message itself. */
static _Thread_local unsigned char pool_bytes[512];
static _Thread_local size_t pool_used = sizeof(pool_bytes);

static void draw_random(unsigned char *out, size_t len)
{
    if (pool_used + len > sizeof(pool_bytes)) {
        /* The clock makes ids unique too, so a failing random source weakens them but stops nobody. */
        (void)apr_generate_random_bytes(pool_bytes, sizeof(pool_bytes));
        pool_used = 0;
    }
    memcpy(out, pool_bytes + pool_used, len);
    pool_used += len;
}

static bool is_hyphen_at(size_t i)
{
    return i == 8 || i == 13 || i == 18 || i == 23;
}

bool tc_uuid_parse(const char *text, size_t len_bytes, tc_uuid_t *out)
{
    size_t i = 0, n = 0;

    if (len_bytes != TC_UUID_CHARS) {
        return false;
    }
    while (i < TC_UUID_CHARS) {
        int high, low;

        if (is_hyphen_at(i)) {
            if (text[i++] != '-') {
                return false;
            }
            continue;
        }
        high = tc_hex_value(text[i]);
        low = tc_hex_value(text[i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out->bytes[n++] = (unsigned char)(high << 4 | low);
        i += 2;
    }
    return true;
}

bool tc_uuid_parse_any(const char *text, size_t len_bytes, tc_uuid_t *out)
{
    char hyphened[TC_UUID_CHARS];
    size_t i, n = 0;

    if (len_bytes != (size_t)2 * TC_UUID_BYTES) {
        return tc_uuid_parse(text, len_bytes, out);
    }
    for (i = 0; i < TC_UUID_CHARS; i++) {
        hyphened[i] = '-';
        if (!is_hyphen_at(i)) {
            hyphened[i] = text[n++];
        }
    }
    return tc_uuid_parse(hyphened, TC_UUID_CHARS, out);
}

void tc_uuid_format(const tc_uuid_t *uuid, char *out)
{
    static const char digits[] = "0123456789abcdef";
    size_t i, n = 0;

    for (i = 0; i < TC_UUID_BYTES; i++) {
        if (is_hyphen_at(n)) {
            out[n++] = '-';
        }
        out[n++] = digits[uuid->bytes[i] >> 4];
        out[n++] = digits[uuid->bytes[i] & 15];
    }
    out[n] = '\0';
}

/*
 * The newest id's time and counter (RFC 9562, 6.2, method 1): 48 bits of milliseconds, then a counter of 16 bits. Any
 * thread raises it.
 */
static _Atomic uint64_t newest;

#define COUNTER_BITS 16
#define SEED_MASK 0x7fff /* a new millisecond begins in the lower half of the counter, so that there is room to count */

/* Returns a time and counter that are greater than all before. A full counter carries into the milliseconds. */
static uint64_t next_tick(uint64_t ms, unsigned seed)
{
    uint64_t last = atomic_load(&newest), next;

    do {
        next = ms << COUNTER_BITS | (seed & SEED_MASK);
        if (next <= last) {
            next = last + 1;
        }
    } while (!atomic_compare_exchange_weak(&newest, &last, next));
    return next;
}

void tc_uuid_make_v7_at(tc_uuid_t *out, int64_t wall_us)
{
    unsigned char *bytes = out->bytes;
    uint64_t tick, ms;
    int i;

    draw_random(bytes + 6, TC_UUID_BYTES - 6);
    tick = next_tick((uint64_t)(wall_us / TC_US_PER_MS), (unsigned)bytes[6] << 8 | bytes[7]);
    ms = tick >> COUNTER_BITS;
    for (i = 5; i >= 0; i--) {
        bytes[i] = (unsigned char)ms;
        ms >>= 8;
    }
    bytes[6] = (unsigned char)(0x70 | (tick >> 12 & 0x0f)); /* the version, then 12 bits of the counter */
    bytes[7] = (unsigned char)(tick >> 4);
    bytes[8] = (unsigned char)(0x80 | (tick & 0x0f) << 2 | (bytes[8] & 0x03)); /* the variant, then its last 4 bits */
}

void tc_uuid_make_v7(tc_uuid_t *out)
{
    tc_uuid_make_v7_at(out, tc_clock_wall_us());
}

bool tc_uuid_equal(const tc_uuid_t *a, const tc_uuid_t *b)
{
    return memcmp(a->bytes, b->bytes, TC_UUID_BYTES) == 0;
}
