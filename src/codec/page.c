/* Composes the answer to a REST request for a room's messages. See page.h. */
#include "codec/page.h"

#include "codec/json.h"

static void append_link(tc_buf_t *buf, const char *url, int64_t after, int64_t before)
{
    tc_buf_t link = TC_BUF_INIT;

    if (after == TC_PAGE_NONE && before == TC_PAGE_NONE) {
        TC_BUF_LIT(buf, "null");
        return;
    }
    tc_buf_append_str(&link, url);
    tc_buf_append_str(&link, after != TC_PAGE_NONE ? "after=" : "before=");
    tc_buf_append_int(&link, after != TC_PAGE_NONE ? after : before);
    tc_json_append_string(buf, (const char *)link.data, link.len);
    tc_buf_free(&link);
}

void tc_page_encode(tc_buf_t *buf, const tc_page_t *page, const char *results, size_t results_len)
{
    TC_BUF_LIT(buf, "{\"next\":");
    append_link(buf, page->url, page->next_after, page->next_before);
    TC_BUF_LIT(buf, ",\"previous\":");
    append_link(buf, page->url, page->previous_after, page->previous_before);
    TC_BUF_LIT(buf, ",\"results\":");
    tc_buf_append(buf, results, results_len);
    TC_BUF_LIT(buf, ",\"last_seq\":");
    tc_buf_append_int(buf, page->last_seq);
    if (page->epoch != TC_PAGE_NONE) {
        TC_BUF_LIT(buf, ",\"epoch\":");
        tc_buf_append_int(buf, page->epoch);
    }
    TC_BUF_LIT(buf, "}");
}
