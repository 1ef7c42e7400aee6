/* The text that a reply quotes. See requote.h. */
#include "codec/requote.h"

#include "base/limits.h"
#include "codec/chat.h"

#include <string.h>

#define QUOTE ",\"reply_to\":{\"id\":\""
#define QUOTED "\",\"content\":\""
#define CONTENT ",\"content\":\""

/*
 * Behind the first `mark` of the object, or NULL. No text of a user has such a mark in it, because each of its quotation
 * marks stands behind a backslash.
 */
static const char *behind(tc_object_t object, const char *mark)
{
    size_t len = strlen(mark);
    const char *at = memmem(object.data, object.len, mark, len);

    return at ? at + len : NULL;
}

/* The end of a JSON string that begins here; NULL: it has none. */
static const char *end_of_string(const char *at, const char *end)
{
    while (at < end && *at != '"') {
        at += *at == '\\' && at + 1 < end ? 2 : 1;
    }
    return at < end ? at : NULL;
}

/* The end of the first TC_QUOTE_MAX_CHARS code points of a JSON string, as tc_json_append_string() writes it. */
static const char *end_of_quote(const char *at, const char *end)
{
    int chars;

    for (chars = 0; at < end && chars < TC_QUOTE_MAX_CHARS; chars++) {
        at += *at != '\\' ? 1 : at[1] == 'u' ? 6 : 2;
        while (at < end && ((unsigned char)*at & 0xc0) == 0x80) {
            at++;
        }
    }
    return at < end ? at : end;
}

bool tc_requote(tc_buf_t *buf, tc_object_t object, const tc_uuid_t *id, tc_object_t edited)
{
    char mark[sizeof(QUOTE) + TC_UUID_CHARS + sizeof(QUOTED)] = QUOTE;
    const char *from, *to, *text, *text_end, *shown_end;
    tc_buf_t quote = TC_BUF_INIT;
    bool differs;

    tc_uuid_format(id, mark + sizeof(QUOTE) - 1);
    memcpy(mark + sizeof(QUOTE) - 1 + TC_UUID_CHARS, QUOTED, sizeof(QUOTED));
    from = behind(object, mark);
    text = from ? behind(edited, CONTENT) : NULL;
    to = text ? end_of_string(from, object.data + object.len) : NULL;
    text_end = to ? end_of_string(text, edited.data + edited.len) : NULL;
    if (text_end == NULL) {
        return false;
    }
    shown_end = end_of_quote(text, text_end);
    tc_buf_append(&quote, text, (size_t)(shown_end - text));
    if (shown_end < text_end) {
        tc_buf_append_str(&quote, TC_CHAT_CUT);
    }
    differs = (size_t)(to - from) != quote.len || (quote.len > 0 && memcmp(from, quote.data, quote.len) != 0);
    if (differs) {
        tc_buf_append(buf, object.data, (size_t)(from - object.data));
        tc_buf_append(buf, quote.data, quote.len);
        tc_buf_append(buf, to, (size_t)(object.data + object.len - to));
    }
    tc_buf_free(&quote);
    return differs;
}
