/*
 * Envelopes: a written envelope is read back unchanged, and anything else on the bus is refused. Every good envelope is
 * cut at every byte.
 */
#include "unit.h"

#include "base/limits.h"
#include "codec/envelope.h"

#define CHILD "01a20ab3-8987-79ea-bdc4-fbcb194bfbd2"
#define ROOM "018d0000-0000-7000-8000-000000000001"
#define OTHER_ROOM "018d0000-0000-7000-8000-000000000002"
#define MESSAGE "550e8400-e29b-41d4-a716-446655440000"
#define LARGEST INT64_C(999999999999999999)

/* The fields of a message object, for tests that compose a wrong one. */
#define F_ID "\"id\":\"" MESSAGE "\""
#define F_ROOM "\"chat_room_id\":\"" ROOM "\""
#define F_SENDER "\"sender\":{\"id\":\"u1\",\"email\":null}"
#define F_CONTENT "\"content\":\"hi\""
#define F_TYPE "\"message_type\":\"text\""
#define F_REPLY "\"reply_to\":null"
#define F_EDITED "\"is_edited\":false"
#define F_CREATED "\"created_at\":\"T1\""
#define F_UPDATED "\"updated_at\":\"T2\""
#define FIELDS F_ID "," F_ROOM "," F_SENDER "," F_CONTENT "," F_TYPE "," F_REPLY "," F_EDITED       \
               "," F_CREATED "," F_UPDATED

static tc_uuid_t uuid_of(const char *text)
{
    tc_uuid_t uuid;

    ck_assert(tc_uuid_parse(text, strlen(text), &uuid));
    return uuid;
}

/* Reads only the line, from memory of exactly `len` bytes. */
static bool line_is_good(const void *data, size_t len)
{
    unsigned char *exact = unit_copy(data, len);
    tc_envelope_t envelope;
    bool good = tc_envelope_decode((char *)exact, len, &envelope);

    free(exact);
    return good;
}

/* Reads line and body as a child does that has `room`. */
static bool is_good(const void *data, size_t len, const char *room)
{
    unsigned char *exact = unit_copy(data, len);
    tc_uuid_t room_id = uuid_of(room);
    tc_envelope_event_t event;
    tc_envelope_typing_t typing;
    tc_envelope_t envelope;
    bool good = tc_envelope_decode((char *)exact, len, &envelope);

    if (good && envelope.kind <= TC_ENVELOPE_EDIT) {
        good = tc_envelope_decode_event(&envelope, &room_id, &event);
        tc_envelope_event_free(&event);
    }
    else if (good && envelope.kind == TC_ENVELOPE_TYPING) {
        good = tc_envelope_decode_typing(&envelope, &typing);
        tc_envelope_typing_free(&typing);
    }
    free(exact);
    return good;
}

/* True if an envelope with this line and body is accepted. */
static bool body_is_good(const char *line, const char *body, size_t len)
{
    tc_buf_t buf = TC_BUF_INIT;
    bool good;

    tc_buf_append_str(&buf, line);
    tc_buf_append(&buf, body, len);
    good = is_good(buf.data, buf.len, ROOM);
    tc_buf_free(&buf);
    return good;
}

#define MESSAGE_LINE "tc1 message " CHILD " 7\n"
#define EDIT_LINE "tc1 edit " CHILD " 7\n"
#define TYPING_LINE "tc1 typing " CHILD " 0\n"

static bool message_is_good(const char *body)
{
    ck_assert(body_is_good(MESSAGE_LINE, body, strlen(body))
              == body_is_good(EDIT_LINE, body, strlen(body)));
    return body_is_good(MESSAGE_LINE, body, strlen(body));
}

static bool typing_is_good(const char *body)
{
    return body_is_good(TYPING_LINE, body, strlen(body));
}

static void expect_messages(const char *const *bodies, size_t count, bool good)
{
    size_t i;

    for (i = 0; i < count; i++) {
        ck_assert_msg(message_is_good(bodies[i]) == good, "%s", bodies[i]);
    }
}

