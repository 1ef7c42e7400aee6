/* The line of a connection log, with any names in it. */
#include "unit.h"

#include "shared/usage.h"

#include <string.h>

static const tc_usage_t usage = {
    .began_us = 1000000,
    .messages_in = 1,
    .messages_out = 2,
    .bytes_in = 3,
    .bytes_out = UINT64_C(5000000000),
    .close_code = 1000,
    .address = "192.0.2.7",
};

static const tc_usage_subject_t subject = {
    .site = "chat.example.org:443", .over = "websocket", .user_id = "7", .child = 4711, .id = 17, .is_tls = true,
};

static void expect(const tc_usage_t *what, const tc_usage_subject_t *who, const char *expected)
{
    tc_buf_t line = TC_BUF_INIT;

    tc_usage_encode(what, who, INT64_C(1705314600123456), 3500000, &line);
    tc_buf_append(&line, "", 1);
    ck_assert_str_eq((const char *)line.data, expected);
    tc_buf_free(&line);
}

START_TEST(a_line_says_who_it_was_and_what_it_did)
{
    expect(&usage, &subject,
           "2024-01-15T10:30:00.123456Z site=chat.example.org:443 child=4711 connection=17 address=192.0.2.7 user=7 "
           "trip=- over=websocket tls=yes relayed=no seconds=2.500 messages_in=1 messages_out=2 bytes_in=3 "
           "bytes_out=5000000000 close=1000 by=server\n");
}
END_TEST

START_TEST(who_went_without_a_close_did_so_himself)
{
    tc_usage_t gone = usage;
    tc_buf_t line = TC_BUF_INIT;

    gone.close_code = 0;
    gone.trip = "12:k\xc3\xb6ln";
    tc_usage_encode(&gone, &subject, 0, 0, &line);
    tc_buf_append(&line, "", 1);
    ck_assert_ptr_nonnull(strstr((const char *)line.data, " trip=12:k%C3%B6ln "));
    ck_assert_ptr_nonnull(strstr((const char *)line.data, " close=1006 by=client\n"));
    tc_buf_free(&line);
}
END_TEST

START_TEST(no_name_can_break_a_line)
{
    static const struct {
        const char *name;
        const char *written;
    } names[] = {
        {"", "-"},
        {"a b", "a%20b"},
        {"x\ny=z\"%", "x%0Ay%3Dz%22%25"},
        {"\xc3\xa4\x7f\x01", "%C3%A4%7F%01"},
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(names); i++) {
        tc_usage_subject_t named = subject;
        tc_buf_t line = TC_BUF_INIT, expected = TC_BUF_INIT;

        named.user_id = names[i].name;
        tc_usage_encode(&usage, &named, 0, 0, &line);
        tc_buf_append(&line, "", 1);
        unit_append_text(&expected, " user=%s trip=", names[i].written);
        ck_assert_ptr_nonnull(strstr((const char *)line.data, (const char *)expected.data));
        ck_assert_ptr_eq(strchr((const char *)line.data, '\n'), line.data + line.len - 2);
        tc_buf_free(&line);
        tc_buf_free(&expected);
    }
}
END_TEST

UNIT_MAIN("usage", a_line_says_who_it_was_and_what_it_did, who_went_without_a_close_did_so_himself,
          no_name_can_break_a_line)
