/*
 * UTF-8, compared with an oracle that only knows how a code point is encoded (RFC 3629, section 3). A text is a row of
 * such encodings. A beginning is the first part of one.
 */
#include "unit.h"

#include "codec/utf8.h"

#define MAX_CODE_POINT 0x10ffff

/* For one to three bytes, read as a big-endian number: neither, the beginning of a character, or a character. */
enum { NOTHING, BEGINNING, CHARACTER };
static unsigned char *oracle[4];

static bool is_scalar(uint32_t c)
{
    return c <= MAX_CODE_POINT && !(c >= 0xd800 && c <= 0xdfff);
}

static size_t encode(uint32_t c, unsigned char *out)
{
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4, i;

    for (i = len; i-- > 1;) {
        out[i] = (unsigned char)(0x80 | (c & 0x3f));
        c >>= 6;
    }
    out[0] = (unsigned char)(lead[len] | c);
    return len;
}

static void make_oracle(void)
{
    unsigned char bytes[4];
    uint32_t c, prefix;
    size_t len, i;

    for (i = 1; i <= 3; i++) {
        oracle[i] = calloc(1, (size_t)1 << (8 * i));
    }
    for (c = 0; c <= MAX_CODE_POINT; c++) {
        if (!is_scalar(c)) {
            continue;
        }
        len = encode(c, bytes);
        for (prefix = 0, i = 1; i <= len && i <= 3; i++) {
            prefix = prefix << 8 | bytes[i - 1];
            oracle[i][prefix] = i == len ? CHARACTER : BEGINNING;
        }
    }
}

static void free_oracle(void)
{
    size_t i;

    for (i = 1; i <= 3; i++) {
        free(oracle[i]);
    }
}

typedef enum { BROKEN, CUT, WHOLE } verdict_e;

/* The oracle's verdict on at most three bytes. */
static verdict_e judge(const unsigned char *bytes, size_t len)
{
    uint32_t prefix = 0;
    size_t i, have = 0;

    for (i = 0; i < len; i++) {
        prefix = prefix << 8 | bytes[i];
        have++;
        switch (oracle[have][prefix]) {
        case NOTHING:
            return BROKEN;
        case CHARACTER:
            prefix = 0;
            have = 0;
            break;
        default:
            break;
        }
    }
    return have == 0 ? WHOLE : CUT;
}

static verdict_e feed(tc_utf8_t *state, const unsigned char *bytes, size_t len)
{
    if (!tc_utf8_feed(state, bytes, len)) {
        return BROKEN;
    }
    return tc_utf8_is_complete(state) ? WHOLE : CUT;
}

static verdict_e feed_fresh(const unsigned char *bytes, size_t len)
{
    tc_utf8_t state = {0, 0, 0};

    return feed(&state, bytes, len);
}

START_TEST(every_one_two_and_three_bytes_are_judged_as_the_oracle_does)
{
    unsigned char bytes[3];
    uint32_t n;

    make_oracle();
    for (n = 0; n < 1u << 8; n++) {
        bytes[0] = (unsigned char)n;
        ck_assert_msg(feed_fresh(bytes, 1) == judge(bytes, 1), "%02x", n);
    }
    for (n = 0; n < 1u << 16; n++) {
        bytes[0] = (unsigned char)(n >> 8);
        bytes[1] = (unsigned char)n;
        ck_assert_msg(feed_fresh(bytes, 2) == judge(bytes, 2), "%04x", n);
    }
    for (n = 0; n < 1u << 24; n++) {
        bytes[0] = (unsigned char)(n >> 16);
        bytes[1] = (unsigned char)(n >> 8);
        bytes[2] = (unsigned char)n;
        if (feed_fresh(bytes, 3) != judge(bytes, 3)) {
            ck_abort_msg("%06x", n);
        }
    }
    free_oracle();
}
END_TEST

/* The verdict is the same for one piece and for two, wherever the cut is. */
START_TEST(three_bytes_in_pieces_are_judged_as_in_one)
{
    static const unsigned char corners[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf,
                                            0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee,
                                            0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf8, 0xff};
    const size_t n = sizeof(corners);
    size_t at, cut;

    for (at = 0; at < n * n * n; at++) {
        unsigned char bytes[] = {corners[at / n / n], corners[at / n % n], corners[at % n]};
        verdict_e whole = feed_fresh(bytes, 3);

        for (cut = 0; cut <= 3; cut++) {
            tc_utf8_t state = {0, 0, 0};
            verdict_e got = feed(&state, bytes, cut);

            if (got != BROKEN) {
                got = feed(&state, bytes + cut, 3 - cut);
            }
            ck_assert_msg(got == whole, "%02x %02x %02x cut at %zu", bytes[0], bytes[1], bytes[2],
                          cut);
        }
    }
}
END_TEST

START_TEST(every_code_point_is_read_at_every_split)
{
    unsigned char bytes[6];
    uint32_t c;
    size_t cut;

    for (c = 0; c <= MAX_CODE_POINT; c++) {
        size_t len;

        bytes[0] = 'a';
        len = encode(c, bytes + 1) + 1;
        bytes[len++] = 'z';
        for (cut = 0; cut <= len; cut++) {
            tc_utf8_t state = {0, 0, 0};
            bool ok = tc_utf8_feed(&state, bytes, cut)
                      && tc_utf8_feed(&state, bytes + cut, len - cut)
                      && tc_utf8_is_complete(&state);

            if (ok != is_scalar(c)) {
                ck_abort_msg("U+%04X cut at %zu", c, cut);
            }
        }
    }
}
END_TEST