/* Encodes a good envelope of any kind. */
static void encode(tc_buf_t *buf, tc_envelope_kind_e kind, int64_t seq)
{
    static const char object[] = "{" FIELDS;
    tc_uuid_t child = uuid_of(CHILD);

    switch (kind) {
    case TC_ENVELOPE_MESSAGE:
    case TC_ENVELOPE_EDIT:
        tc_envelope_encode_event(buf, kind, &child, seq, object, sizeof(object) - 1);
        break;
    case TC_ENVELOPE_TYPING:
        tc_envelope_encode_typing(buf, &child, "u1", "u1@example.com", true);
        break;
    case TC_ENVELOPE_SPENT:
        tc_envelope_begin_spent(buf, &child, seq, 1, 2);
        tc_envelope_end_spent(buf);
        break;
    case TC_ENVELOPE_HEAD:
    case TC_ENVELOPE_BEAT:
        tc_envelope_encode(buf, kind, &child, seq);
        break;
    }
}

static void expect_bytes(const tc_buf_t *buf, const char *expected)
{
    ck_assert_uint_eq(buf->len, strlen(expected));
    ck_assert_mem_eq(buf->data, expected, buf->len);
}

/* ---- written and read back ---- */

START_TEST(each_kind_is_written_as_it_is_described)
{
    static const char *const expected[] = {
        MESSAGE_LINE "{" FIELDS ",\"seq\":7}",
        EDIT_LINE "{" FIELDS ",\"seq\":7}",
        "tc1 head " CHILD " 7\n",
        TYPING_LINE "{\"user_id\":\"u1\",\"user_email\":\"u1@example.com\",\"is_typing\":true}",
        "tc1 beat " CHILD " 7\n",
    };
    int kind;

    for (kind = TC_ENVELOPE_MESSAGE; kind <= TC_ENVELOPE_BEAT; kind++) {
        tc_buf_t buf = TC_BUF_INIT;

        tc_buf_append_str(&buf, "before ");
        encode(&buf, (tc_envelope_kind_e)kind, 7);
        ck_assert_mem_eq(buf.data, "before ", 7); /* encoding appends */
        buf.len -= 7;
        memmove(buf.data, buf.data + 7, buf.len);
        expect_bytes(&buf, expected[kind]);
        tc_buf_free(&buf);
    }
}
END_TEST

START_TEST(the_line_of_each_kind_is_read_back)
{
    static const int64_t seqs[] = {1, 9, 10, 1234567890123, LARGEST};
    tc_uuid_t child = uuid_of(CHILD);
    size_t i;
    int kind;

    for (kind = TC_ENVELOPE_MESSAGE; kind <= TC_ENVELOPE_BEAT; kind++) {
        for (i = 0; i < UNIT_COUNT(seqs); i++) {
            tc_buf_t buf = TC_BUF_INIT;
            tc_envelope_t envelope;

            encode(&buf, (tc_envelope_kind_e)kind, seqs[i]);
            ck_assert(tc_envelope_decode((char *)buf.data, buf.len, &envelope));
            ck_assert_int_eq(envelope.kind, kind);
            ck_assert(tc_uuid_equal(&envelope.child, &child));
            ck_assert_int_eq(envelope.seq, kind == TC_ENVELOPE_TYPING ? 0 : seqs[i]);
            ck_assert_ptr_eq(envelope.body + envelope.body_len, buf.data + buf.len);
            ck_assert(is_good(buf.data, buf.len, ROOM));
            tc_buf_free(&buf);
        }
    }
}
END_TEST

/* Contents with every escape of JSON, and with bytes that this module's writer never makes. */
static const char *const contents[] = {
    "", "hi", "\\\" \\\\ \\/ \\b\\f\\n\\r\\t \\u0001", "\xc3\xa9 \xf0\x9f\x98\x80 \xe2\x80\xa8",
    "\\u00e9 \\ud83d\\ude00", "\x7f", ",\\\"seq\\\":7}", "}{][,:",
};

START_TEST(the_object_is_passed_on_byte_for_byte)
{
    static const char fmt[] = "{ \"more\" : [1.50,1E2,{\"a\":{}}] ," F_ID "," F_ROOM "," F_SENDER
                              ",\"content\":\"%s\"," F_TYPE ",\n" F_REPLY "," F_EDITED "," F_CREATED
                              "," F_UPDATED;
    tc_uuid_t child = uuid_of(CHILD), room = uuid_of(ROOM);
    size_t i;

    for (i = 0; i < UNIT_COUNT(contents); i++) {
        tc_buf_t object = TC_BUF_INIT, buf = TC_BUF_INIT;
        tc_envelope_event_t event;
        tc_envelope_t envelope;

        unit_append_text(&object, fmt, contents[i]);
        tc_envelope_encode_event(&buf, TC_ENVELOPE_MESSAGE, &child, 7, object.data, object.len);
        ck_assert(tc_envelope_decode((char *)buf.data, buf.len, &envelope));
        ck_assert(tc_envelope_decode_event(&envelope, &room, &event));
        ck_assert_uint_eq(event.object_len, object.len);
        ck_assert_mem_eq(event.object, object.data, object.len);
        ck_assert_ptr_eq(event.object, envelope.body);
        tc_envelope_event_free(&event);
        tc_buf_free(&object);
        tc_buf_free(&buf);
    }
}
END_TEST

