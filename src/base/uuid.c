/* UUIDs. See uuid.h. */
#include "base/uuid.h"

#include "base/clock.h"

#include <apr_general.h>
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

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
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
        high = hex_value(text[i]);
        low = hex_value(text[i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out->bytes[n++] = (unsigned char)(high << 4 | low);
        i += 2;
    }
    return true;
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

void tc_uuid_make_v7(tc_uuid_t *out)
{
    uint64_t ms = (uint64_t)(tc_clock_wall_us() / TC_US_PER_MS);
    int i;

    draw_random(out->bytes + 6, TC_UUID_BYTES - 6);
    for (i = 5; i >= 0; i--) {
        out->bytes[i] = (unsigned char)ms;
        ms >>= 8;
    }
    out->bytes[6] = (unsigned char)((out->bytes[6] & 0x0f) | 0x70);
    out->bytes[8] = (unsigned char)((out->bytes[8] & 0x3f) | 0x80);
}

bool tc_uuid_equal(const tc_uuid_t *a, const tc_uuid_t *b)
{
    return memcmp(a->bytes, b->bytes, TC_UUID_BYTES) == 0;
}