/* The forms of four bytes, with every lead byte and every second byte (RFC 3629, section 4). */
START_TEST(four_byte_forms_follow_the_grammar)
{
    static const unsigned char tails[] = {0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xff};
    unsigned lead, second;
    size_t i, j;

    for (lead = 0xf0; lead <= 0xff; lead++) {
        for (second = 0; second < 256; second++) {
            bool good = (lead == 0xf0 && second >= 0x90 && second <= 0xbf)
                        || (lead >= 0xf1 && lead <= 0xf3 && second >= 0x80 && second <= 0xbf)
                        || (lead == 0xf4 && second >= 0x80 && second <= 0x8f);

            for (i = 0; i < UNIT_COUNT(tails) * UNIT_COUNT(tails); i++) {
                unsigned char bytes[] = {(unsigned char)lead, (unsigned char)second,
                                         tails[i / sizeof(tails)], tails[i % sizeof(tails)]};
                bool all = good;

                for (j = 2; j < 4; j++) {
                    all = all && bytes[j] >= 0x80 && bytes[j] <= 0xbf;
                }
                ck_assert_msg((feed_fresh(bytes, 4) == WHOLE) == all, "%02x %02x %02x %02x",
                              bytes[0], bytes[1], bytes[2], bytes[3]);
            }
        }
    }
}
END_TEST

START_TEST(a_bad_byte_is_found_wherever_it_stands_in_a_long_text)
{
    size_t len, bad, cut;

    for (len = 1; len <= 40; len++) {
        unsigned char *text = malloc(len);

        memset(text, 'x', len);
        ck_assert_int_eq(feed_fresh(text, len), WHOLE);
        for (bad = 0; bad < len; bad++) {
            text[bad] = 0xff;
            for (cut = 0; cut <= len; cut++) {
                tc_utf8_t state = {0, 0, 0};

                ck_assert(tc_utf8_feed(&state, text, cut) == (bad >= cut));
                ck_assert(bad < cut || !tc_utf8_feed(&state, text + cut, len - cut));
            }
            text[bad] = 'x';
        }
        free(text);
    }
}
END_TEST

/* "Fail fast" of RFC 6455, 8.1 and the Autobahn suite's section 6.4. */
START_TEST(a_text_fails_at_the_first_byte_that_cannot_be_right)
{
    static const char text[] = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80";
    tc_utf8_t state = {0, 0, 0};
    size_t i;

    for (i = 0; i < 12; i++) {
        ck_assert(tc_utf8_feed(&state, (const unsigned char *)text + i, 1));
    }
    ck_assert(!tc_utf8_feed(&state, (const unsigned char *)text + 12, 1));
}
END_TEST

START_TEST(code_points_are_counted_not_bytes)
{
    unsigned char bytes[8];
    uint32_t c;

    ck_assert_uint_eq(tc_utf8_count("", 0), 0);
    ck_assert_uint_eq(tc_utf8_count("h\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 10), 4);
    for (c = 0; c <= MAX_CODE_POINT; c++) {
        if (is_scalar(c)) {
            size_t len = encode(c, bytes);

            len += encode(c, bytes + len);
            if (tc_utf8_count((char *)bytes, len) != 2) {
                ck_abort_msg("U+%04X", c);
            }
        }
    }
}
END_TEST

START_TEST(a_prefix_ends_between_two_code_points)
{
    static const char text[] = "h\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z";
    static const size_t ends[] = {0, 1, 3, 6, 10, 11, 11, 11};
    size_t chars, len;

    for (chars = 0; chars < UNIT_COUNT(ends); chars++) {
        for (len = 0; len <= sizeof(text) - 1; len++) {
            unsigned char *exact = unit_copy(text, len);

            ck_assert_uint_eq(tc_utf8_prefix((char *)exact, len, chars), ends[chars] < len ? ends[chars] : len);
            free(exact);
        }
    }
}
END_TEST

/* White_Space of Unicode's PropList.txt, and the four separators that Python's strip() removes as well. */
static bool is_white(uint32_t c)
{
    static const uint32_t white[] = {0x20, 0x85, 0xa0, 0x1680, 0x2028, 0x2029, 0x202f, 0x205f,
                                     0x3000, 0x1c, 0x1d, 0x1e, 0x1f};
    size_t i;

    for (i = 0; i < UNIT_COUNT(white); i++) {
        if (c == white[i]) {
            return true;
        }
    }
    return (c >= 0x09 && c <= 0x0d) || (c >= 0x2000 && c <= 0x200a);
}

START_TEST(white_space_alone_is_blank_and_nothing_else_is)
{
    unsigned char bytes[9];
    uint32_t c;

    ck_assert(tc_utf8_is_blank("", 0));
    for (c = 0; c <= MAX_CODE_POINT; c++) {
        if (is_scalar(c)) {
            size_t len = encode(c, bytes);
            unsigned char *exact;

            bytes[len++] = ' ';
            len += encode(c, bytes + len);
            if (tc_utf8_is_blank((char *)bytes, len) != is_white(c)) {
                ck_abort_msg("U+%04X", c);
            }
            if (c % 0x1000 == 0) {
                exact = unit_copy(bytes, len);
                ck_assert(tc_utf8_is_blank((char *)exact, len) == is_white(c));
                free(exact);
            }
        }
    }
}
END_TEST

UNIT_MAIN("utf8", every_one_two_and_three_bytes_are_judged_as_the_oracle_does,
          three_bytes_in_pieces_are_judged_as_in_one, every_code_point_is_read_at_every_split,
          four_byte_forms_follow_the_grammar,
          a_bad_byte_is_found_wherever_it_stands_in_a_long_text,
          a_text_fails_at_the_first_byte_that_cannot_be_right, code_points_are_counted_not_bytes,
          a_prefix_ends_between_two_code_points,
          white_space_alone_is_blank_and_nothing_else_is)