START_TEST(an_event_says_what_an_edit_needs)
{
    static const char text[] = EDIT_LINE "{" F_ID "," F_ROOM "," F_SENDER
                               ",\"content\":\"h\\u00e9\"," F_TYPE ",\"reply_to\":{\"id\":\"x\"},"
                               "\"is_edited\":true," F_CREATED "," F_UPDATED ",\"seq\":7}";
    tc_uuid_t room = uuid_of(ROOM), id = uuid_of(MESSAGE);
    tc_envelope_event_t event;
    tc_envelope_t envelope;

    ck_assert(tc_envelope_decode(text, strlen(text), &envelope));
    ck_assert(tc_envelope_decode_event(&envelope, &room, &event));
    ck_assert(tc_uuid_equal(&event.message_id, &id));
    ck_assert_str_eq(event.message.id, MESSAGE);
    ck_assert_str_eq(event.message.content, "h\xc3\xa9");
    ck_assert_str_eq(event.message.updated_at, "T2");
    tc_envelope_event_free(&event);
    tc_envelope_event_free(&event); /* a second call frees nothing */
}
END_TEST

START_TEST(who_types_is_read_back_with_and_without_an_address)
{
    static const char *const emails[] = {"a\"b\\c\xc3\xa9@example.com", "", NULL};
    tc_uuid_t child = uuid_of(CHILD);
    size_t i;

    for (i = 0; i < 2 * UNIT_COUNT(emails); i++) {
        tc_buf_t buf = TC_BUF_INIT;
        tc_envelope_typing_t typing;
        tc_envelope_t envelope;

        tc_envelope_encode_typing(&buf, &child, "u \"1\"\n", emails[i / 2], i % 2);
        ck_assert(tc_envelope_decode((char *)buf.data, buf.len, &envelope));
        ck_assert(tc_envelope_decode_typing(&envelope, &typing));
        ck_assert_str_eq(typing.user_id, "u \"1\"\n");
        ck_assert_pstr_eq(typing.user_email, emails[i / 2]);
        ck_assert(typing.is_typing == (i % 2 == 1));
        tc_envelope_typing_free(&typing);
        tc_envelope_typing_free(&typing);
        tc_buf_free(&buf);
    }
}
END_TEST

/* ---- lines ---- */

START_TEST(no_part_of_a_good_envelope_is_good)
{
    int kind;

    for (kind = TC_ENVELOPE_MESSAGE; kind <= TC_ENVELOPE_BEAT; kind++) {
        tc_buf_t buf = TC_BUF_INIT;
        size_t len, from;

        encode(&buf, (tc_envelope_kind_e)kind, 1234);
        ck_assert(is_good(buf.data, buf.len, ROOM));
        for (len = 0; len < buf.len; len++) {
            ck_assert_msg(!is_good(buf.data, len, ROOM), "kind %d, %d bytes", kind, (int)len);
        }
        for (from = 1; from <= buf.len; from++) {
            ck_assert_msg(!line_is_good(buf.data + from, buf.len - from), "kind %d, from %d", kind,
                          (int)from);
        }
        tc_buf_free(&buf);
    }
}
END_TEST

START_TEST(a_line_with_a_byte_too_many_or_another_is_refused)
{
    static const char good[] = "tc1 head " CHILD " 7\n";
    size_t at, len = sizeof(good) - 1;
    char bad[sizeof(good) + 1];

    ck_assert(line_is_good(good, len));
    for (at = 0; at < len; at++) {
        memcpy(bad, good, at);
        bad[at] = '!';
        memcpy(bad + at + 1, good + at, len - at);
        ck_assert_msg(!line_is_good(bad, len + 1), "%.*s", (int)len, bad);
        memcpy(bad, good, len);
        bad[at] = '!';
        ck_assert_msg(!line_is_good(bad, len), "%.*s", (int)len, bad);
        bad[at] = '\0';
        ck_assert_msg(!line_is_good(bad, len), "a zero at %d", (int)at);
    }
}
END_TEST

