/*
 * permessage-deflate (RFC 7692): the negotiation, the RFC's examples, compressing and inflating again, and the bounds
 * on what a client's messages may cost.
 */
#include "unit.h"

#include "codec/deflate.h"
#include "codec/wire.h"

#include <zlib.h>

#define MAX 131072
#define RATIO 200

/* ---- terms ---- */

START_TEST(an_offer_is_answered_with_what_it_allows)
{
    static const struct {
        const char *offers;
        bool keeps;
        const char *answer;
        unsigned bits;
        bool client_keeps;
    } cases[] = {
#define OURS "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
#define KEPT "permessage-deflate; server_no_context_takeover"
        {"permessage-deflate", false, OURS, 15, false},
        {"permessage-deflate", true, KEPT, 15, true},
        {"Permessage-Deflate", false, OURS, 15, false},
        {" permessage-deflate ; client_max_window_bits ", false, OURS, 15, false},
        {"permessage-deflate;client_max_window_bits=9", false, OURS, 15, false},
        {"permessage-deflate; client_no_context_takeover", true, OURS, 15, false},
        {"permessage-deflate; server_no_context_takeover", true, KEPT, 15, true},
        {"permessage-deflate; server_max_window_bits=10", false, OURS "; server_max_window_bits=10", 10, false},
        {"permessage-deflate; server_max_window_bits=\"8\"", false, OURS "; server_max_window_bits=8", 8, false},
        {"permessage-deflate; server_max_window_bits=15", false, OURS "; server_max_window_bits=15", 15, false},
        {"x-webkit-deflate-frame, permessage-deflate", false, OURS, 15, false},
        {"foo; bar=\"baz\", permessage-deflate; server_max_window_bits=9", false, OURS "; server_max_window_bits=9", 9, false},
        {"permessage-deflate; server_max_window_bits=99, permessage-deflate", false, OURS, 15, false},
        {"permessage-deflate; unknown, permessage-deflate; client_max_window_bits", false, OURS, 15, false},
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        char answer[TC_DEFLATE_ANSWER_BYTES];
        tc_deflate_terms_t terms;

        tc_deflate_negotiate(cases[i].offers, cases[i].keeps, &terms, answer);
        ck_assert_str_eq(answer, cases[i].answer);
        ck_assert_uint_eq(terms.server_bits, cases[i].bits);
        ck_assert_int_eq(terms.client_keeps, cases[i].client_keeps);
    }
}
END_TEST

START_TEST(what_is_no_offer_of_ours_is_declined)
{
    static const char *const offers[] = {
        "", "permessage-bzip2", "permessage-deflat", "permessage-deflatee", "permessage-deflate; unknown",
        "permessage-deflate; server_no_context_takeover=1", "permessage-deflate; client_no_context_takeover=true",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; client_max_window_bits; client_max_window_bits",
        "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
        "permessage-deflate; server_max_window_bits", "permessage-deflate; server_max_window_bits=",
        "permessage-deflate; server_max_window_bits=7", "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=08", "permessage-deflate; server_max_window_bits=1e1",
        "permessage-deflate; server_max_window_bits=\"10", "permessage-deflate; server_max_window_bits=100",
        "permessage-deflate; client_max_window_bits=7", "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; ; client_max_window_bits", "permessage-deflate;", "permessage-deflate (x)", ";", "=", ",",
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(offers) + 1; i++) {
        char answer[TC_DEFLATE_ANSWER_BYTES] = "x";
        tc_deflate_terms_t terms = {9, true};

        tc_deflate_negotiate(i < UNIT_COUNT(offers) ? offers[i] : NULL, true, &terms, answer);
        ck_assert_msg(*answer == '\0', "%s: %s", i < UNIT_COUNT(offers) ? offers[i] : "NULL", answer);
        ck_assert_uint_eq(terms.server_bits, 0);
        ck_assert(!terms.client_keeps);
    }
}
END_TEST

/* ---- the examples of RFC 7692, 7.2.3 ---- */

static tc_inflater_t *inflater;

static tc_inflate_e inflate_bytes(const void *data, size_t len, bool keeps, tc_buf_t *out)
{
    unsigned char *exact = unit_copy(data, len);
    tc_inflate_e result = tc_inflate(inflater, keeps, exact, len, MAX, RATIO, out);

    free(exact);
    return result;
}

static void expect(const void *data, size_t len, bool keeps, const char *text)
{
    tc_buf_t out = TC_BUF_INIT;

    ck_assert_int_eq(inflate_bytes(data, len, keeps, &out), TC_INFLATE_OK);
    ck_assert_uint_eq(out.len, strlen(text));
    ck_assert(out.len == 0 || memcmp(out.data, text, out.len) == 0);
    tc_buf_free(&out);
}

