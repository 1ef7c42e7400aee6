/* Close codes and payloads. See close.h. */
#include "codec/close.h"

#include "base/limits.h"
#include "codec/utf8.h"

#include <string.h>

bool tc_close_is_valid_code(unsigned code)
{
    if (code >= 3000 && code <= 4999) {
        return true;
    }
    return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;
}

unsigned tc_close_decode(const unsigned char *payload, size_t len, unsigned *error)
{
    unsigned code;

    if (len == 0) {
        return TC_CLOSE_NONE;
    }
    code = len >= 2 ? (unsigned)payload[0] << 8 | payload[1] : 0;
    if (!tc_close_is_valid_code(code)) {
        *error = TC_CLOSE_PROTOCOL;
        return 0;
    }
    if (!tc_utf8_is_valid(payload + 2, len - 2)) {
        *error = TC_CLOSE_BAD_DATA;
        return 0;
    }
    return code;
}

size_t tc_close_encode(unsigned code, const char *reason, unsigned char *out)
{
    size_t len = reason ? strlen(reason) : 0;

    if (code == TC_CLOSE_NONE) {
        return 0;
    }
    if (len > TC_CONTROL_MAX_BYTES - 2) {
        len = TC_CONTROL_MAX_BYTES - 2;
        while (len > 0 && ((unsigned char)reason[len] & 0xc0) == 0x80) {
            len--;
        }
    }
    out[0] = (unsigned char)(code >> 8);
    out[1] = (unsigned char)code;
    if (len > 0) {
        memcpy(out + 2, reason, len);
    }
    return 2 + len;
}