START_TEST(lines_that_are_no_envelopes_are_refused)
{
    static const char *const lines[] = {
        "\n", "tc1\n", "tc1 \n", "tc1   \n", "tc1 head\n", "tc1 head " CHILD "\n",
        "tc2 head " CHILD " 7\n",      "TC1 head " CHILD " 7\n",     "tc1  head " CHILD " 7\n",
        " tc1 head " CHILD " 7\n",     "tc1\thead " CHILD " 7\n",    "tc1 " CHILD " head 7\n",
        "tc1 Head " CHILD " 7\n",      "tc1 hea " CHILD " 7\n",      "tc1 heads " CHILD " 7\n",
        "tc1  " CHILD " 7\n",          "tc1 HEAD " CHILD " 7\n",     "tc1 chat_message " CHILD " 7\n",
        "tc1 head  7\n",               "tc1 head x 7\n",             "tc1 head {" CHILD "} 7\n",
        "tc1 head 01a20ab3-8987-79ea-bdc4-fbcb194bfbd 7\n",
        "tc1 head 01a20ab3-8987-79ea-bdc4-fbcb194bfbdg 7\n",
        "tc1 head 01a20ab3898779eabdc4fbcb194bfbd2 7\n",
        "tc1 head " CHILD "0 7\n",     "tc1 head " CHILD " " CHILD " 7\n",
        "{\"type\":\"head\"}\n",       "PUBLISH\r\n",
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(lines); i++) {
        ck_assert_msg(!line_is_good(lines[i], strlen(lines[i])), "%s", lines[i]);
    }
}
END_TEST

START_TEST(a_seq_is_up_to_eighteen_digits_and_nothing_else)
{
    static const char *const bad[] = {
        "", " ", "-1", "+1", "1 ", " 1", "1.0", "1e3", "0x1", "x", "7\r", "1234567890123456789",
        "0000000000000000001", "9223372036854775808", "18446744073709551617", "-", "\xd9\xa1",
    };
    static const char *const good[] = {"0", "1", "999999999999999999"};
    char line[200];
    size_t i;

    for (i = 0; i < UNIT_COUNT(bad); i++) {
        snprintf(line, sizeof(line), "tc1 beat " CHILD " %s\n", bad[i]);
        ck_assert_msg(!line_is_good(line, strlen(line)), "%s", line);
    }
    for (i = 0; i < UNIT_COUNT(good); i++) {
        tc_envelope_t envelope;

        snprintf(line, sizeof(line), "tc1 beat " CHILD " %s\n", good[i]);
        ck_assert(tc_envelope_decode(line, strlen(line), &envelope));
        ck_assert_int_eq(envelope.seq, strtoll(good[i], NULL, 10));
    }
}
END_TEST

START_TEST(an_event_has_a_seq_from_1_on)
{
    static const char text[] = "tc1 message " CHILD " 0\n{" FIELDS ",\"seq\":0}";

    ck_assert(!is_good(text, strlen(text), ROOM));
}
END_TEST

/* ---- bodies ---- */

START_TEST(a_message_object_with_all_its_fields_is_taken)
{
    static const char *const bodies[] = {
        "{" FIELDS ",\"seq\":7}",
        "{" FIELDS ",\"more\":[{}],\"seq\":7}",
        "{" F_UPDATED "," F_CREATED "," F_EDITED "," F_REPLY "," F_TYPE "," F_CONTENT "," F_SENDER
        "," F_ROOM "," F_ID ",\"seq\":7}",
        "{" F_ID "," F_ROOM ",\"sender\":{}," F_CONTENT "," F_TYPE ",\"reply_to\":{},"
        "\"is_edited\":true," F_CREATED "," F_UPDATED ",\"seq\":7}",
    };

    expect_messages(bodies, UNIT_COUNT(bodies), true);
}
END_TEST

/* The text that replaces one field; NULL: the field is left out. */
typedef struct {
    size_t field;
    const char *text;
} swap_t;

static bool swapped_is_good(const swap_t *swap)
{
    static const char *const fields[] = {F_ID,    F_ROOM,   F_SENDER,  F_CONTENT, F_TYPE,
                                         F_REPLY, F_EDITED, F_CREATED, F_UPDATED};
    tc_buf_t body = TC_BUF_INIT;
    bool good;
    size_t i;

    for (i = 0; i < UNIT_COUNT(fields); i++) {
        const char *text = i == swap->field ? swap->text : fields[i];

        if (text != NULL) {
            unit_append_text(&body, "%s%s", body.len ? "," : "{", text);
        }
    }
    unit_append_text(&body, ",\"seq\":7}");
    good = message_is_good((char *)body.data);
    tc_buf_free(&body);
    return good;
}

