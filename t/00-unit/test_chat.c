/* The chat's JSON: the validation of clients' messages, and the bytes of the server's messages. */
#include "unit.h"

#include "base/limits.h"
#include "codec/chat.h"
#include "codec/json.h"

#define UUID "550e8400-e29b-41d4-a716-446655440000"

static const char *const types[] = {"text", "image", "file", "location", NULL};
static const tc_chat_rules_t rules = {.max_content_chars = 10, .message_types = types};

static tc_chat_error_e decode(const char *text, size_t len, tc_chat_in_t *in)
{
    unsigned char *exact = unit_copy(text, len);
    tc_chat_error_e error = tc_chat_decode((char *)exact, len, &rules, in);

    free(exact);
    return error;
}

/* Checks the error that a client gets for a text: its code, and the field if the error names one. */
static void expect_error(const char *text, tc_chat_error_e expected, const char *field)
{
    tc_chat_in_t in;
    tc_chat_error_e error = decode(text, strlen(text), &in);

    ck_assert_msg(error == expected, "%s: %s", text, tc_chat_error_code(error));
    ck_assert_pstr_eq(in.bad_field, field);
    tc_chat_in_free(&in);
}

START_TEST(a_message_is_read_with_all_its_fields)
{
    static const char text[] = "{\"type\":\"chat_message\",\"content\":\"h\\u00e9 \\\"x\\\"\","
                               "\"message_type\":\"image\",\"reply_to\":\"" UUID "\","
                               "\"client_id\":\"c-1\",\"more\":[1,{}]}";
    tc_chat_in_t in;
    tc_uuid_t id;

    ck_assert_int_eq(decode(text, strlen(text), &in), TC_CHAT_OK);
    ck_assert(tc_uuid_parse(UUID, TC_UUID_CHARS, &id));
    ck_assert_int_eq(in.kind, TC_CHAT_IN_MESSAGE);
    ck_assert_str_eq(in.content, "h\xc3\xa9 \"x\"");
    ck_assert_uint_eq(in.content_len, 7);
    ck_assert_ptr_eq(in.message_type, types[1]);
    ck_assert(in.has_reply && tc_uuid_equal(&in.reply_to, &id));
    ck_assert_str_eq(in.client_id, "c-1");
    tc_chat_in_free(&in);
}
END_TEST

START_TEST(what_a_message_may_leave_out_has_defaults)
{
    static const char *const texts[] = {
        "{\"type\":\"chat_message\",\"content\":\"hi\"}",
        "{\"type\":\"chat_message\",\"content\":\"hi\",\"message_type\":null,\"reply_to\":null,"
        "\"client_id\":null}",
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(texts); i++) {
        tc_chat_in_t in;

        ck_assert_int_eq(decode(texts[i], strlen(texts[i]), &in), TC_CHAT_OK);
        ck_assert_str_eq(in.message_type, "text");
        ck_assert(!in.has_reply);
        ck_assert_ptr_null(in.client_id);
        tc_chat_in_free(&in);
    }
}
END_TEST

START_TEST(an_edit_and_a_typing_are_read)
{
    static const char edit[] = "{\"type\":\"edit_message\",\"message_id\":\"" UUID "\","
                               "\"content\":\"new\",\"client_id\":\"e\"}";
    static const char typing[] = "{\"type\":\"typing\",\"is_typing\":true}";
    static const char stopped[] = "{\"type\":\"typing\",\"is_typing\":false}";
    char id[TC_UUID_CHARS + 1];
    tc_chat_in_t in;

    ck_assert_int_eq(decode(edit, strlen(edit), &in), TC_CHAT_OK);
    ck_assert_int_eq(in.kind, TC_CHAT_IN_EDIT);
    tc_uuid_format(&in.message_id, id);
    ck_assert_str_eq(id, UUID);
    ck_assert_str_eq(in.content, "new");
    ck_assert_str_eq(in.client_id, "e");
    tc_chat_in_free(&in);
    ck_assert_int_eq(decode(typing, strlen(typing), &in), TC_CHAT_OK);
    ck_assert(in.kind == TC_CHAT_IN_TYPING && in.is_typing);
    tc_chat_in_free(&in);
    ck_assert_int_eq(decode(stopped, strlen(stopped), &in), TC_CHAT_OK);
    ck_assert(in.kind == TC_CHAT_IN_TYPING && !in.is_typing);
    tc_chat_in_free(&in);
}
END_TEST

