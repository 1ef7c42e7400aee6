/* Close codes and payloads. RFC 6455, 5.5.1 and 7.4. */
#include "unit.h"

#include "base/limits.h"
#include "codec/close.h"
#include "codec/utf8.h"

/* The codes that may be sent: RFC 6455, 7.4.1 and 7.4.2, and IANA's registry of 2024. */
static bool may_be_sent(unsigned code)
{
    static const unsigned registered[] = {1000, 1001, 1002, 1003, 1007, 1008,
                                          1009, 1010, 1011, 1012, 1013, 1014};
    size_t i;

    for (i = 0; i < UNIT_COUNT(registered); i++) {
        if (code == registered[i]) {
            return true;
        }
    }
    return code >= 3000 && code < 5000;
}

static unsigned decode(const void *payload, size_t len, unsigned *error)
{
    unsigned char *exact = unit_copy(payload, len);
    unsigned code;

    *error = 0;
    code = tc_close_decode(exact, len, error);
    free(exact);
    return code;
}

START_TEST(every_code_is_taken_or_refused_by_the_registry)
{
    unsigned code, error;

    for (code = 0; code < 65536; code++) {
        unsigned char payload[] = {(unsigned char)(code >> 8), (unsigned char)code};

        ck_assert_msg(tc_close_is_valid_code(code) == may_be_sent(code), "%u", code);
        ck_assert_uint_eq(decode(payload, 2, &error), may_be_sent(code) ? code : 0);
        ck_assert_uint_eq(error, may_be_sent(code) ? 0 : 1002);
    }
    ck_assert(!tc_close_is_valid_code(65536 + 1000));
}
END_TEST

START_TEST(an_empty_payload_has_no_code_and_one_byte_is_none)
{
    unsigned error = 0;

    ck_assert_uint_eq(tc_close_decode(NULL, 0, &error), TC_CLOSE_NONE);
    ck_assert_uint_eq(error, 0);
    ck_assert_uint_eq(decode("\x03", 1, &error), 0);
    ck_assert_uint_eq(error, 1002);
}
END_TEST

START_TEST(a_reason_must_be_whole_utf8)
{
    static const char payload[] = "\x03\xe8h\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";
    static const bool cut_inside[] = {0, 0, 0, 0, 1, 0, 1, 1, 0, 1, 1, 1, 0};
    unsigned error;
    size_t len;

    for (len = 2; len < UNIT_COUNT(cut_inside); len++) {
        ck_assert_uint_eq(decode(payload, len, &error), cut_inside[len] ? 0 : 1000);
        ck_assert_uint_eq(error, cut_inside[len] ? 1007 : 0);
    }
    ck_assert_uint_eq(decode("\x03\xe8\xff", 3, &error), 0);
    ck_assert_uint_eq(error, 1007);
    ck_assert_uint_eq(decode("\x03\xed\xff", 3, &error), 0);
    ck_assert_uint_eq(error, 1002);
}
END_TEST

START_TEST(a_close_is_its_code_and_its_reason)
{
    unsigned char out[TC_CONTROL_MAX_BYTES];

    ck_assert_uint_eq(tc_close_encode(TC_CLOSE_NORMAL, NULL, out), 2);
    ck_assert_mem_eq(out, "\x03\xe8", 2);
    ck_assert_uint_eq(tc_close_encode(TC_CLOSE_FORBIDDEN, "Forbidden", out), 11);
    ck_assert_mem_eq(out, "\x0f\xa3" "Forbidden", 11);
    ck_assert_uint_eq(tc_close_encode(TC_CLOSE_NORMAL, "", out), 2);
    ck_assert_uint_eq(tc_close_encode(TC_CLOSE_NONE, "not sent", out), 0);
}
END_TEST

/* Tries characters of every length, at every offset from the limit. */
START_TEST(a_long_reason_is_cut_between_characters)
{
    static const char *const characters[] = {"x", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    size_t kind, shift, len;

    for (kind = 0; kind < UNIT_COUNT(characters); kind++) {
        for (shift = 0; shift < 8; shift++) {
            unsigned char *out = malloc(TC_CONTROL_MAX_BYTES);
            char reason[200] = "";
            unsigned error = 0;

            memset(reason, 'a', shift);
            while (strlen(reason) < 150) {
                strcat(reason, characters[kind]);
            }
            len = tc_close_encode(TC_CLOSE_NORMAL, reason, out);
            ck_assert_uint_le(len, TC_CONTROL_MAX_BYTES);
            ck_assert_uint_gt(len + strlen(characters[kind]), TC_CONTROL_MAX_BYTES);
            ck_assert_mem_eq(out + 2, reason, len - 2);
            ck_assert_uint_eq(tc_close_decode(out, len, &error), 1000);
            free(out);
        }
    }
}
END_TEST

START_TEST(a_reason_that_just_fits_is_whole)
{
    unsigned char out[TC_CONTROL_MAX_BYTES];
    char reason[TC_CONTROL_MAX_BYTES];

    memset(reason, 'r', 123);
    reason[123] = '\0';
    ck_assert_uint_eq(tc_close_encode(TC_CLOSE_TRY_LATER, reason, out), 125);
    ck_assert_mem_eq(out + 2, reason, 123);
}
END_TEST

UNIT_MAIN("close", every_code_is_taken_or_refused_by_the_registry,
          an_empty_payload_has_no_code_and_one_byte_is_none, a_reason_must_be_whole_utf8,
          a_close_is_its_code_and_its_reason, a_long_reason_is_cut_between_characters,
          a_reason_that_just_fits_is_whole)