START_TEST(a_message_object_lacks_no_field)
{
    swap_t swap = {9, NULL};

    ck_assert(swapped_is_good(&swap)); /* no field is left out */
    for (swap.field = 0; swap.field < 9; swap.field++) {
        ck_assert_msg(!swapped_is_good(&swap), "without field %d", (int)swap.field);
    }
}
END_TEST

START_TEST(a_field_of_another_type_is_refused)
{
    static const char *const names[] = {"id",       "chat_room_id", "sender",
                                        "content",  "message_type", "reply_to",
                                        "is_edited", "created_at",  "updated_at"};
    static const char *const values[] = {"null", "7", "1.5", "[]", "{}", "true", "\"x\""};
    /* For each field, the values among those below that it may have. */
    static const char *const allowed[] = {"", "", "{}", "\"x\"", "\"x\"", "null {}", "true",
                                          "\"x\"", "\"x\""};
    char text[100];
    size_t i;
    swap_t swap = {0, text};

    for (swap.field = 0; swap.field < UNIT_COUNT(names); swap.field++) {
        for (i = 0; i < UNIT_COUNT(values); i++) {
            bool good = strstr(allowed[swap.field], values[i]) != NULL;

            snprintf(text, sizeof(text), "\"%s\":%s", names[swap.field], values[i]);
            ck_assert_msg(swapped_is_good(&swap) == good, "%s", text);
        }
    }
}
END_TEST

START_TEST(a_field_with_a_zero_in_it_or_a_bad_uuid_is_refused)
{
    static const swap_t swaps[] = {
        {0, "\"id\":\"550e8400-e29b-41d4-a716-44665544000\""},
        {0, "\"id\":\"550e8400-e29b-41d4-a716-4466554400000\""},
        {0, "\"id\":\"550e8400-e29b-41d4-a716-44665544000g\""},
        {0, "\"id\":\"" MESSAGE "\\u0000\""},
        {0, "\"id\":\"\""},
        {1, "\"chat_room_id\":\"" ROOM "\\u0000\""},
        {1, "\"chat_room_id\":\"018d0000\""},
        {3, "\"content\":\"\\u0000\""},
        {3, "\"content\":\"hi\\u0000\""},
        {3, "\"content\":\"h\\u0000i\""},
        {4, "\"message_type\":\"text\\u0000\""},
        {7, "\"created_at\":\"\\u0000T1\""},
        {8, "\"updated_at\":\"T\\u00002\""},
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(swaps); i++) {
        ck_assert_msg(!swapped_is_good(&swaps[i]), "%s", swaps[i].text);
    }
}
END_TEST

START_TEST(an_event_of_another_room_is_refused)
{
    static const char text[] = MESSAGE_LINE "{" FIELDS ",\"seq\":7}";

    ck_assert(is_good(text, strlen(text), ROOM));
    ck_assert(!is_good(text, strlen(text), OTHER_ROOM));
}
END_TEST

START_TEST(a_key_that_stands_twice_is_refused)
{
    static const char *const bodies[] = {
        "{" FIELDS "," F_CONTENT ",\"seq\":7}",
        "{" FIELDS ",\"content\":\"other\",\"seq\":7}",
        "{" F_ID "," FIELDS ",\"seq\":7}",
        "{" FIELDS ",\"seq\":7,\"seq\":7}",
        "{\"seq\":8," FIELDS ",\"seq\":7}",
        "{" FIELDS ",\"\\u0073eq\":8,\"seq\":7}",
        "{" FIELDS ",\"x\":1,\"x\":1,\"seq\":7}",
    };

    expect_messages(bodies, UNIT_COUNT(bodies), false);
}
END_TEST

