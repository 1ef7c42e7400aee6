/*
 * Bodies of POST and PATCH, which httpd/rest_write lets codec/chat read: any bytes, or no byte at all. A body that is
 * decoded is UTF-8 and within the limits of docs/protocol.md. It decodes to the same message when the target writes
 * it again, whatever form the ids of trips have. A text that is allowed in a new message is also allowed in an edit.
 *
 * Input: the body.
 */
#include "fuzz.h"

#include "chat_checks.h"

#include "codec/json.h"

const char fuzz_name[] = "rest";

typedef tc_chat_error_e decode_fn(const char *text, size_t len, const tc_chat_rules_t *rules,
                                  tc_chat_in_t *out);

/* A trip's id in canonical form; it may be a room's, too. */
static void append_place(tc_buf_t *buf, const tc_place_t *place)
{
    if (place->may_be_trip) {
        FUZZ_REQUIRE(*place->trip.text != '\0' && fuzz_is_utf8(place->trip.text, strlen(place->trip.text)));
        TC_BUF_LIT(buf, ",\"chat_room\":");
        tc_json_append_str(buf, place->trip.text);
    }
    else {
        fuzz_append_uuid(buf, "chat_room", &place->room_id);
    }
}

static void check_again(decode_fn *decode, const tc_chat_rules_t *rules, const tc_chat_in_t *in)
{
    tc_buf_t buf = TC_BUF_INIT;
    tc_chat_in_t again;

    TC_BUF_LIT(&buf, "{\"more\":null");
    append_place(&buf, &in->chat_room);
    fuzz_append_fields(&buf, in);
    TC_BUF_LIT(&buf, "}");
    FUZZ_REQUIRE(decode((char *)buf.data, buf.len, rules, &again) == TC_CHAT_OK);
    fuzz_require_same_chat(in, &again);
    tc_chat_in_free(&again);
    tc_buf_free(&buf);
}

static tc_chat_error_e check_decode(decode_fn *decode, const tc_chat_rules_t *rules, tc_chat_in_e kind,
                                    const char *body, size_t size, tc_chat_in_t *in)
{
    tc_chat_error_e error = decode(body, size, rules, in);

    fuzz_check_chat(error, in);
    if (error == TC_CHAT_OK) {
        FUZZ_REQUIRE(in->kind == kind);
        FUZZ_REQUIRE(fuzz_is_utf8(body, size));
        check_again(decode, rules, in);
    }
    return error;
}

static void check_body(const tc_chat_rules_t *rules, const char *body, size_t size)
{
    tc_chat_in_t post, patch;
    tc_chat_error_e posted = check_decode(tc_chat_decode_post, rules, TC_CHAT_IN_MESSAGE, body, size, &post);
    tc_chat_error_e patched = check_decode(tc_chat_decode_patch, rules, TC_CHAT_IN_EDIT, body, size, &patch);

    if (posted == TC_CHAT_OK) {
        FUZZ_REQUIRE(patched == TC_CHAT_OK && strcmp(post.content, patch.content) == 0);
    }
    tc_chat_in_free(&post);
    tc_chat_in_free(&patch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const tc_trip_form_e forms[] = {TC_TRIP_UUID, TC_TRIP_UUID_HEX, TC_TRIP_INTEGER, TC_TRIP_TEXT};
    tc_chat_rules_t rules = fuzz_rules;
    size_t i;

    for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        rules.trip_form = forms[i];
        check_body(&rules, size > 0 ? (const char *)data : NULL, size); /* a tc_buf_t without bytes has no memory */
    }
    return 0;
}