#define EXPECT(bytes, keeps, text) expect("" bytes "", sizeof(bytes) - 1, keeps, text)

START_TEST(the_examples_of_the_rfc_are_read)
{
    inflater = tc_inflater_create();
    EXPECT("\xf2\x48\xcd\xc9\xc9\x07\x00", false, "Hello");                         /* 7.2.3.1 */
    EXPECT("\xf2\x48\xcd\xc9\xc9\x07\x00", true, "Hello");                          /* 7.2.3.2 */
    EXPECT("\xf2\x00\x11\x00\x00", true, "Hello");                                  /* refers to the window */
    tc_inflater_destroy(inflater);
    inflater = tc_inflater_create();
    EXPECT("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", false, "Hello");         /* 7.2.3.3 */
    EXPECT("\xf3\x48\xcd\xc9\xc9\x07\x00\x00", false, "Hello");                     /* 7.2.3.4, a final block */
    EXPECT("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", false, "Hello"); /* 7.2.3.5, two blocks */
    EXPECT("\x00", false, "");                                                      /* 7.2.3.6 */
    EXPECT("", false, "");
    tc_inflater_destroy(inflater);
}
END_TEST

START_TEST(a_window_lives_on_over_a_final_block)
{
    inflater = tc_inflater_create();
    EXPECT("\xf3\x48\xcd\xc9\xc9\x07\x00\x00", true, "Hello");
    EXPECT("\xf2\x00\x11\x00\x00", true, "Hello");
    tc_inflater_destroy(inflater);
}
END_TEST

/*
 * zlib's output is cut into portions. At a portion's end, the code that ends the block may be the only thing that is left,
 * in a byte that zlib has read already.
 */
START_TEST(a_final_block_may_end_where_a_portion_of_output_ends)
{
    static unsigned char content[4096 + 4], payload[sizeof(content)];
    size_t len, shift;

    for (len = sizeof(content) - 8; len <= sizeof(content); len++) {
        for (shift = 0; shift < 8; shift++) {
            z_stream z = {0};
            tc_buf_t out = TC_BUF_INIT;

            memset(content, 'a', len);
            memset(content, 200, shift); /* each takes nine bits, so the end code begins at any bit of a byte */
            ck_assert_int_eq(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_FIXED), Z_OK);
            z.next_in = content;
            z.avail_in = (uInt)len;
            z.next_out = payload;
            z.avail_out = sizeof(payload) - 1;
            ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
            payload[z.total_out] = 0; /* the block after the final one, without its tail: RFC 7692, 7.2.3.4 */
            inflater = tc_inflater_create();
            ck_assert_msg(inflate_bytes(payload, z.total_out + 1, true, &out) == TC_INFLATE_OK, "%zu, %zu", len, shift);
            ck_assert_uint_eq(out.len, len);
            ck_assert(memcmp(out.data, content, len) == 0);
            tc_inflater_destroy(inflater);
            tc_buf_free(&out);
            deflateEnd(&z);
        }
    }
}
END_TEST

START_TEST(without_takeover_nothing_is_remembered)
{
    tc_buf_t out = TC_BUF_INIT;

    inflater = tc_inflater_create();
    EXPECT("\xf2\x48\xcd\xc9\xc9\x07\x00", false, "Hello");
    ck_assert_int_eq(inflate_bytes("\xf2\x00\x11\x00\x00", 5, false, &out), TC_INFLATE_BROKEN);
    EXPECT("\xf2\x48\xcd\xc9\xc9\x07\x00", false, "Hello"); /* the inflater is still usable */
    tc_inflater_destroy(inflater);
    tc_buf_free(&out);
}
END_TEST

/* ---- compressed and inflated again ---- */

static void fill(unit_random_t *random, unsigned char *bytes, size_t len, unsigned alphabet)
{
    size_t i;

    for (i = 0; i < len; i++) {
        bytes[i] = (unsigned char)('a' + unit_random_below(random, alphabet));
    }
}

START_TEST(what_is_compressed_comes_back)
{
    tc_deflater_t *deflater = tc_deflater_create();
    unit_random_t random = unit_random_of(5);
    unsigned char *bytes = malloc(MAX);
    int round;

    inflater = tc_inflater_create();
    for (round = 0; round < 300; round++) {
        size_t len = unit_random_below(&random, round % 10 ? 3000 : MAX);
        tc_buf_t packed = TC_BUF_INIT, out = TC_BUF_INIT;

        fill(&random, bytes, len, 1 + unit_random_below(&random, 26));
        if (tc_deflate(deflater, bytes, len, &packed)) {
            ck_assert_uint_lt(packed.len, len);
            ck_assert_int_eq(tc_inflate(inflater, round % 2, packed.data, packed.len, MAX, 10000, &out), TC_INFLATE_OK);
            ck_assert_uint_eq(out.len, len);
            ck_assert(memcmp(out.data, bytes, len) == 0);
        }
        tc_buf_free(&packed);
        tc_buf_free(&out);
    }
    free(bytes);
    tc_inflater_destroy(inflater);
    tc_deflater_destroy(deflater);
}
END_TEST