START_TEST(the_end_is_the_seq_of_the_line_and_nothing_follows)
{
    static const char *const bodies[] = {
        "{" FIELDS "}",
        "{" FIELDS ",\"seq\":8}",
        "{" FIELDS ",\"seq\":77}",
        "{" FIELDS ",\"seq\":07}",
        "{" FIELDS ",\"seq\":7.0}",
        "{" FIELDS ",\"seq\":\"7\"}",
        "{" FIELDS ",\"seq\":null}",
        "{" FIELDS ",\"seq\": 7}",
        "{" FIELDS ", \"seq\":7}",
        "{" FIELDS ",\"seq\":7 }",
        "{" FIELDS ",\"seq\":7} ",
        "{" FIELDS ",\"seq\":7}\n",
        "{" FIELDS ",\"seq\":7}}",
        "{" FIELDS ",\"seq\":7}{}",
        "{" FIELDS ",\"seq\":7}x",
        "{" FIELDS ",\"seq\":7},\"seq\":7}",
        "{\"seq\":7," FIELDS "}",
        "{" FIELDS ",\"x\":\"",
        "{" FIELDS ",\"x\":\",\\\"seq\\\":7}\"}",
        "{" FIELDS ",\"x\":{\"a\":1,\"seq\":7}}",
        "{" FIELDS ",\"x\":{\"a\":1,\"seq\":7}",
        ",\"seq\":7}",
        "{,\"seq\":7}",
        "{\"seq\":7}",
    };

    expect_messages(bodies, UNIT_COUNT(bodies), false);
    ck_assert(!body_is_good(MESSAGE_LINE, "{" FIELDS ",\"seq\":7}", sizeof("{" FIELDS ",\"seq\":7}")));
}
END_TEST

START_TEST(a_body_that_is_no_object_is_refused)
{
    static const char *const bodies[] = {
        "", " ", "null", "7", "\"x\"", "[]", "[{" FIELDS ",\"seq\":7}]", "{", "}", "{}", "{}}",
        "\n{" FIELDS ",\"seq\":7", "{'id':1,\"seq\":7}", "{" FIELDS ",\"x\":tru,\"seq\":7}",
        "{" FIELDS ",\"x\":NaN,\"seq\":7}", "\xef\xbb\xbf{" FIELDS ",\"seq\":7}",
        "{" FIELDS ",,\"seq\":7}", "{" FIELDS " \"seq\":7}", "{" FIELDS "/**/,\"seq\":7}",
    };
    size_t i;

    expect_messages(bodies, UNIT_COUNT(bodies), false);
    for (i = 0; i < UNIT_COUNT(bodies); i++) {
        ck_assert_msg(!typing_is_good(bodies[i]), "%s", bodies[i]);
    }
}
END_TEST

START_TEST(bytes_that_are_not_utf_8_are_refused)
{
    static const char *const bad[] = {
        "\xff", "\xc3", "\xc3(", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80",
    };
    char text[1000];
    size_t i;

    for (i = 0; i < UNIT_COUNT(bad); i++) {
        snprintf(text, sizeof(text), "{" FIELDS ",\"x\":\"%s\",\"seq\":7}", bad[i]);
        ck_assert_msg(!message_is_good(text), "%d in a value", (int)i);
        snprintf(text, sizeof(text), "{\"%s\":1," FIELDS ",\"seq\":7}", bad[i]);
        ck_assert_msg(!message_is_good(text), "%d in a key", (int)i);
        snprintf(text, sizeof(text), "{\"user_id\":\"%s\",\"is_typing\":true}", bad[i]);
        ck_assert_msg(!typing_is_good(text), "%d in a typing", (int)i);
    }
}
END_TEST

/* True if a body with `depth` levels of nested objects is accepted; the outer object counts. */
static bool deep_is_good(int depth)
{
    tc_buf_t body = TC_BUF_INIT;
    bool good;
    int i;

    unit_append_text(&body, "{" FIELDS ",\"x\":");
    for (i = 1; i < depth; i++) {
        unit_append_text(&body, "{\"x\":");
    }
    unit_append_text(&body, "1");
    for (i = 1; i < depth; i++) {
        unit_append_text(&body, "}");
    }
    unit_append_text(&body, ",\"seq\":7}");
    good = message_is_good((char *)body.data);
    tc_buf_free(&body);
    return good;
}

START_TEST(what_is_nested_too_deeply_is_refused)
{
    ck_assert(deep_is_good(2));
    ck_assert(deep_is_good(TC_JSON_MAX_DEPTH - 1));
    ck_assert(!deep_is_good(TC_JSON_MAX_DEPTH + 1));
    ck_assert(!deep_is_good(100000));
}
END_TEST

