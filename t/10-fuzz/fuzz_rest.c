/*
 * Bodies of POST and PATCH, which httpd/rest_write lets codec/chat read: any bytes, or no byte at all. A body that is
 * decoded is UTF-8 and within the limits of docs/protocol.md. It decodes to the same message when the target writes
 * it again. A text that is allowed in a new message is also allowed in an edit.
 *
 * Input: the body.
 */
#include "fuzz.h"

#include "chat_checks.h"

const char fuzz_name[] = "rest";

typedef tc_chat_error_e decode_fn(const char *text, size_t len, const tc_chat_rules_t *rules,
                                  tc_chat_in_t *out);

static void check_again(decode_fn *decode, const tc_chat_in_t *in)
{
    tc_buf_t buf = TC_BUF_INIT;
    tc_chat_in_t again;

    TC_BUF_LIT(&buf, "{\"more\":null");
    fuzz_append_uuid(&buf, "chat_room", &in->chat_room);
    fuzz_append_fields(&buf, in);
    TC_BUF_LIT(&buf, "}");
    FUZZ_REQUIRE(decode((char *)buf.data, buf.len, &fuzz_rules, &again) == TC_CHAT_OK);
    fuzz_require_same_chat(in, &again);
    tc_chat_in_free(&again);
    tc_buf_free(&buf);
}

static tc_chat_error_e check_decode(decode_fn *decode, tc_chat_in_e kind, const char *body,
                                    size_t size, tc_chat_in_t *in)
{
    tc_chat_error_e error = decode(body, size, &fuzz_rules, in);

    fuzz_check_chat(error, in);
    if (error == TC_CHAT_OK) {
        FUZZ_REQUIRE(in->kind == kind);
        FUZZ_REQUIRE(fuzz_is_utf8(body, size));
        check_again(decode, in);
    }
    return error;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *body = size > 0 ? (const char *)data : NULL; /* a tc_buf_t without bytes has no memory */
    tc_chat_in_t post, patch;
    tc_chat_error_e posted = check_decode(tc_chat_decode_post, TC_CHAT_IN_MESSAGE, body, size, &post);
    tc_chat_error_e patched = check_decode(tc_chat_decode_patch, TC_CHAT_IN_EDIT, body, size, &patch);

    if (posted == TC_CHAT_OK) {
        FUZZ_REQUIRE(patched == TC_CHAT_OK && strcmp(post.content, patch.content) == 0);
    }
    tc_chat_in_free(&post);
    tc_chat_in_free(&patch);
    return 0;
}