START_TEST(what_is_no_message_gets_its_code)
{
    static const struct {
        const char *text;
        tc_chat_error_e error;
    } cases[] = {
        {"", TC_CHAT_INVALID_JSON},
        {"hello", TC_CHAT_INVALID_JSON},
        {"{\"type\":\"typing\"", TC_CHAT_INVALID_JSON},
        {"{\"type\":\"typing\",\"type\":\"typing\",\"is_typing\":true}", TC_CHAT_INVALID_JSON},
        {"[]", TC_CHAT_INVALID_MESSAGE},
        {"null", TC_CHAT_INVALID_MESSAGE},
        {"{}", TC_CHAT_INVALID_MESSAGE},
        {"{\"type\":null}", TC_CHAT_INVALID_MESSAGE},
        {"{\"type\":1}", TC_CHAT_INVALID_MESSAGE},
        {"{\"type\":\"\"}", TC_CHAT_UNKNOWN_TYPE},
        {"{\"type\":\"chat_messages\"}", TC_CHAT_UNKNOWN_TYPE},
        {"{\"type\":\"chat_messag\"}", TC_CHAT_UNKNOWN_TYPE},
        {"{\"type\":\"CHAT_MESSAGE\"}", TC_CHAT_UNKNOWN_TYPE},
        {"{\"type\":\"typing\\u0000\",\"is_typing\":true}", TC_CHAT_UNKNOWN_TYPE},
        {"{\"a\":[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]}", TC_CHAT_TOO_DEEP},
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        expect_error(cases[i].text, cases[i].error, NULL);
    }
}
END_TEST

START_TEST(a_field_of_the_wrong_form_is_named)
{
    static const struct {
        const char *text;
        const char *field;
    } cases[] = {
        {"{\"type\":\"chat_message\"}", "content"},
        {"{\"type\":\"chat_message\",\"content\":null}", "content"},
        {"{\"type\":\"chat_message\",\"content\":7}", "content"},
        {"{\"type\":\"chat_message\",\"content\":\"a\\u0000b\"}", "content"},
        {"{\"type\":\"chat_message\",\"content\":\"a\",\"message_type\":7}", "message_type"},
        {"{\"type\":\"chat_message\",\"content\":\"a\",\"reply_to\":\"x\"}", "reply_to"},
        {"{\"type\":\"chat_message\",\"content\":\"a\",\"reply_to\":\"\"}", "reply_to"},
        {"{\"type\":\"chat_message\",\"content\":\"a\",\"reply_to\":5}", "reply_to"},
        {"{\"type\":\"chat_message\",\"content\":\"a\",\"reply_to\":\"" UUID "0\"}", "reply_to"},
        {"{\"type\":\"chat_message\",\"content\":\"a\",\"client_id\":\"\"}", "client_id"},
        {"{\"type\":\"chat_message\",\"content\":\"a\",\"client_id\":1}", "client_id"},
        {"{\"type\":\"chat_message\",\"content\":\"a\",\"client_id\":\"a\\u0000\"}", "client_id"},
        {"{\"type\":\"typing\",\"is_typing\":true,\"client_id\":[]}", "client_id"},
        {"{\"type\":\"edit_message\",\"content\":\"a\"}", "message_id"},
        {"{\"type\":\"edit_message\",\"content\":\"a\",\"message_id\":null}", "message_id"},
        {"{\"type\":\"edit_message\",\"content\":\"a\",\"message_id\":\"x\"}", "message_id"},
        {"{\"type\":\"edit_message\",\"message_id\":\"" UUID "\"}", "content"},
        {"{\"type\":\"typing\"}", "is_typing"},
        {"{\"type\":\"typing\",\"is_typing\":1}", "is_typing"},
        {"{\"type\":\"typing\",\"is_typing\":\"true\"}", "is_typing"},
        {"{\"type\":\"typing\",\"is_typing\":null}", "is_typing"},
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        expect_error(cases[i].text, TC_CHAT_INVALID_FIELD, cases[i].field);
    }
}
END_TEST