START_TEST(a_typing_says_who_and_whether)
{
    static const char *const good[] = {
        "{\"user_id\":\"u\",\"is_typing\":true}",
        "{\"user_id\":\"u\",\"user_email\":null,\"is_typing\":false}",
        "{\"user_id\":\"u\",\"user_email\":\"e\",\"is_typing\":false,\"more\":{}} ",
    };
    static const char *const bad[] = {
        "{\"is_typing\":true}",
        "{\"user_id\":null,\"is_typing\":true}",
        "{\"user_id\":7,\"is_typing\":true}",
        "{\"user_id\":[\"u\"],\"is_typing\":true}",
        "{\"user_id\":\"u\\u0000\",\"is_typing\":true}",
        "{\"user_id\":\"u\"}",
        "{\"user_id\":\"u\",\"is_typing\":null}",
        "{\"user_id\":\"u\",\"is_typing\":1}",
        "{\"user_id\":\"u\",\"is_typing\":\"true\"}",
        "{\"user_id\":\"u\",\"is_typing\":true,\"is_typing\":true}",
        "{\"user_id\":\"u\",\"user_id\":\"v\",\"is_typing\":true}",
        "{\"user_id\":\"u\",\"is_typing\":true}x",
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(good); i++) {
        ck_assert_msg(typing_is_good(good[i]), "%s", good[i]);
    }
    for (i = 0; i < UNIT_COUNT(bad); i++) {
        ck_assert_msg(!typing_is_good(bad[i]), "%s", bad[i]);
    }
}
END_TEST

START_TEST(an_address_that_is_no_text_is_refused)
{
    static const char *const bodies[] = {
        "{\"user_id\":\"u\",\"user_email\":7,\"is_typing\":true}",
        "{\"user_id\":\"u\",\"user_email\":{},\"is_typing\":true}",
        "{\"user_id\":\"u\",\"user_email\":\"e\\u0000\",\"is_typing\":true}",
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(bodies); i++) {
        ck_assert_msg(!typing_is_good(bodies[i]), "%s", bodies[i]);
    }
}
END_TEST

/* No byte beyond the envelope is read and no memory is lost, whatever the bytes are. The sanitizers check that. */
START_TEST(bytes_changed_at_random_do_no_harm)
{
    unit_random_t random = unit_random_of(11);
    int round, kind;

    for (round = 0; round < 4000; round++) {
        tc_buf_t buf = TC_BUF_INIT;
        unsigned changes = 1 + unit_random_below(&random, 3);

        kind = (int)unit_random_below(&random, TC_ENVELOPE_BEAT + 1);
        encode(&buf, (tc_envelope_kind_e)kind, 1234);
        while (changes-- > 0) {
            buf.data[unit_random_below(&random, (unsigned)buf.len)] =
                (unsigned char)unit_random_below(&random, 256);
        }
        (void)is_good(buf.data, buf.len - unit_random_below(&random, 3), ROOM);
        tc_buf_free(&buf);
    }
}
END_TEST

/* Reads the body of a SPENT as "user:action:count …". NULL: the body is refused. */
static const char *read_spent_body(const char *body, char *out)
{
    tc_buf_t buf = TC_BUF_INIT;
    tc_envelope_t envelope;
    tc_envelope_spent_t spent;
    const char *user;
    int action, count;
    bool good;

    unit_append_text(&buf, "tc1 spent 550e8400-e29b-41d4-a716-446655440000 7\n%s", body);
    ck_assert(tc_envelope_decode((const char *)buf.data, buf.len, &envelope));
    ck_assert_int_eq(envelope.kind, TC_ENVELOPE_SPENT);
    good = tc_envelope_decode_spent(&envelope, &spent);
    for (*out = '\0'; good && tc_envelope_next_spent(&spent, &user, &action, &count);) {
        sprintf(out + strlen(out), "%s:%d:%d ", user, action, count);
    }
    tc_envelope_spent_free(&spent);
    tc_buf_free(&buf);
    return good ? out : NULL;
}

#define SERVER "{\"server\":\"0123456789abcdef\",\"spent\":"

START_TEST(what_users_spend_is_read_as_it_was_written)
{
    tc_buf_t buf = TC_BUF_INIT;
    tc_uuid_t child;
    char text[200];

    tc_uuid_make_v7(&child);
    tc_envelope_begin_spent(&buf, &child, 7, UINT64_C(0x0123456789abcdef), 0xfe);
    tc_envelope_add_spent(&buf, "a\"b", 0, 3);
    tc_envelope_add_spent(&buf, "carol", 2, 100);
    tc_envelope_end_spent(&buf);
    tc_buf_append(&buf, "", 1);
    ck_assert_ptr_nonnull(strstr((char *)buf.data, "{\"server\":\"0123456789abcdef\",\"database\":\"00000000000000fe\","));
    ck_assert_str_eq(read_spent_body(strchr((char *)buf.data, '\n') + 1, text), "a\"b:0:3 carol:2:100 ");
    tc_buf_free(&buf);
}
END_TEST

