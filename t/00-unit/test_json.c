/* JSON in and out. RFC 8259: what it calls JSON is taken, nothing else; doubled keys and depth. */
#include "unit.h"

#include "codec/json.h"

#define DEPTH 16

static tc_json_status_e parse(const char *text, size_t len, json_object **out)
{
    unsigned char *exact = unit_copy(text, len);
    tc_json_status_e status;

    *out = NULL;
    status = tc_json_parse_object((char *)exact, len, DEPTH, out);
    ck_assert((*out != NULL) == (status == TC_JSON_OK));
    free(exact);
    return status;
}

static tc_json_status_e status_of(const char *text, size_t len)
{
    json_object *object;
    tc_json_status_e status = parse(text, len, &object);

    json_object_put(object);
    return status;
}

static void check_all(const char *const *texts, size_t count, tc_json_status_e expected)
{
    size_t i;

    for (i = 0; i < count; i++) {
        ck_assert_msg(status_of(texts[i], strlen(texts[i])) == expected, "%s", texts[i]);
    }
}

START_TEST(objects_of_every_kind_are_taken)
{
    static const char *const texts[] = {
        "{}", "{ }", " {\t}\r\n", "{\"a\":1}", "{\"a\":-0}", "{\"a\":0.5e-7}", "{\"a\":1E+2}",
        "{\"a\":true,\"b\":false,\"c\":null}", "{\"a\":{\"a\":{\"a\":[]}}}", "{\"\":\"\"}",
        "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"}", "{\"a\":\"{\\\":\\\"}[:,]\"}",
        "{\"a\":[1,2,{\"b\":[[]]}]}", "{\"a:b\":1}", "{\"\xc3\xa9\":\"\xf0\x9f\x98\x80\"}",
        "{\"a\":\"\x7f\"}", "{\"a\":\"\\ud83d\\ude00\"}", "{\"a\":99999999999999999999}",
        "{\"a\":{\"b\":1,\"c\":2},\"b\":1,\"c\":{\"a\":1}}",
    };

    check_all(texts, UNIT_COUNT(texts), TC_JSON_OK);
}
END_TEST

START_TEST(what_is_broken_is_refused)
{
    static const char *const texts[] = {
        "", " ", "{", "}", "{]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{,}", "{a:1}", "{\"a\" 1}",
        "{\"a\":1 \"b\":2}", "{\"a\":1}}", "{\"a\":1}{}", "{}x", "{} {}", "{}\v", "{\"a\":[1,]}",
        "{\"a\":[1}", "{\"a\":tru}", "{\"a\":True}", "{\"a\":nulL}", "{\"a\":01}", "{\"a\":.5}",
        "{\"a\":+1}", "{\"a\":-}", "{\"a\":1e}", "{\"a\":0x10}", "{\"a\":1.5.5}", "{\"a\":1 2}",
        "{\"a\":\"\\x\"}", "{\"a\":\"\\u12\"}", "{\"a\":\"b}", "{\"a\":/**/1}", "{\"a\":1}//",
        "\xef\xbb\xbf{}", "nul", "tru", "\"a", "[1,", "-",
    };

    check_all(texts, UNIT_COUNT(texts), TC_JSON_BROKEN);
    ck_assert_int_eq(status_of("{}\0", 3), TC_JSON_BROKEN);
    ck_assert_int_eq(status_of("{\"a\":\0""1}", 8), TC_JSON_BROKEN);
}
END_TEST

START_TEST(what_json_c_alone_would_take_is_refused)
{
    static const char *const texts[] = {
        "{'a':1}",          "{\"a\":'b'}",      "{\"a\":NaN}",   "{\"a\":Infinity}",
        "{\"a\":-Infinity}", "{\"a\":1.}",       "{\"a\":1.e5}",  "{\"a\":00}",
        "{\"a\":-01}",      "{\"a\":\"\n\"}",   "{\"a\":\"\t\"}", "{\"a\":\"\x01\"}",
    };

    check_all(texts, UNIT_COUNT(texts), TC_JSON_BROKEN);
}
END_TEST

START_TEST(a_value_that_is_no_object_is_told_apart)
{
    static const char *const texts[] = {"[]",   "[{}]", "1",   "-1.5e3",  "\"a\"", "true",
                                        "null", " [] ", " 1 ", "\"{}\""};

    check_all(texts, UNIT_COUNT(texts), TC_JSON_NOT_OBJECT);
}
END_TEST

START_TEST(a_text_cut_anywhere_is_broken)
{
    static const char text[] = "{\"type\":\"chat_message\",\"n\":[1,-2.5e3,true,null,{\"a\":\"\\u00e9\"}]}";
    size_t len;

    for (len = 0; len < strlen(text); len++) {
        ck_assert_msg(status_of(text, len) == TC_JSON_BROKEN, "cut at %zu", len);
    }
    ck_assert_int_eq(status_of(text, len), TC_JSON_OK);
}
END_TEST

START_TEST(a_key_twice_in_the_outer_object_is_refused)
{
    static const char *const doubled[] = {
        "{\"a\":1,\"a\":1}",
        "{\"a\":1,\"b\":{},\"a\":2}",
        "{\"a\":1,\"\\u0061\":2}",
        "{\"a\":\"\\\"\",\"a\":\"\\\\\"}",
        "{\"a\":null,\"a\":null}",
    };
    static const char *const fine[] = {
        "{\"a\":{\"a\":1}}",
        "{\"a\":[{\"a\":1},{\"a\":2}],\"b\":1}",
        "{\"a\":\"a\",\"A\":\"a\"}",
        "{\"a\":\"\\\",\\\"a\\\":1\"}",
    };

    check_all(doubled, UNIT_COUNT(doubled), TC_JSON_DOUBLED);
    check_all(fine, UNIT_COUNT(fine), TC_JSON_OK);
}
END_TEST

