/* Converts texts of a database to UTF-8, piece by piece. See encoding.h. */
#include "store/encoding.h"

#include <apr_strings.h>
#include <apr_xlate.h>
#include <stdbool.h>
#include <string.h>

#define MOST_BYTES 4 /* in UTF-8, of one byte of another encoding */

static const char unknown[] = "\xef\xbf\xbd"; /* U+FFFD */

/* PostgreSQL's names that iconv() does not know: prefix, and what stands for it. */
static const char *const prefixes[][2] = {
    {"WIN", "CP"}, {"EUC_", "EUC-"}, {"KOI8", "KOI8-"}, {"ISO_8859_", "ISO-8859-"}, {"SJIS", "CP932"},
};

static const char *name_of(const char *encoding, apr_pool_t *pool)
{
    size_t i;

    for (i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        size_t len = strlen(prefixes[i][0]);

        if (strncmp(encoding, prefixes[i][0], len) == 0) {
            return apr_pstrcat(pool, prefixes[i][1], encoding + len, NULL);
        }
    }
    return encoding;
}

/* How many bytes make the character that has no meaning. Only the encodings of two and more bytes have long ones. */
static apr_size_t piece_len(const char *at, apr_size_t left, bool is_wide)
{
    apr_size_t len = !is_wide || (unsigned char)*at < 0x80 ? 1 : (unsigned char)*at == 0x8f ? 3 : 2;

    return len < left ? len : left;
}

const char *tc_encoding_decode(const char *text, const char *encoding, apr_pool_t *pool)
{
    apr_size_t left = strlen(text), room = left * MOST_BYTES;
    bool is_wide = strncmp(encoding, "EUC_", 4) == 0;
    char *out = apr_palloc(pool, room + 1), *end = out;
    apr_xlate_t *conversion;

    if (apr_xlate_open(&conversion, "UTF-8", name_of(encoding, pool), pool) != APR_SUCCESS) {
        return NULL;
    }
    while (left > 0) {
        apr_size_t before = left, space = room;

        (void)apr_xlate_conv_buffer(conversion, text, &left, end, &space);
        text += before - left;
        end += room - space;
        room = space;
        if (left > 0 && room >= sizeof(unknown)) {
            before = piece_len(text, left, is_wide);
            text += before;
            left -= before;
            memcpy(end, unknown, sizeof(unknown) - 1);
            end += sizeof(unknown) - 1;
            room -= sizeof(unknown) - 1;
        }
        else if (left > 0) {
            break; /* no room: not even four bytes for each were enough */
        }
    }
    *end = '\0';
    (void)apr_xlate_close(conversion);
    return out;
}