START_TEST(what_is_no_entry_is_left_out_and_what_is_no_list_is_refused)
{
    static const char *const none[] = {
        "", "[]", "{}", "{\"server\":\"0123456789abcdef\"}", "{\"spent\":[]}", SERVER "{}}", SERVER "[]",
        "{\"server\":\"0123456789abcdeg\",\"spent\":[]}", "{\"server\":\"0123456789abcde\",\"spent\":[]}",
        "{\"server\":\"0123456789abcdef\",\"database\":\"1\",\"spent\":[]}",
        "{\"server\":\"0123456789abcdef\",\"database\":7,\"spent\":[]}",
        "{\"server\":1,\"spent\":[]}", SERVER "[]}x", SERVER "[\"\xff\"]}",
    };
    char text[200];
    size_t i;

    for (i = 0; i < UNIT_COUNT(none); i++) {
        ck_assert_msg(read_spent_body(none[i], text) == NULL, "%s", none[i]);
    }
    ck_assert_str_eq(read_spent_body(SERVER "[1,null,[],[\"a\"],[\"a\",1],[\"a\",0,1,2],[1,0,1],[\"a\",\"0\",1],[\"a\",-1,1],"
                                            "[\"a\",0,-1],[\"a\",0,1.5],[\"good\",1,2]]}", text), "good:1:2 ");
}
END_TEST

/* An envelope with nothing behind its line, as a child of this UUID sends it that has a room in the database. */
static tc_envelope_t envelope_of(const char *child, uint64_t database)
{
    tc_uuid_t uuid = uuid_of(child), sender = tc_envelope_sender(&uuid, database);
    tc_buf_t buf = TC_BUF_INIT;
    tc_envelope_t envelope;

    tc_envelope_encode(&buf, TC_ENVELOPE_HEAD, &sender, 1);
    ck_assert(tc_envelope_decode((char *)buf.data, buf.len, &envelope));
    tc_buf_free(&buf);
    return envelope;
}

START_TEST(an_envelope_says_which_child_has_sent_it_and_of_which_database)
{
    static const uint64_t databases[] = {0, 1, 2, UINT64_C(0x123456789abc), UINT64_MAX};
    tc_uuid_t child = uuid_of(CHILD), other = uuid_of("01a20ab3-8987-79ea-bec4-fbcb194bfbd2");
    tc_envelope_t envelope;
    size_t i, j;

    for (i = 0; i < UNIT_COUNT(databases); i++) {
        envelope = envelope_of(CHILD, databases[i]);
        ck_assert(tc_envelope_is_from(&envelope, &child));
        ck_assert(!tc_envelope_is_from(&envelope, &other));
        for (j = 0; j < UNIT_COUNT(databases); j++) {
            ck_assert(tc_envelope_may_be_of(&envelope, databases[j]) == (i == j || i == 0 || j == 0));
        }
    }
    envelope = envelope_of(CHILD, 0);
    ck_assert(tc_uuid_equal(&envelope.child, &child)); /* as older versions write it */
}
END_TEST

UNIT_MAIN("envelope", an_envelope_says_which_child_has_sent_it_and_of_which_database, what_users_spend_is_read_as_it_was_written,
          what_is_no_entry_is_left_out_and_what_is_no_list_is_refused, each_kind_is_written_as_it_is_described,
          the_line_of_each_kind_is_read_back, the_object_is_passed_on_byte_for_byte,
          an_event_says_what_an_edit_needs, who_types_is_read_back_with_and_without_an_address,
          no_part_of_a_good_envelope_is_good, a_line_with_a_byte_too_many_or_another_is_refused,
          lines_that_are_no_envelopes_are_refused,
          a_seq_is_up_to_eighteen_digits_and_nothing_else, an_event_has_a_seq_from_1_on,
          a_message_object_with_all_its_fields_is_taken, a_message_object_lacks_no_field,
          a_field_of_another_type_is_refused,
          a_field_with_a_zero_in_it_or_a_bad_uuid_is_refused, an_event_of_another_room_is_refused,
          a_key_that_stands_twice_is_refused,
          the_end_is_the_seq_of_the_line_and_nothing_follows, a_body_that_is_no_object_is_refused,
          bytes_that_are_not_utf_8_are_refused, what_is_nested_too_deeply_is_refused,
          a_typing_says_who_and_whether, an_address_that_is_no_text_is_refused,
          bytes_changed_at_random_do_no_harm)