START_TEST(a_message_type_must_be_one_of_the_sites)
{
    static const char *const wrong[] = {"", "texts", "tex", "TEXT", "video", "text\\u0000"};
    char text[200];
    size_t i;

    for (i = 0; i < UNIT_COUNT(wrong); i++) {
        snprintf(text, sizeof(text),
                 "{\"type\":\"chat_message\",\"content\":\"a\",\"message_type\":\"%s\"}", wrong[i]);
        expect_error(text, TC_CHAT_INVALID_MESSAGE_TYPE, NULL);
    }
}
END_TEST

START_TEST(a_site_without_text_refuses_a_message_without_type)
{
    static const char *const pictures[] = {"image", NULL};
    static const char text[] = "{\"type\":\"chat_message\",\"content\":\"a\"}";
    const tc_chat_rules_t only_pictures = {.max_content_chars = 10, .message_types = pictures};
    tc_chat_in_t in;

    ck_assert_int_eq(tc_chat_decode(text, strlen(text), &only_pictures, &in),
                     TC_CHAT_INVALID_MESSAGE_TYPE);
    tc_chat_in_free(&in);
}
END_TEST

/* The error for a content of `count` times `character`, in a message or in an edit. */
static tc_chat_error_e error_of_content(const char *character, unsigned count, bool edit)
{
    tc_buf_t text = TC_BUF_INIT;
    tc_chat_error_e error;
    tc_chat_in_t in;

    unit_append_text(&text, edit ? "{\"type\":\"edit_message\",\"message_id\":\"" UUID "\","
                                 : "{\"type\":\"chat_message\",");
    unit_append_text(&text, "\"content\":\"");
    while (count-- > 0) {
        tc_buf_append_str(&text, character);
    }
    unit_append_text(&text, "\"}");
    error = decode((char *)text.data, text.len, &in);
    tc_chat_in_free(&in);
    tc_buf_free(&text);
    return error;
}

