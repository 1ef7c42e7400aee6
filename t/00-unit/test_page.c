/* The answer to a REST request for a room's messages: the bytes of links and results. */
#include "unit.h"

#include "codec/page.h"

#define URL "/rooms/r/messages/?limit=5&"

static void expect(const tc_page_t *page, const char *results, const char *expected)
{
    unsigned char *exact = unit_copy(results, strlen(results));
    tc_buf_t buf = TC_BUF_INIT;

    tc_page_encode(&buf, page, (char *)exact, strlen(results));
    tc_buf_append(&buf, "", 1);
    ck_assert_str_eq((char *)buf.data, expected);
    tc_buf_free(&buf);
    free(exact);
}

static tc_page_t page_of(int64_t last_seq)
{
    tc_page_t page = TC_PAGE_INIT;

    page.url = URL;
    page.last_seq = last_seq;
    return page;
}

START_TEST(a_page_without_links_has_nulls)
{
    tc_page_t page = page_of(0);

    expect(&page, "[]", "{\"next\":null,\"previous\":null,\"results\":[],\"last_seq\":0}");
}
END_TEST

START_TEST(each_link_says_from_where_and_in_which_direction)
{
    tc_page_t page = page_of(9);

    page.next_before = 3;
    page.previous_after = 7;
    expect(&page, "[{\"seq\":3}]",
           "{\"next\":\"" URL "before=3\",\"previous\":\"" URL "after=7\","
           "\"results\":[{\"seq\":3}],\"last_seq\":9}");
    page = page_of(9);
    page.next_after = 7;
    page.previous_before = 3;
    expect(&page, "[1,2]",
           "{\"next\":\"" URL "after=7\",\"previous\":\"" URL "before=3\","
           "\"results\":[1,2],\"last_seq\":9}");
}
END_TEST

START_TEST(zero_and_the_greatest_number_are_numbers)
{
    tc_page_t page = page_of(INT64_MAX);

    page.next_after = 0;
    page.previous_before = INT64_MAX;
    expect(&page, "[]",
           "{\"next\":\"" URL "after=0\",\"previous\":\"" URL "before=9223372036854775807\","
           "\"results\":[],\"last_seq\":9223372036854775807}");
}
END_TEST

/* A path may contain characters that JSON must escape. */
START_TEST(a_link_is_a_json_string)
{
    tc_page_t page = page_of(2);

    page.url = "/a\"b\\c\n\xc3\xa9/?";
    page.next_after = 1;
    expect(&page, "[]",
           "{\"next\":\"/a\\\"b\\\\c\\n\xc3\xa9/?after=1\",\"previous\":null,\"results\":[],"
           "\"last_seq\":2}");
}
END_TEST

UNIT_MAIN("page", a_page_without_links_has_nulls,
          each_link_says_from_where_and_in_which_direction,
          zero_and_the_greatest_number_are_numbers, a_link_is_a_json_string)