/* json-c ends a key at its NUL: "type\u0000" would be the field "type". */
START_TEST(a_nul_in_a_key_is_refused_and_in_a_value_taken)
{
    static const char *const broken[] = {
        "{\"\\u0000\":1}",
        "{\"a\\u0000b\":1}",
        "{\"a\":{\"\\\\\\u0000\" :1}}",
        "{\"a\":[{},{\"b\":\"\",\"c\\\"\\u0000\"\n:1}]}",
    };
    static const char *const fine[] = {
        "{\"a\":\"\\u0000\"}",
        "{\"a\":\"\\u0000\",\"b\":\"\"}",
        "{\"\\\\u0000\":1}",
        "{\"\\u00010000\":1}",
    };

    check_all(broken, UNIT_COUNT(broken), TC_JSON_BROKEN);
    check_all(fine, UNIT_COUNT(fine), TC_JSON_OK);
}
END_TEST

/* {"a":[[ … ]]} of so many levels, the object counted. */
static void nest(tc_buf_t *buf, int levels)
{
    int i;

    TC_BUF_LIT(buf, "{\"a\":");
    for (i = 1; i < levels; i++) {
        TC_BUF_LIT(buf, "[");
    }
    for (i = 1; i < levels; i++) {
        TC_BUF_LIT(buf, "]");
    }
    TC_BUF_LIT(buf, "}");
}

START_TEST(nesting_is_bounded)
{
    static const int deep[] = {DEPTH + 1, DEPTH + 2, 100, 100000};
    tc_buf_t buf = TC_BUF_INIT;
    size_t i;

    nest(&buf, DEPTH);
    ck_assert_int_eq(status_of((char *)buf.data, buf.len), TC_JSON_OK);
    for (i = 0; i < UNIT_COUNT(deep); i++) {
        buf.len = 0;
        nest(&buf, deep[i]);
        ck_assert_int_eq(status_of((char *)buf.data, buf.len), TC_JSON_TOO_DEEP);
    }
    tc_buf_free(&buf);
}
END_TEST

START_TEST(a_string_member_is_told_from_one_that_is_missing_or_no_string)
{
    static const char text[] = "{\"s\":\"x\\u0000y\",\"n\":1,\"z\":null,\"e\":\"\"}";
    json_object *object;
    bool present;
    size_t len = 99;

    ck_assert_int_eq(parse(text, strlen(text), &object), TC_JSON_OK);
    ck_assert_mem_eq(tc_json_get_string(object, "s", &len, &present), "x\0y", 4);
    ck_assert(present && len == 3);
    ck_assert_str_eq(tc_json_get_string(object, "e", &len, &present), "");
    ck_assert(present && len == 0);
    ck_assert_ptr_null(tc_json_get_string(object, "n", &len, &present));
    ck_assert(present);
    ck_assert_ptr_null(tc_json_get_string(object, "z", &len, &present));
    ck_assert(!present);
    ck_assert_ptr_null(tc_json_get_string(object, "missing", &len, &present));
    ck_assert(!present);
    json_object_put(object);
}
END_TEST

START_TEST(every_string_that_is_written_is_read_the_same)
{
    unsigned first, second;

    for (first = 0; first < 128; first++) {
        for (second = 0; second < 128; second++) {
            char text[] = {'a', (char)first, (char)second, 'z'};
            tc_buf_t buf = TC_BUF_INIT;
            json_object *object;
            bool present;
            const char *got;
            size_t len, i;

            TC_BUF_LIT(&buf, "{\"s\":");
            tc_json_append_string(&buf, text, sizeof(text));
            TC_BUF_LIT(&buf, "}");
            for (i = 0; i < buf.len; i++) {
                ck_assert_uint_ge(buf.data[i], 0x20);
            }
            ck_assert_int_eq(parse((char *)buf.data, buf.len, &object), TC_JSON_OK);
            got = tc_json_get_string(object, "s", &len, &present);
            ck_assert_uint_eq(len, sizeof(text));
            ck_assert_mem_eq(got, text, len);
            json_object_put(object);
            tc_buf_free(&buf);
        }
    }
}
END_TEST

START_TEST(strings_are_escaped_as_short_as_json_can)
{
    tc_buf_t buf = TC_BUF_INIT;

    tc_json_append_string(&buf, "\"\\/\b\f\n\r\t\x01\x1f\x7f\xc3\xa9", 13);
    tc_json_append_str(&buf, "");
    tc_json_append_str(&buf, NULL);
    tc_buf_append(&buf, "", 1);
    ck_assert_str_eq((char *)buf.data,
                     "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa9\"\"\"null");
    tc_buf_free(&buf);
}
END_TEST

UNIT_MAIN("json", objects_of_every_kind_are_taken, what_is_broken_is_refused,
          what_json_c_alone_would_take_is_refused, a_value_that_is_no_object_is_told_apart,
          a_text_cut_anywhere_is_broken, a_key_twice_in_the_outer_object_is_refused,
          a_nul_in_a_key_is_refused_and_in_a_value_taken, nesting_is_bounded, a_string_member_is_told_from_one_that_is_missing_or_no_string,
          every_string_that_is_written_is_read_the_same,
          strings_are_escaped_as_short_as_json_can)