START_TEST(content_is_measured_in_code_points)
{
    static const char *const characters[] = {"a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                                             "\\u00e9", "\\ud83d\\ude00", "\\n."};
    size_t i;
    int edit;

    for (i = 0; i < UNIT_COUNT(characters); i++) {
        unsigned each = i == UNIT_COUNT(characters) - 1 ? 2 : 1;

        for (edit = 0; edit < 2; edit++) {
            ck_assert_int_eq(error_of_content(characters[i], 10 / each, edit), TC_CHAT_OK);
            ck_assert_int_eq(error_of_content(characters[i], 10 / each + 1, edit),
                             TC_CHAT_CONTENT_TOO_LONG);
        }
    }
}
END_TEST

START_TEST(content_of_nothing_but_space_is_empty)
{
    static const char *const blanks[] = {"", " ", "\\n\\t", "\xc2\xa0", "\xe3\x80\x80", "\\u2003"};
    size_t i;
    int edit;

    for (i = 0; i < UNIT_COUNT(blanks); i++) {
        for (edit = 0; edit < 2; edit++) {
            ck_assert_int_eq(error_of_content(blanks[i], 3, edit), TC_CHAT_EMPTY_CONTENT);
        }
    }
    ck_assert_int_eq(error_of_content(" a ", 1, false), TC_CHAT_OK);
    ck_assert_int_eq(error_of_content("\xe2\x80\x8b", 1, false), TC_CHAT_OK); /* U+200B is not White_Space */
}
END_TEST

START_TEST(a_client_id_is_measured_in_code_points)
{
    unsigned count;

    for (count = TC_CLIENT_ID_MAX_CHARS - 1; count <= TC_CLIENT_ID_MAX_CHARS + 1; count++) {
        tc_buf_t text = TC_BUF_INIT;
        tc_chat_in_t in;
        unsigned i;

        unit_append_text(&text, "{\"type\":\"chat_message\",\"content\":\"a\",\"client_id\":\"");
        for (i = 0; i < count; i++) {
            tc_buf_append_str(&text, "\xe2\x82\xac");
        }
        unit_append_text(&text, "\"}");
        ck_assert_int_eq(decode((char *)text.data, text.len, &in),
                         count <= TC_CLIENT_ID_MAX_CHARS ? TC_CHAT_OK : TC_CHAT_INVALID_FIELD);
        tc_chat_in_free(&in);
        tc_buf_free(&text);
    }
}
END_TEST

START_TEST(what_has_no_known_type_has_no_bad_field)
{
    expect_error("{\"client_id\":1}", TC_CHAT_INVALID_MESSAGE, NULL);
    expect_error("{\"client_id\":\"\",\"type\":\"nonsense\"}", TC_CHAT_UNKNOWN_TYPE, NULL);
}
END_TEST

START_TEST(an_error_after_the_client_id_still_knows_it)
{
    static const char *const texts[] = {
        "{\"client_id\":\"c\",\"type\":\"chat_message\"}",
        "{\"client_id\":\"c\",\"type\":\"chat_message\",\"content\":\" \"}",
        "{\"client_id\":\"c\",\"type\":\"nonsense\"}",
        "{\"client_id\":\"c\"}",
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(texts); i++) {
        tc_chat_in_t in;

        ck_assert_int_ne(decode(texts[i], strlen(texts[i]), &in), TC_CHAT_OK);
        ck_assert_ptr_nonnull(in.client_id);
        ck_assert_str_eq(in.client_id, "c");
        tc_chat_in_free(&in);
    }
}
END_TEST

START_TEST(a_message_cut_anywhere_is_invalid_json)
{
    static const char text[] = "{\"type\":\"chat_message\",\"content\":\"h\\u00e9\",\"client_id\":\"c\"}";
    tc_chat_in_t in;
    size_t len;

    for (len = 0; len < strlen(text); len++) {
        ck_assert_int_eq(decode(text, len, &in), TC_CHAT_INVALID_JSON);
        tc_chat_in_free(&in);
    }
}
END_TEST

/* ---- bodies of requests ---- */

typedef tc_chat_error_e decode_fn(const char *text, size_t len, const tc_chat_rules_t *rules,
                                  tc_chat_in_t *out);

static tc_chat_error_e decode_body(decode_fn *fn, const void *bytes, size_t len, tc_chat_in_t *in)
{
    unsigned char *exact = unit_copy(bytes, len);
    tc_chat_error_e error = fn((char *)exact, len, &rules, in);

    free(exact);
    return error;
}

static void expect_body_error(decode_fn *fn, const char *text, tc_chat_error_e expected,
                              const char *field)
{
    tc_chat_in_t in;
    tc_chat_error_e error = decode_body(fn, text, strlen(text), &in);

    ck_assert_msg(error == expected, "%s: %s", text, tc_chat_error_code(error));
    if (field != NULL) {
        ck_assert_str_eq(in.bad_field, field);
    }
    tc_chat_in_free(&in);
}

START_TEST(a_posted_message_is_read_with_all_its_fields)
{
    static const char text[] = "{\"chat_room\":\"" UUID "\",\"content\":\"h\\u00e9\","
                               "\"message_type\":\"image\",\"reply_to\":\"" UUID "\","
                               "\"client_id\":\"c-1\",\"type\":7,\"message_id\":false}";
    tc_chat_in_t in;
    tc_uuid_t id;

    ck_assert(tc_uuid_parse(UUID, TC_UUID_CHARS, &id));
    ck_assert_int_eq(decode_body(tc_chat_decode_post, text, strlen(text), &in), TC_CHAT_OK);
    ck_assert_int_eq(in.kind, TC_CHAT_IN_MESSAGE);
    ck_assert(in.chat_room.may_be_room && tc_uuid_equal(&in.chat_room.room_id, &id));
    ck_assert(in.chat_room.may_be_trip);
    ck_assert_str_eq(in.chat_room.trip.text, UUID);
    ck_assert_str_eq(in.content, "h\xc3\xa9");
    ck_assert_uint_eq(in.content_len, 3);
    ck_assert_ptr_eq(in.message_type, types[1]);
    ck_assert(in.has_reply && tc_uuid_equal(&in.reply_to, &id));
    ck_assert_str_eq(in.client_id, "c-1");
    tc_chat_in_free(&in);
}
END_TEST

START_TEST(a_patch_is_read_and_names_no_message)
{
    static const char text[] = "{\"content\":\"new\",\"client_id\":\"c\",\"message_id\":1}";
    tc_chat_in_t in;

    ck_assert_int_eq(decode_body(tc_chat_decode_patch, text, strlen(text), &in), TC_CHAT_OK);
    ck_assert_int_eq(in.kind, TC_CHAT_IN_EDIT);
    ck_assert_str_eq(in.content, "new");
    ck_assert_str_eq(in.client_id, "c");
    tc_chat_in_free(&in);
}
END_TEST

START_TEST(a_bad_field_of_a_posted_message_is_named)
{
    static const struct {
        const char *more;
        tc_chat_error_e error;
        const char *field;
    } cases[] = {
        {"", TC_CHAT_INVALID_FIELD, "chat_room"},
        {",\"chat_room\":null", TC_CHAT_INVALID_FIELD, "chat_room"},
        {",\"chat_room\":1", TC_CHAT_INVALID_FIELD, "chat_room"},
        {",\"chat_room\":\"" UUID "0\"", TC_CHAT_INVALID_FIELD, "chat_room"},
        {",\"chat_room\":\"" UUID "\\u0000\"", TC_CHAT_INVALID_FIELD, "chat_room"},
        {",\"chat_room\":\"" UUID "\",\"message_type\":\"poem\"", TC_CHAT_INVALID_MESSAGE_TYPE, NULL},
        {",\"chat_room\":\"" UUID "\",\"message_type\":1", TC_CHAT_INVALID_FIELD, "message_type"},
        {",\"chat_room\":\"" UUID "\",\"reply_to\":\"x\"", TC_CHAT_INVALID_FIELD, "reply_to"},
        {",\"chat_room\":\"" UUID "\",\"client_id\":\"\"", TC_CHAT_INVALID_FIELD, "client_id"},
        {",\"chat_room\":\"" UUID "\",\"chat_room\":\"" UUID "\"", TC_CHAT_INVALID_JSON, NULL},
    };
    char text[200];
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        snprintf(text, sizeof(text), "{\"content\":\"a\"%s}", cases[i].more);
        expect_body_error(tc_chat_decode_post, text, cases[i].error, cases[i].field);
    }
}
END_TEST

