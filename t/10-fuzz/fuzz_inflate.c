/*
 * codec/deflate: two messages in a row, with the window kept and without. The output is never longer than the bound,
 * and equal input gives equal output. The output is what zlib makes of the same bytes in one call. Compressed and
 * inflated again, it is the same. The target also takes the bytes as offers of a negotiation: the answer names
 * nothing that the offers do not name.
 *
 * Input: a byte (bit 1: the window is kept; the other bits: the bound, in units of 64 bytes), a byte with the length
 * of the first message, and the two messages.
 */
#include "fuzz.h"

#include "codec/deflate.h"

#include <zlib.h>

#define RATIO 1000

const char fuzz_name[] = "inflate";

/*
 * Inflates a message and its tail with zlib in one call, up to `max` bytes. Returns SIZE_MAX when zlib does not take
 * the whole message, and when one of its blocks is marked as final.
 */
static size_t inflate_plainly(const uint8_t *data, size_t size, unsigned char *out, size_t max)
{
    z_stream z = {0};
    unsigned char *whole = malloc(size + 4);
    size_t len = SIZE_MAX;
    int rc;

    FUZZ_REQUIRE(whole != NULL && inflateInit2(&z, -15) == Z_OK);
    memcpy(whole, data, size);
    memcpy(whole + size, "\0\0\xff\xff", 4);
    z.next_in = whole;
    z.avail_in = (uInt)size + 4;
    z.next_out = out;
    z.avail_out = (uInt)max;
    rc = inflate(&z, Z_SYNC_FLUSH);
    if (rc == Z_OK && z.avail_in == 0) {
        len = max - z.avail_out;
    }
    inflateEnd(&z);
    free(whole);
    return len;
}

static void check_again(const tc_buf_t *text)
{
    tc_deflater_t *deflater = tc_deflater_create();
    tc_inflater_t *inflater = tc_inflater_create();
    tc_buf_t packed = TC_BUF_INIT, back = TC_BUF_INIT;

    if (tc_deflate(deflater, text->data, text->len, &packed)) {
        FUZZ_REQUIRE(packed.len < text->len);
        FUZZ_REQUIRE(tc_inflate(inflater, false, packed.data, packed.len, text->len, 100000, &back) == TC_INFLATE_OK);
        FUZZ_REQUIRE(back.len == text->len && memcmp(back.data, text->data, back.len) == 0);
    }
    tc_buf_free(&packed);
    tc_buf_free(&back);
    tc_deflater_destroy(deflater);
    tc_inflater_destroy(inflater);
}

static void check_messages(bool keeps, size_t max, const uint8_t *data, size_t first, size_t size)
{
    tc_inflater_t *one = tc_inflater_create(), *other = tc_inflater_create();
    unsigned char *plain = malloc(max + 1);
    int i;

    FUZZ_REQUIRE(one != NULL && other != NULL && plain != NULL);
    for (i = 0; i < 2; i++) {
        const uint8_t *from = i ? data + first : data;
        size_t len = i ? size - first : first, plain_len;
        unsigned char *message = fuzz_copy(from, len);
        tc_buf_t a = TC_BUF_INIT, b = TC_BUF_INIT;
        tc_inflate_e result = tc_inflate(one, keeps, message, len, max, RATIO, &a);

        FUZZ_REQUIRE(a.len <= max + 1 && (result != TC_INFLATE_OK || a.len <= max));
        FUZZ_REQUIRE(tc_inflate(other, keeps, message, len, max, RATIO, &b) == result);
        FUZZ_REQUIRE(a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0));
        if (result == TC_INFLATE_OK) {
            plain_len = i == 0 || !keeps ? inflate_plainly(from, len, plain, max + 1) : SIZE_MAX;
            FUZZ_REQUIRE(plain_len == SIZE_MAX || len == 0
                         || (plain_len == a.len && (a.len == 0 || memcmp(a.data, plain, a.len) == 0)));
            check_again(&a);
        }
        tc_buf_free(&a);
        tc_buf_free(&b);
        free(message);
    }
    free(plain);
    tc_inflater_destroy(one);
    tc_inflater_destroy(other);
}

static void check_terms(const uint8_t *data, size_t size)
{
    char *offers = fuzz_string(data, size), answer[TC_DEFLATE_ANSWER_BYTES];
    tc_deflate_terms_t terms;

    tc_deflate_negotiate(offers, true, &terms, answer);
    FUZZ_REQUIRE(strlen(answer) < sizeof(answer) - 1);
    FUZZ_REQUIRE((*answer != '\0') == (terms.server_bits != 0));
    FUZZ_REQUIRE(terms.server_bits == 0 || (terms.server_bits >= 8 && terms.server_bits <= 15));
    FUZZ_REQUIRE(strstr(answer, "max_window") == NULL || strcasestr(offers, "server_max_window_bits") != NULL);
    free(offers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t first;

    check_terms(data, size);
    if (size >= 2) {
        first = data[1] < size - 2 ? data[1] : size - 2;
        check_messages(data[0] & 1, (size_t)(data[0] >> 1) * 64, data + 2, first, size - 2);
    }
    return 0;
}
