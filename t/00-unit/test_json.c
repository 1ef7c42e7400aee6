/* Reading and writing JSON. Texts that RFC 8259 calls JSON are accepted, and no others. Also: equal keys, and depth. */
#include "unit.h"

#include "codec/json.h"

#define DEPTH 16
#define VALUES 100000

static tc_json_status_e parse(const char *text, size_t len, json_object **out)
{
    unsigned char *exact = unit_copy(text, len);
    tc_json_status_e status;

    *out = NULL;
    status = tc_json_parse_object((char *)exact, len, DEPTH, VALUES, out);
    ck_assert((*out != NULL) == (status == TC_JSON_OK));
    free(exact);
    return status;
}

static tc_json_status_e status_of(const char *text, size_t len)
{
    json_object *object;
    tc_json_status_e status = parse(text, len, &object);

    tc_json_free(object);
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
        "{\"a\":\"\x7f\"}", "{\"a\":\"\\ud83d\\ude00\"}",
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

/* ---- texts that only some releases of json-c accept, kind by kind ---- */

/* Checks a value both as a member of an object and in a list. */
static void check_value(const char *value, tc_json_status_e expected)
{
    static const char *const around[][2] = {{"{\"a\":", "}"}, {"{\"a\":[", "]}"}, {"{\"b\":[1,{\"a\" : ", " ,\"c\":2}]}"}};
    size_t i;

    for (i = 0; i < UNIT_COUNT(around); i++) {
        tc_buf_t buf = TC_BUF_INIT;

        unit_append_text(&buf, "%s%s%s", around[i][0], value, around[i][1]);
        ck_assert_msg(status_of((char *)buf.data, buf.len) == expected, "%s in %s", value, around[i][0]);
        tc_buf_free(&buf);
    }
}

static void check_values(const char *const *values, size_t count, tc_json_status_e expected)
{
    size_t i;

    for (i = 0; i < count; i++) {
        check_value(values[i], expected);
    }
}

START_TEST(comments_are_refused)
{
    static const char *const texts[] = {
        "/**/{}", "{/**/}", "{}/**/", "//\n{}", "{//\n}", "{}//", "{\"a\"/**/:1}", "{\"a\":/**/1}", "{\"a\":1/**/}",
        "{\"a\":1,/**/\"b\":2}", "{\"a\":[/**/]}", "{\"a\":[1,//\n2]}", "#\n{}", "{\"a\":1/", "/",
    };

    check_all(texts, UNIT_COUNT(texts), TC_JSON_BROKEN);
    check_value("\"/**/ // #\"", TC_JSON_OK);
}
END_TEST

START_TEST(only_double_quotes_make_a_string_and_only_a_string_is_a_key)
{
    static const char *const texts[] = {
        "{'a':1}", "{'a\":1}", "{\"a':1}", "{a:1}", "{1:1}", "{null:1}", "{true:1}", "{[]:1}", "{{}:1}", "{-1:1}", "{ a:1}",
        "{\"b\":1,a:1}", "{\"b\":1,'a':1}", "{$a:1}", "{`a`:1}",
    };
    static const char *const values[] = {"'b'", "''", "'b\"", "`b`", "b", "\xe2\x80\x9c\x62\xe2\x80\x9d"};

    check_all(texts, UNIT_COUNT(texts), TC_JSON_BROKEN);
    check_values(values, UNIT_COUNT(values), TC_JSON_BROKEN);
}
END_TEST

START_TEST(a_word_is_one_of_three_in_small_letters)
{
    static const char *const values[] = {
        "NaN", "nan", "NAN", "-NaN", "+NaN", "Infinity", "infinity", "-Infinity", "-infinity", "+Infinity", "INFINITY", "inf",
        "True", "TRUE", "tRue", "truE", "False", "FALSE", "fALSE", "Null", "NULL", "nULL", "nulL", "tru", "fals", "nul", "t",
        "truee", "true1", "nulltrue", "truefalse", "undefined", "None", "yes", "true true",
    };

    check_values(values, UNIT_COUNT(values), TC_JSON_BROKEN);
}
END_TEST

START_TEST(a_number_has_the_form_of_the_rfc)
{
    static const char *const values[] = {
        "00", "01", "-01", "-00", "00.1", "01e1", "1.", "-1.", "1.e5", ".5", "-.5", "+1", "+0", "--1", "-+1", "-", "-e1", "- 1",
        "1e", "1E", "1e+", "1e-", "1e+-1", "1e1.5", "1ee1", "e1", "1.5.5", "1..5", "1-1", "1+1", "1e1e1", "1-", "0x10", "0X1",
        "0b1", "0o7", "1_000", "1,5e", "1 000", "1f", "1L", "1n", "1/2", "\xd9\xa1",
    };

    check_values(values, UNIT_COUNT(values), TC_JSON_BROKEN);
}
END_TEST

/* json-c 0.17 and later refuse large integers in strict mode. */
START_TEST(a_number_may_be_as_large_and_as_small_as_its_type)
{
    static const char *const values[] = {
        "9223372036854775807", "-9223372036854775808", "1e-400",
        "0.0000000000000000000000000000000000000000000000000000000000001", "-0", "-0.0", "0e0", "1E+2", "0.5e-7",
        "123456789012345678901234567890.123456789012345678901234567890e-10",
    };

    check_values(values, UNIT_COUNT(values), TC_JSON_OK);
}
END_TEST

START_TEST(commas_stand_between_values_and_nowhere_else)
{
    static const char *const texts[] = {
        "{,}", "{\"a\":1,}", "{\"a\":1, }", "{,\"a\":1}", "{\"a\":1,,\"b\":2}", "{\"a\":1 \"b\":2}", "{\"a\":1\"b\":2}",
        "{\"a\":1;\"b\":2}", "{\"a\":1}, ", ",{}", "{\"a\":[1}}", "{\"a\":1]", "{\"a\":{]}", "{\"a\":[}", "[{\"a\":1]}",
    };
    static const char *const values[] = {"[1,]", "[1, ]", "[,]", "[,1]", "[1,,2]", "[1 2]", "[\"a\"\"b\"]", "[[],]", "[[][]]",
                                         "[{},]", "{\"b\":{},}", "[{}{}]", "[1;2]"};

    check_all(texts, UNIT_COUNT(texts), TC_JSON_BROKEN);
    check_values(values, UNIT_COUNT(values), TC_JSON_BROKEN);
}
END_TEST

START_TEST(a_colon_stands_between_key_and_value_and_nowhere_else)
{
    static const char *const texts[] = {
        "{\"a\"}", "{\"a\" 1}", "{\"a\"1}", "{\"a\":}", "{\"a\"::1}", "{:1}", "{:}", "{\"a\":1:2}", "{\"a\",1}", "{\"a\"=1}",
        "{\"a\":,\"b\":1}", "{\"a\":1,\"b\"}", "{\"a\"", "{\"a\" :", "[\"a\":1]", "\"a\":1", "{\"a\"=>1}", "{\"a\":[\"b\":1]}",
    };

    check_all(texts, UNIT_COUNT(texts), TC_JSON_BROKEN);
}
END_TEST

START_TEST(a_control_character_stands_in_no_string_and_only_four_of_them_are_space)
{
    int c;

    for (c = 0; c < 0x20; c++) {
        bool space = c == ' ' || c == '\t' || c == '\n' || c == '\r';
        const char inside[] = {'{', '"', 'a', '"', ':', '"', 'b', (char)c, '"', '}'};
        const char in_key[] = {'{', '"', (char)c, '"', ':', '1', '}'};
        const char between[] = {'{', (char)c, '"', 'a', '"', (char)c, ':', (char)c, '1', (char)c, '}', (char)c};

        ck_assert_int_eq(status_of(inside, sizeof(inside)), TC_JSON_BROKEN);
        ck_assert_int_eq(status_of(in_key, sizeof(in_key)), TC_JSON_BROKEN);
        ck_assert_int_eq(status_of(between, sizeof(between)), space ? TC_JSON_OK : TC_JSON_BROKEN);
    }
    /* Spaces of Unicode and the byte order mark are not white space in JSON. */
    ck_assert_int_eq(status_of("{\xc2\xa0}", 4), TC_JSON_BROKEN);
    ck_assert_int_eq(status_of("\xef\xbb\xbf{}", 5), TC_JSON_BROKEN);
    ck_assert_int_eq(status_of("{}\xe2\x80\xa8", 5), TC_JSON_BROKEN);
    check_value("\"\x7f\xc2\x80\xe2\x80\xa8\"", TC_JSON_OK);
}
END_TEST

START_TEST(an_escape_is_one_of_nine)
{
    static const char *const values[] = {
        "\"\\x41\"", "\"\\a\"", "\"\\v\"", "\"\\0\"", "\"\\'\"", "\"\\N\"", "\"\\U0041\"", "\"\\u\"", "\"\\u00\"", "\"\\u004\"",
        "\"\\u004g\"", "\"\\u 041\"", "\"\\u+041\"", "\"\\u{41}\"", "\"\\\n\"", "\"\\", "\"\\\"", "\"\\\xc3\xa9\"",
    };
    static const char *const fine[] = {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\u00e9\\u00E9\"", "\"\\ud83d\\ude00\"", "\"\\\\\"",
                                       "\"\\u0000\"", "\"\\ud7ff\\ue000\\udbff\\udfff\\ud800\\udc00\""};

    check_values(values, UNIT_COUNT(values), TC_JSON_BROKEN);
    check_values(fine, UNIT_COUNT(fine), TC_JSON_OK);
}
END_TEST

/* Half of a surrogate pair is no character (RFC 8259, 8.2). json-c would make another one of it. */
START_TEST(half_of_a_surrogate_pair_is_refused)
{
    static const char *const halves[] = {
        "\"\\ud83d\"", "\"\\ude00\"", "\"\\ude00\\ud83d\"", "\"\\ud83dx\"", "\"\\ud83d\\ud83d\\ude00\"", "\"\\ud83d\\n\\ude00\"",
        "\"\\ud83d\\u0041\"", "\"\\uDBFF\"", "\"\\uDC00\"", "\"\\ud83d\\ude0\"", "\"\\ud83d\\\"", "\"\\ud83dude00\"",
        "{\"\\ud83d\":1}", "{\"a\\ude00\":1}", "{\"\\ud83d\\ud83d\":1}",
    };

    check_values(halves, UNIT_COUNT(halves), TC_JSON_BROKEN);
}
END_TEST

/* json-c makes the greatest number, or infinity, of what has no place. */
START_TEST(a_number_that_would_become_another_is_refused)
{
    static const char *const out[] = {
        "9223372036854775808", "-9223372036854775809", "18446744073709551615", "99999999999999999999", "1e309", "1e400",
        "18446744073709551616", "-99999999999999999999", "1000000000000000000000000000000000000000000000000000000000000",
        "-1e309",
        "1e999", "1e99999999999999999999", "2e308", "1.8e308", "0.00001e314", "100000e304", "123456789e301", "1.7977e308",
    };
    static const char *const fine[] = {
        "9223372036854775807", "-9223372036854775808", "1e308", "1.7969e308", "-1.7e308", "0e999", "0.0e99999999999", "1e-999",
        "0.000001e314", "99999999999999999999.0", "1e19", "1e-99999999999999999999", "179690000e300", "-0", "0.1e1",
    };

    check_values(out, UNIT_COUNT(out), TC_JSON_BROKEN);
    check_values(fine, UNIT_COUNT(fine), TC_JSON_OK);
}
END_TEST

/* Names, values, arrays and objects count, also where an apostrophe would mislead a parser that takes it for a quote. */
START_TEST(a_text_with_too_many_values_is_refused_before_it_is_built)
{
    static const struct {
        const char *text;
        size_t values;
    } cases[] = {
        {"{}", 1}, {"{\"a\":1}", 3}, {"{\"a\":[]}", 3}, {"{\"a\":[1,\"b\",null,{}]}", 7}, {"{\"a[,{\":\"[,{\"}", 3},
        {"{\"'\":[{},{},{}]}", 6},
    };
    json_object *object = NULL;
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        const char *text = cases[i].text;

        ck_assert_int_eq(tc_json_parse_object(text, strlen(text), DEPTH, cases[i].values - 1, &object), TC_JSON_TOO_MANY);
        ck_assert_int_eq(tc_json_parse_object(text, strlen(text), DEPTH, cases[i].values, &object), TC_JSON_OK);
        tc_json_free(object);
    }
    ck_assert_int_eq(tc_json_parse_object("{'\"':[{},{},{}]}", 17, DEPTH, 4, &object), TC_JSON_BROKEN);
}
END_TEST