START_TEST(a_bad_content_is_the_same_in_either_body)
{
    static const struct {
        const char *content;
        tc_chat_error_e error;
    } cases[] = {
        {"\"other\":1", TC_CHAT_INVALID_FIELD},
        {"\"content\":null", TC_CHAT_INVALID_FIELD},
        {"\"content\":7", TC_CHAT_INVALID_FIELD},
        {"\"content\":\"a\\u0000\"", TC_CHAT_INVALID_FIELD},
        {"\"content\":\"\"", TC_CHAT_EMPTY_CONTENT},
        {"\"content\":\" \\u3000\"", TC_CHAT_EMPTY_CONTENT},
        {"\"content\":\"12345678901\"", TC_CHAT_CONTENT_TOO_LONG},
    };
    char text[200];
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        const char *field = cases[i].error == TC_CHAT_INVALID_FIELD ? "content" : NULL;

        snprintf(text, sizeof(text), "{\"chat_room\":\"" UUID "\",%s}", cases[i].content);
        expect_body_error(tc_chat_decode_post, text, cases[i].error, field);
        expect_body_error(tc_chat_decode_patch, text, cases[i].error, field);
    }
}
END_TEST

START_TEST(a_body_that_is_no_message_gets_its_code)
{
    static const struct {
        const char *bytes;
        tc_chat_error_e error;
    } cases[] = {
        {"", TC_CHAT_INVALID_JSON},
        {"{", TC_CHAT_INVALID_JSON},
        {"{\"content\":\"\xff\"}", TC_CHAT_INVALID_JSON},
        {"{\"content\":\"\xc3\"}", TC_CHAT_INVALID_JSON},
        {"{\"content\":\"\xed\xa0\x80\"}", TC_CHAT_INVALID_JSON},
        {"{}\xe2\x82", TC_CHAT_INVALID_JSON},
        {"[1]", TC_CHAT_INVALID_MESSAGE},
        {"null", TC_CHAT_INVALID_MESSAGE},
        {"{\"a\":[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]}", TC_CHAT_TOO_DEEP},
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        expect_body_error(tc_chat_decode_post, cases[i].bytes, cases[i].error, NULL);
        expect_body_error(tc_chat_decode_patch, cases[i].bytes, cases[i].error, NULL);
    }
}
END_TEST