START_TEST(what_gets_no_shorter_is_not_compressed)
{
    tc_deflater_t *deflater = tc_deflater_create();
    unsigned char bytes[1000];
    tc_buf_t out = TC_BUF_INIT;
    unit_random_t random = unit_random_of(6);
    size_t i;

    for (i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (unsigned char)unit_random_below(&random, 256);
    }
    ck_assert(!tc_deflate(deflater, bytes, sizeof(bytes), &out) && out.len == 0);
    ck_assert(!tc_deflate(deflater, "", 0, &out) && out.len == 0);
    ck_assert(!tc_deflate(deflater, "a", 1, &out) && out.len == 0);
    memset(bytes, 'x', sizeof(bytes));
    ck_assert(tc_deflate(deflater, bytes, sizeof(bytes), &out) && out.len < 50);
    tc_deflater_destroy(deflater);
    tc_buf_free(&out);
}
END_TEST

/* ---- bounds ---- */

/* Compresses `len` times the same byte. */
static tc_buf_t bomb(size_t len)
{
    tc_deflater_t *deflater = tc_deflater_create();
    unsigned char *bytes = calloc(1, len);
    tc_buf_t out = TC_BUF_INIT;

    ck_assert(tc_deflate(deflater, bytes, len, &out));
    free(bytes);
    tc_deflater_destroy(deflater);
    return out;
}

START_TEST(a_bomb_is_found_before_it_costs_more_than_the_bound)
{
    static const struct {
        size_t len, max;
        unsigned ratio;
        tc_inflate_e result;
    } cases[] = {
        {4096, MAX, 2, TC_INFLATE_OK},          /* up to 4 KB the ratio does not count */
        {4097, MAX, 2, TC_INFLATE_TOO_BIG},
        {MAX, MAX, 10000, TC_INFLATE_OK},
        {MAX + 1, MAX, 10000, TC_INFLATE_TOO_BIG},
        {MAX, MAX, 100, TC_INFLATE_TOO_BIG},
        {64 << 20, MAX, 10000, TC_INFLATE_TOO_BIG},
        {64 << 20, 16 << 20, 10000, TC_INFLATE_TOO_BIG},
    };
    size_t i;

    inflater = tc_inflater_create();
    for (i = 0; i < UNIT_COUNT(cases); i++) {
        tc_buf_t packed = bomb(cases[i].len), out = TC_BUF_INIT;

        ck_assert_msg(tc_inflate(inflater, i % 2, packed.data, packed.len, cases[i].max, cases[i].ratio, &out)
                          == cases[i].result, "case %zu", i);
        ck_assert_uint_le(out.len, cases[i].max + 1);
        ck_assert_uint_le(out.size, 2 * cases[i].max + 8192 + 4096);
        tc_buf_free(&packed);
        tc_buf_free(&out);
    }
    tc_inflater_destroy(inflater);
}
END_TEST

/* If the window is kept, a few bytes can refer to 32 KB of earlier messages. The bound of each message still holds. */
START_TEST(a_bomb_made_of_the_window_is_found_as_well)
{
    tc_buf_t packed = bomb(30000), out = TC_BUF_INIT;
    tc_inflate_e result = TC_INFLATE_OK;
    z_stream z = {0};
    unsigned char big[100000] = {0}, small[1000];

    inflater = tc_inflater_create();
    ck_assert_int_eq(tc_inflate(inflater, true, packed.data, packed.len, MAX, 10000, &out), TC_INFLATE_OK);
    out.len = 0;
    ck_assert_int_eq(deflateInit2(&z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), Z_OK);
    deflateSetDictionary(&z, big, 30000);
    z.next_in = big;
    z.avail_in = sizeof(big);
    z.next_out = small;
    z.avail_out = sizeof(small);
    ck_assert_int_eq(deflate(&z, Z_SYNC_FLUSH), Z_OK);
    result = tc_inflate(inflater, true, small, sizeof(small) - z.avail_out - 4, MAX, 200, &out);
    ck_assert_int_eq(result, TC_INFLATE_TOO_BIG);
    deflateEnd(&z);
    tc_inflater_destroy(inflater);
    tc_buf_free(&packed);
    tc_buf_free(&out);
}
END_TEST