START_TEST(a_text_is_in_utf8)
{
    static const char *const values[] = {
        "\"\x80\"", "\"\xff\"", "\"\xc3\"", "\"\xe9 \"", "\"\xc0\xaf\"", "\"\xe0\x80\xaf\"", "\"\xed\xa0\x80\"",
        "\"\xf4\x90\x80\x80\"", "\"\xf0\x9f\x98\"", "\"\xf8\x88\x80\x80\x80\"", "{\"\xff\":1}",
    };

    check_values(values, UNIT_COUNT(values), TC_JSON_BROKEN);
}
END_TEST

/* json-c 0.18 refuses all of these in strict mode. */
START_TEST(a_string_may_hold_what_people_write)
{
    static const char *const strings[] = {
        "Gr\xc3\xbc\xc3\x9f\x65", "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82", "\xf0\x9f\x91\x8d",
        "\xe3\x81\x93\xe3\x82\x93\xe3\x81\xab\xe3\x81\xa1\xe3\x81\xaf", "\xc2\x80", "\xf4\x8f\xbf\xbf",
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(strings); i++) {
        tc_buf_t buf = TC_BUF_INIT;
        json_object *object;
        bool present;
        const char *got;
        size_t len;

        unit_append_text(&buf, "{\"%s\":[],\"s\":\"%s\"}", strings[i], strings[i]);
        ck_assert_int_eq(parse((char *)buf.data, buf.len, &object), TC_JSON_OK);
        got = tc_json_get_string(object, "s", &len, &present);
        ck_assert_uint_eq(len, strlen(strings[i]));
        ck_assert_mem_eq(got, strings[i], len);
        ck_assert(json_object_object_get_ex(object, strings[i], NULL));
        tc_json_free(object);
        tc_buf_free(&buf);
    }
}
END_TEST