/* Appends {"a":[v,v,…]} with `count` names and values, the object, "a" and the array among them. */
static void append_values(tc_buf_t *buf, const char *value, int count)
{
    int i;

    buf->len = 0;
    TC_BUF_LIT(buf, "{\"a\":[");
    for (i = 3; i < count; i++) {
        tc_buf_append_str(buf, i == 3 ? "" : ",");
        tc_buf_append_str(buf, value);
    }
    TC_BUF_LIT(buf, "]}");
    tc_buf_append(buf, "", 1);
}

START_TEST(a_message_of_too_many_values_is_not_parsed)
{
    static const char *const values[] = {"0", "\"\"", "[]", "{}", "null", "\"a,b[\\\",[{\""};
    tc_buf_t buf = TC_BUF_INIT;
    size_t i;

    for (i = 0; i < UNIT_COUNT(values); i++) {
        append_values(&buf, values[i], TC_JSON_MAX_VALUES);
        expect_error((char *)buf.data, TC_CHAT_INVALID_MESSAGE, NULL);
        append_values(&buf, values[i], TC_JSON_MAX_VALUES + 1);
        expect_error((char *)buf.data, TC_CHAT_TOO_DEEP, NULL);
        expect_body_error(tc_chat_decode_post, (char *)buf.data, TC_CHAT_TOO_DEEP, NULL);
    }
    tc_buf_free(&buf);
}
END_TEST

/* ---- messages of the server ---- */

static const tc_chat_message_t message = {
    .id = "m1",
    .room_id = "r1",
    .sender_json = "{\"id\":\"u1\"}",
    .content = "a \"b\"",
    .message_type = "text",
    .created_at = "T1",
    .updated_at = "T2",
};

static void expect_text(tc_buf_t *buf, const char *expected)
{
    tc_buf_append(buf, "", 1);
    ck_assert_str_eq((char *)buf->data, expected);
    tc_buf_free(buf);
}

START_TEST(a_sender_has_null_for_a_name_the_site_does_not_know)
{
    tc_buf_t buf = TC_BUF_INIT;

    tc_chat_encode_sender(&buf, "1", "a@b", "ann", "Ann \"A\"");
    tc_chat_encode_sender(&buf, "2", NULL, NULL, NULL);
    expect_text(&buf, "{\"id\":\"1\",\"email\":\"a@b\",\"username\":\"ann\","
                      "\"full_name\":\"Ann \\\"A\\\"\"}"
                      "{\"id\":\"2\",\"email\":null,\"username\":null,\"full_name\":null}");
}
END_TEST

