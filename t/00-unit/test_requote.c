/* Quotes in message objects: which are changed, to what, and that nothing else is. */
#include "unit.h"

#include "base/limits.h"
#include "codec/chat.h"
#include "codec/requote.h"

#define QUOTED "018d0000-0000-7000-8000-00000000000a"
#define OTHER "018d0000-0000-7000-8000-00000000000b"

static tc_chat_message_t message_of(const char *id, const char *content)
{
    tc_chat_message_t message = {
        .id = id, .room_id = OTHER, .sender_json = "{\"id\":\"7\",\"full_name\":\"Ann \\\",\\\"content\\\":\\\"x\"}",
        .content = content, .message_type = "text", .created_at = "t", .updated_at = "t"
    };

    return message;
}

static void encode(tc_buf_t *buf, const tc_chat_message_t *message)
{
    tc_chat_encode_object(buf, message);
    tc_buf_append(buf, "", 1);
    buf->len--;
}

/* What becomes of a reply that quotes `before`, once the message reads `after`. NULL: nothing. */
static void expect(const tc_chat_message_t *reply, const char *after, const char *expected)
{
    tc_chat_message_t edited = message_of(QUOTED, after), wanted = *reply;
    tc_buf_t object = TC_BUF_INIT, edit = TC_BUF_INIT, out = TC_BUF_INIT, whole = TC_BUF_INIT;
    tc_uuid_t id;
    unsigned char *a, *b;

    ck_assert(tc_uuid_parse(QUOTED, TC_UUID_CHARS, &id));
    encode(&object, reply);
    encode(&edit, &edited);
    a = unit_copy((char *)object.data, object.len); /* exact copies: a byte too far is seen */
    b = unit_copy((char *)edit.data, edit.len);
    tc_buf_append(&out, "before", 6);
    ck_assert(tc_requote(&out, (tc_object_t){(char *)a, object.len}, &id, (tc_object_t){(char *)b, edit.len})
              == (expected != NULL));
    wanted.reply_content = expected;
    encode(&whole, &wanted);
    ck_assert_uint_eq(out.len, expected ? 6 + whole.len : 6);
    if (expected != NULL) {
        ck_assert_mem_eq(out.data + 6, whole.data, whole.len);
    }
    free(a);
    free(b);
    tc_buf_free(&object);
    tc_buf_free(&edit);
    tc_buf_free(&out);
    tc_buf_free(&whole);
}

static tc_chat_message_t reply_to(const char *id, const char *quote)
{
    tc_chat_message_t reply = message_of(OTHER, "a reply");

    reply.reply_id = id;
    reply.reply_content = quote;
    reply.reply_sender_email = "ann@example.org";
    return reply;
}

START_TEST(a_quote_becomes_what_the_message_reads_now)
{
    static const char *const texts[] = {"", "one", "\\", "\"", "a \"quote\" \\", "\",\"content\":\"", "line\nline",
                                        "\xf0\x9f\x98\x80", "\\\\\\\""};
    size_t i, j;

    for (i = 0; i < UNIT_COUNT(texts); i++) {
        for (j = 0; j < UNIT_COUNT(texts); j++) {
            tc_chat_message_t reply = reply_to(QUOTED, texts[i]);

            expect(&reply, texts[j], i == j ? NULL : texts[j]);
        }
    }
}
END_TEST

/* Texts that differ behind the cut, too, so that nothing changes. */
START_TEST(a_quote_is_cut_as_a_reply_cuts_it)
{
    char texts[6][6 * TC_QUOTE_MAX_CHARS];
    size_t i, j, n;

    for (i = 0; i < UNIT_COUNT(texts); i++) {
        texts[i][0] = '\0';
        for (n = 0; n < TC_QUOTE_MAX_CHARS + i / 2; n++) {
            strcat(texts[i], i % 2 ? "\x01" : "\xf0\x9f\x98\x80");
        }
    }
    for (i = 0; i < UNIT_COUNT(texts); i++) {
        for (j = 0; j < UNIT_COUNT(texts); j++) {
            tc_chat_message_t reply = reply_to(QUOTED, texts[i]);

            expect(&reply, texts[j], i == j || (i % 2 == j % 2 && i > 1 && j > 1) ? NULL : texts[j]);
        }
    }
}
END_TEST

START_TEST(another_quote_and_none_stay_as_they_are)
{
    tc_chat_message_t none = message_of(QUOTED, "the message itself"), other = reply_to(OTHER, "one");

    expect(&none, "two", NULL);
    expect(&other, "two", NULL);
    other.content = ",\"reply_to\":{\"id\":\"" QUOTED "\",\"content\":\"no quote\"";
    expect(&other, "two", NULL);
}
END_TEST

START_TEST(what_is_cut_anywhere_is_left_alone)
{
    tc_chat_message_t reply = reply_to(QUOTED, "one \" two"), edited = message_of(QUOTED, "three");
    tc_buf_t object = TC_BUF_INIT, edit = TC_BUF_INIT, out = TC_BUF_INIT;
    tc_uuid_t id;
    size_t len;

    ck_assert(tc_uuid_parse(QUOTED, TC_UUID_CHARS, &id));
    encode(&object, &reply);
    encode(&edit, &edited);
    for (len = 0; len < object.len; len++) {
        unsigned char *cut = unit_copy((char *)object.data, len);

        (void)tc_requote(&out, (tc_object_t){(char *)cut, len}, &id, (tc_object_t){(char *)edit.data, edit.len});
        free(cut);
    }
    for (len = 0; len < edit.len; len++) {
        unsigned char *cut = unit_copy((char *)edit.data, len);

        (void)tc_requote(&out, (tc_object_t){(char *)object.data, object.len}, &id, (tc_object_t){(char *)cut, len});
        free(cut);
    }
    tc_buf_free(&object);
    tc_buf_free(&edit);
    tc_buf_free(&out);
}
END_TEST

UNIT_MAIN("requote", a_quote_becomes_what_the_message_reads_now, a_quote_is_cut_as_a_reply_cuts_it, another_quote_and_none_stay_as_they_are,
          what_is_cut_anywhere_is_left_alone)