START_TEST(nothing_follows_the_value)
{
    static const char *const texts[] = {"{}{}", "{} {}", "{}x", "{}}", "{}]", "{},", "{}:", "{}1", "{}\"a\"", "{}null", "{}/", "{};",
                                        "{\"a\":1}}", "[]{}", "1 {}", "1 1", "true{}", "\"\"\"\"", "null,"};

    check_all(texts, UNIT_COUNT(texts), TC_JSON_BROKEN);
    ck_assert_int_eq(status_of("{}\0", 3), TC_JSON_BROKEN);
    ck_assert_int_eq(status_of("{}\0{}", 5), TC_JSON_BROKEN);
    ck_assert_int_eq(status_of("\0{}", 3), TC_JSON_BROKEN);
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

START_TEST(a_key_twice_in_an_object_is_refused)
{
    static const char *const doubled[] = {
        "{\"a\":1,\"a\":1}",
        "{\"a\":1,\"b\":{},\"a\":2}",
        "{\"a\":1,\"\\u0061\":2}",
        "{\"a\":\"\\\"\",\"a\":\"\\\\\"}",
        "{\"a\":null,\"a\":null}",
        "{\"a\":{\"b\":[],\"b\":[]}}",
        "{\"a\":[[{}],[{\"b\":{\"c\":1},\"d\":0,\"b\":1}]]}",
        "{\"\":0,\"b\":1,\"\":2}",
        "{\"\\n\":0,\"\\u000a\":1}",
        "{\"\\/\":0,\"/\":1}",
        "{\"\\u00fc\":0,\"\xc3\xbc\":1}",
        "{\"\\uD83D\\ude00\":0,\"\xf0\x9f\x98\x80\":1}",
        "{\"\xe2\x82\xac\":0,\"\\u20AC\":1}",
    };
    static const char *const fine[] = {
        "{\"a\":{\"a\":1}}",
        "{\"a\":[{\"a\":1},{\"a\":2}],\"b\":1}",
        "{\"a\":\"a\",\"A\":\"a\"}",
        "{\"a\":{\"b\":1},\"c\":{\"b\":1},\"b\":[{\"b\":1},{\"b\":1}]}",
        "{\"ab\":{},\"a\":{\"b\":{}},\"b\":{\"a\":{}}}",
        "{\"\\\\n\":0,\"\\n\":1,\"n\":2}",
        "{\"\\ud83d\\ude00\":0,\"\\ud83d\\ude01\":1}",
        "{\"a\":\"\\\",\\\"a\\\":1\"}",
    };

    check_all(doubled, UNIT_COUNT(doubled), TC_JSON_DOUBLED);
    check_all(fine, UNIT_COUNT(fine), TC_JSON_OK);
}
END_TEST

/* json-c cuts a key at U+0000: "type\u0000" would become the field "type". */
START_TEST(a_nul_or_half_a_pair_in_a_key_is_refused_and_in_a_value_taken)
{
    static const char *const broken[] = {
        "{\"\\u0000\":1}",
        "{\"a\\u0000b\":1}",
        "{\"a\":{\"\\\\\\u0000\" :1}}",
        "{\"\\ud83d\":1}",
        "{\"a\\ude00\":1}",
        "{\"\\ud83d\\n\":1}",
        "{\"\\ud83d\\ud83d\\ude00\":1}",
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

/* Appends {"a":[[ … ]]} with `levels` levels; the object counts. */
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
    static const int deep[] = {DEPTH + 1, DEPTH + 2, 63, 64, 65, 100, 100000};
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

/* Tries objects and arrays at each level, closed by the right bracket and by the wrong one. */
START_TEST(every_bracket_is_closed_by_its_own)
{
    unsigned kinds;
    int level, wrong;

    for (kinds = 0; kinds < 1u << 6; kinds++) {
        for (wrong = -1; wrong < 6; wrong++) {
            tc_buf_t buf = TC_BUF_INIT;

            TC_BUF_LIT(&buf, "{\"a\":");
            for (level = 0; level < 6; level++) {
                tc_buf_append_str(&buf, kinds >> level & 1 ? "{\"b\":" : "[1,");
            }
            TC_BUF_LIT(&buf, "null");
            for (level = 5; level >= 0; level--) {
                tc_buf_append_str(&buf, (kinds >> level & 1) == (level != wrong) ? "}" : "]");
            }
            TC_BUF_LIT(&buf, "}");
            ck_assert_int_eq(status_of((char *)buf.data, buf.len), wrong < 0 ? TC_JSON_OK : TC_JSON_BROKEN);
            tc_buf_free(&buf);
        }
    }
}
END_TEST

START_TEST(an_empty_text_needs_no_memory)
{
    json_object *object = NULL;

    ck_assert_int_eq(tc_json_parse_object(NULL, 0, DEPTH, VALUES, &object), TC_JSON_BROKEN);
    tc_json_free(NULL);
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
    tc_json_free(object);
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
            tc_json_free(object);
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

/* Programs that split text into lines by Unicode's rules must find no line end in our JSON. */
START_TEST(line_separators_of_unicode_are_escaped_and_their_neighbours_are_not)
{
    static const char *const cases[][2] = {
        {"\xc2\x85", "\\u0085"}, {"\xe2\x80\xa8", "\\u2028"}, {"\xe2\x80\xa9", "\\u2029"},
        {"\xc2\x84", NULL}, {"\xc2\x86", NULL}, {"\xc3\x85", NULL}, {"\xe2\x80\xa7", NULL}, {"\xe2\x80\xb0", NULL},
        {"\xe2\x82\xa8", NULL}, {"\xe2\x84\xa8", NULL}, {"\xf0\xa0\x80\xa8", NULL}, {"\xc2", NULL}, {"\xe2", NULL},
        {"\xe2\x80", NULL}, {"\x85", NULL}, {"\xa8", NULL},
    };
    size_t i, before;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        for (before = 0; before < 4; before++) {
            char text[32], wanted[64];
            tc_buf_t buf = TC_BUF_INIT;

            snprintf(text, sizeof(text), "%.*s%s%s", (int)before, "abc", cases[i][0], cases[i][0]);
            snprintf(wanted, sizeof(wanted), "\"%.*s%s%s\"", (int)before, "abc", cases[i][1] ? cases[i][1] : cases[i][0],
                     cases[i][1] ? cases[i][1] : cases[i][0]);
            tc_json_append_str(&buf, text);
            tc_buf_append(&buf, "", 1);
            ck_assert_str_eq((char *)buf.data, wanted);
            tc_buf_free(&buf);
        }
    }
}
END_TEST

UNIT_MAIN("json", objects_of_every_kind_are_taken, what_is_broken_is_refused,
          comments_are_refused, only_double_quotes_make_a_string_and_only_a_string_is_a_key,
          a_word_is_one_of_three_in_small_letters, a_number_has_the_form_of_the_rfc,
          a_number_may_be_as_large_and_as_small_as_its_type, commas_stand_between_values_and_nowhere_else,
          a_colon_stands_between_key_and_value_and_nowhere_else,
          a_control_character_stands_in_no_string_and_only_four_of_them_are_space, an_escape_is_one_of_nine,
          half_of_a_surrogate_pair_is_refused, a_number_that_would_become_another_is_refused,
          a_text_with_too_many_values_is_refused_before_it_is_built,
          a_text_is_in_utf8, a_string_may_hold_what_people_write, nothing_follows_the_value, a_value_that_is_no_object_is_told_apart,
          a_text_cut_anywhere_is_broken, a_key_twice_in_an_object_is_refused,
          a_nul_or_half_a_pair_in_a_key_is_refused_and_in_a_value_taken, nesting_is_bounded, every_bracket_is_closed_by_its_own,
          an_empty_text_needs_no_memory, a_string_member_is_told_from_one_that_is_missing_or_no_string,
          every_string_that_is_written_is_read_the_same,
          strings_are_escaped_as_short_as_json_can, line_separators_of_unicode_are_escaped_and_their_neighbours_are_not)