#define OBJECT(reply, edited)                                                                      \
    "{\"id\":\"m1\",\"chat_room_id\":\"r1\",\"sender\":{\"id\":\"u1\"},\"content\":\"a \\\"b\\\"\"," \
    "\"message_type\":\"text\",\"reply_to\":" reply ",\"is_edited\":" edited                       \
    ",\"created_at\":\"T1\",\"updated_at\":\"T2\""

START_TEST(a_message_object_has_every_field_of_the_protocol)
{
    tc_chat_message_t reply = message;
    tc_buf_t buf = TC_BUF_INIT;

    tc_chat_encode_object(&buf, &message);
    tc_chat_encode_object_end(&buf, 17);
    expect_text(&buf, OBJECT("null", "false") ",\"seq\":17}");
    reply.reply_id = "m0";
    reply.reply_content = "be\nfore";
    reply.reply_sender_email = "c@d";
    reply.is_edited = true;
    tc_chat_encode_message_begin(&buf);
    tc_chat_encode_object(&buf, &reply);
    tc_chat_encode_object_end(&buf, 18);
    tc_chat_encode_end(&buf, "c1");
    expect_text(&buf, "{\"type\":\"chat_message\",\"message\":"
                      OBJECT("{\"id\":\"m0\",\"content\":\"be\\nfore\",\"sender_email\":\"c@d\"}",
                             "true") ",\"seq\":18},\"client_id\":\"c1\"}");
}
END_TEST

