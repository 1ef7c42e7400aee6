/* What the fuzz targets share. See fuzz.h. */
#include "fuzz.h"

unsigned char *fuzz_copy(const void *data, size_t len)
{
    unsigned char *copy = malloc(len);

    FUZZ_REQUIRE(copy != NULL || len == 0);
    if (len > 0) {
        memcpy(copy, data, len);
    }
    return copy;
}

char *fuzz_string(const void *data, size_t len)
{
    char *string = malloc(len + 1);

    FUZZ_REQUIRE(string != NULL);
    if (len > 0) {
        memcpy(string, data, len);
    }
    string[len] = '\0';
    return string;
}

/* Reads the character at `text`. Returns its length in bytes, or 0 when it is not valid. */
static size_t read_char(const unsigned char *text, size_t len)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000}; /* the lowest code point of each length */
    size_t need = text[0] < 0x80 ? 1 : text[0] < 0xc0 ? 0 : text[0] < 0xe0 ? 2
                  : text[0] < 0xf0 ? 3 : text[0] < 0xf8 ? 4 : 0;
    uint32_t c = text[0] & (0xffu >> (need + (need > 1)));
    size_t i;

    if (need == 0 || need > len) {
        return 0;
    }
    for (i = 1; i < need; i++) {
        if (text[i] >> 6 != 2) {
            return 0;
        }
        c = c << 6 | (text[i] & 0x3f);
    }
    return c < least[need] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? 0 : need;
}

bool fuzz_is_utf8(const void *text, size_t len)
{
    const unsigned char *at = text;
    size_t step;

    for (; len > 0; at += step, len -= step) {
        step = read_char(at, len);
        if (step == 0) {
            return false;
        }
    }
    return true;
}

size_t fuzz_count_chars(const void *text, size_t len)
{
    const unsigned char *at = text;
    size_t count = 0, step;

    for (; len > 0; at += step, len -= step) {
        step = read_char(at, len);
        FUZZ_REQUIRE(step > 0);
        count++;
    }
    return count;
}