START_TEST(what_is_broken_or_cut_short_is_refused)
{
    static const char text[] = "It was a dark and stormy night; the rain fell in torrents, except at occasional intervals.";
    tc_deflater_t *deflater = tc_deflater_create();
    tc_buf_t packed = TC_BUF_INIT, out = TC_BUF_INIT;
    size_t cut;

    inflater = tc_inflater_create();
    ck_assert(tc_deflate(deflater, text, sizeof(text) - 1, &packed));
    for (cut = 1; cut + 1 < packed.len; cut++) { /* without only its last byte, the message may still be complete */
        out.len = 0;
        ck_assert_msg(inflate_bytes(packed.data, cut, false, &out) == TC_INFLATE_BROKEN, "cut at %zu", cut);
    }
    ck_assert_int_eq(inflate_bytes("\xff\xff\xff\xff", 4, false, &out), TC_INFLATE_BROKEN);
    ck_assert_int_eq(inflate_bytes("\x07", 1, false, &out), TC_INFLATE_BROKEN);
    tc_inflater_destroy(inflater);
    tc_deflater_destroy(deflater);
    tc_buf_free(&packed);
    tc_buf_free(&out);
}
END_TEST

START_TEST(random_bytes_do_no_harm)
{
    unit_random_t random = unit_random_of(9);
    int round;

    inflater = tc_inflater_create();
    for (round = 0; round < 20000; round++) {
        unsigned char bytes[64];
        tc_buf_t out = TC_BUF_INIT;
        size_t len = unit_random_below(&random, sizeof(bytes)), i;

        for (i = 0; i < len; i++) {
            bytes[i] = (unsigned char)unit_random_below(&random, 256);
        }
        (void)inflate_bytes(bytes, len, round % 2, &out);
        ck_assert_uint_le(out.len, MAX + 1);
        tc_buf_free(&out);
    }
    tc_inflater_destroy(inflater);
}
END_TEST

/* ---- frames ---- */

START_TEST(a_frame_is_compressed_once_for_all_whose_window_it_fits)
{
    static const tc_deflate_terms_t wide = {15, false}, narrow = {8, false};
    tc_deflater_t *deflater = tc_deflater_create();
    char text[300];
    tc_blob_t *frame, *small, *ping, *long_one;
    char *history = calloc(1, TC_DEFLATE_MOST_BYTES + 1);

    memset(text, 'x', sizeof(text));
    frame = tc_wire_frame(TC_OPCODE_TEXT, text, sizeof(text), 0);
    small = tc_wire_frame(TC_OPCODE_TEXT, text, TC_DEFLATE_MIN_BYTES - 1, 0);
    ping = tc_wire_frame(TC_OPCODE_PING, text, 125, 0);
    ck_assert_ptr_eq(tc_wire_deflated(frame, &narrow, deflater), frame); /* 300 bytes, and the window has 256 */
    ck_assert_ptr_ne(tc_wire_deflated(frame, &wide, deflater), frame);
    ck_assert_ptr_eq(tc_wire_deflated(frame, &wide, deflater), frame->deflated);
    ck_assert_uint_eq(frame->deflated->data[0], 0xc1);
    ck_assert_uint_lt(frame->deflated->len, 30);
    ck_assert_ptr_eq(tc_wire_deflated(small, &wide, deflater), small);
    ck_assert_ptr_eq(tc_wire_deflated(ping, &wide, deflater), ping);
    long_one = tc_wire_frame(TC_OPCODE_TEXT, history, TC_DEFLATE_MOST_BYTES, 0);
    ck_assert_ptr_ne(tc_wire_deflated(long_one, &wide, deflater), long_one);
    tc_blob_unref(long_one);
    long_one = tc_wire_frame(TC_OPCODE_TEXT, history, TC_DEFLATE_MOST_BYTES + 1, 0);
    ck_assert_ptr_eq(tc_wire_deflated(long_one, &wide, deflater), long_one);
    tc_blob_unref(long_one);
    free(history);
    tc_blob_unref(frame);
    tc_blob_unref(small);
    tc_blob_unref(ping);
    tc_deflater_destroy(deflater);
}
END_TEST

UNIT_MAIN("deflate", an_offer_is_answered_with_what_it_allows, what_is_no_offer_of_ours_is_declined,
          the_examples_of_the_rfc_are_read, a_window_lives_on_over_a_final_block,
          a_final_block_may_end_where_a_portion_of_output_ends, without_takeover_nothing_is_remembered,
          what_is_compressed_comes_back, what_gets_no_shorter_is_not_compressed,
          a_bomb_is_found_before_it_costs_more_than_the_bound, a_bomb_made_of_the_window_is_found_as_well,
          what_is_broken_or_cut_short_is_refused, random_bytes_do_no_harm,
          a_frame_is_compressed_once_for_all_whose_window_it_fits)