/* Characters of 1 to 4 bytes and of 6 in JSON, and where a quote of more than so many of them ends. */
START_TEST(a_reply_shows_only_the_beginning_of_a_long_message)
{
    static const char *const characters[] = {"x", "\x01", "\"", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    static const char *const in_json[] = {"x", "\\u0001", "\\\"", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    size_t i, chars;

    for (i = 0; i < UNIT_COUNT(characters); i++) {
        for (chars = TC_QUOTE_MAX_CHARS - 1; chars <= TC_QUOTE_MAX_CHARS + 2; chars++) {
            tc_chat_message_t reply = message;
            tc_buf_t content = TC_BUF_INIT, buf = TC_BUF_INIT, expected = TC_BUF_INIT;
            size_t n;

            TC_BUF_LIT(&expected, "\"reply_to\":{\"id\":\"m0\",\"content\":\"");
            for (n = 0; n < chars; n++) {
                tc_buf_append_str(&content, characters[i]);
                if (n < TC_QUOTE_MAX_CHARS) {
                    tc_buf_append_str(&expected, in_json[i]);
                }
            }
            tc_buf_append(&content, "", 1);
            tc_buf_append_str(&expected, chars > TC_QUOTE_MAX_CHARS ? "\xe2\x80\xa6\",\"sender" : "\",\"sender");
            tc_buf_append(&expected, "", 1);
            reply.reply_id = "m0";
            reply.reply_content = (const char *)content.data;
            tc_chat_encode_object(&buf, &reply);
            tc_buf_append(&buf, "", 1);
            ck_assert_msg(strstr((char *)buf.data, (char *)expected.data) != NULL, "%zu of %s", chars, in_json[i]);
            tc_buf_free(&content);
            tc_buf_free(&buf);
            tc_buf_free(&expected);
        }
    }
}
END_TEST

START_TEST(an_edit_says_what_changed)
{
    tc_buf_t buf = TC_BUF_INIT;

    tc_chat_encode_edited(&buf, &message, 5);
    expect_text(&buf, "{\"type\":\"message_edited\",\"message\":{\"id\":\"m1\","
                      "\"content\":\"a \\\"b\\\"\",\"is_edited\":true,\"updated_at\":\"T2\","
                      "\"seq\":5}}");
}
END_TEST

START_TEST(a_typing_names_the_typist)
{
    tc_buf_t buf = TC_BUF_INIT;

    tc_chat_encode_typing(&buf, "u1", "a@b", true);
    tc_chat_encode_typing(&buf, "u1", "a@b", false);
    expect_text(&buf, "{\"type\":\"typing\",\"user_id\":\"u1\",\"user_email\":\"a@b\","
                      "\"is_typing\":true}"
                      "{\"type\":\"typing\",\"user_id\":\"u1\",\"user_email\":\"a@b\","
                      "\"is_typing\":false}");
}
END_TEST

static const char *const codes[] = {
    NULL,           "invalid_json",     "too_deep",
    "invalid_message", "unknown_type",  "invalid_field",
    "empty_content", "content_too_long", "invalid_message_type",
    "reply_not_found", "message_not_found", "not_sender",
    "unavailable",  "overloaded",       "internal",
    "rate_limited", "unauthorized", "forbidden",        "origin_not_allowed",
    "not_found",    "method_not_allowed", "precondition_failed", "too_large",
    "unsupported_media_type",
};

START_TEST(an_error_has_its_stable_code_and_only_the_fields_it_has)
{
    int error;

    for (error = TC_CHAT_INVALID_JSON; error <= TC_CHAT_UNSUPPORTED_MEDIA_TYPE; error++) {
        tc_buf_t buf = TC_BUF_INIT;
        json_object *object, *value;

        ck_assert_str_eq(tc_chat_error_code((tc_chat_error_e)error), codes[error]);
        tc_chat_encode_error(&buf, (tc_chat_error_e)error, error % 2 ? "c\"" : NULL, error % 3 ? "f" : NULL,
                             error % 4);
        tc_buf_append(&buf, "", 1);
        object = json_tokener_parse((char *)buf.data);
        ck_assert(json_object_object_get_ex(object, "type", &value));
        ck_assert_str_eq(json_object_get_string(value), "error");
        ck_assert(json_object_object_get_ex(object, "code", &value));
        ck_assert_str_eq(json_object_get_string(value), codes[error]);
        ck_assert(json_object_object_get_ex(object, "message", &value));
        ck_assert_uint_gt(strlen(json_object_get_string(value)), 0);
        ck_assert(json_object_object_get_ex(object, "client_id", NULL) == (error % 2 != 0));
        ck_assert(json_object_object_get_ex(object, "field", NULL) == (error % 3 != 0));
        ck_assert(json_object_object_get_ex(object, "retry_after", &value) == (error % 4 != 0));
        ck_assert_int_eq(json_object_get_int(value), error % 4);
        tc_json_free(object);
        tc_buf_free(&buf);
    }
}
END_TEST

UNIT_MAIN("chat", a_message_is_read_with_all_its_fields,
          what_a_message_may_leave_out_has_defaults, an_edit_and_a_typing_are_read,
          what_is_no_message_gets_its_code, a_message_of_too_many_values_is_not_parsed, a_field_of_the_wrong_form_is_named,
          a_message_type_must_be_one_of_the_sites,
          a_site_without_text_refuses_a_message_without_type, content_is_measured_in_code_points,
          content_of_nothing_but_space_is_empty, a_client_id_is_measured_in_code_points,
          what_has_no_known_type_has_no_bad_field,
          an_error_after_the_client_id_still_knows_it, a_message_cut_anywhere_is_invalid_json,
          a_posted_message_is_read_with_all_its_fields, a_patch_is_read_and_names_no_message,
          a_bad_field_of_a_posted_message_is_named, a_bad_content_is_the_same_in_either_body,
          a_body_that_is_no_message_gets_its_code, a_sender_has_null_for_a_name_the_site_does_not_know,
          a_message_object_has_every_field_of_the_protocol,
          a_reply_shows_only_the_beginning_of_a_long_message, an_edit_says_what_changed,
          a_typing_names_the_typist,
          an_error_has_its_stable_code_and_only_the_fields_it_has)
