/* Which pages may use the chat: origins are compared with the requested host and with a list. RFC 6454. */
#include "unit.h"

#include "codec/origin.h"

#define MAX_LISTED 4

/* `list` is a text with blanks between its entries; NULL: no list is configured. */
static bool is_allowed(const char *origin, const char *host, const char *list)
{
    const char *allowed[MAX_LISTED + 1] = {NULL};
    char *origin_copy = (char *)unit_copy(origin, strlen(origin) + 1);
    char *words = list ? (char *)unit_copy(list, strlen(list) + 1) : NULL, *at = words, *word;
    size_t count = 0;
    bool answer;

    while (at != NULL && (word = strsep(&at, " ")) != NULL) {
        ck_assert_uint_lt(count, MAX_LISTED);
        allowed[count++] = word;
    }
    answer = tc_origin_is_allowed(origin_copy, host, list ? allowed : NULL);
    free(origin_copy);
    free(words);
    return answer;
}

START_TEST(pages_of_the_same_host_and_port_are_allowed)
{
    static const struct {
        const char *origin, *host;
        bool same;
    } cases[] = {
        {"http://a.org", "a.org", true},
        {"https://a.org", "a.org", true},
        {"http://a.org:80", "a.org", true},
        {"https://a.org:443", "a.org", true},
        {"http://a.org", "a.org:80", true},
        {"https://a.org", "a.org:443", true},
        {"http://a.org:8080", "a.org:8080", true},
        {"HTTP://A.org", "a.ORG", true},
        {"http://[::1]", "[::1]", true},
        {"http://[::1]:81", "[::1]:81", true},
        {"http://127.0.0.1:81", "127.0.0.1:81", true},
        {"http://a.org", "b.org", false},
        {"http://a.org", "www.a.org", false},
        {"http://www.a.org", "a.org", false},
        {"http://a.organ", "a.org", false},
        {"http://a.or", "a.org", false},
        {"http://a.org", "a.org:443", false},
        {"https://a.org", "a.org:80", false},
        {"http://a.org:81", "a.org", false},
        {"http://a.org:81", "a.org:82", false},
        {"http://[::1]", "[::2]", false},
        {"http://[::1]:81", "[::1]:82", false},
        {"http://a.org", NULL, false},
        {"http://a.org", "", false},
        {"http://a.org", "a.org:", false},
        {"http://a.org", "http://a.org", false},
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        ck_assert_msg(is_allowed(cases[i].origin, cases[i].host, NULL) == cases[i].same, "%s of %s",
                      cases[i].origin, cases[i].host ? cases[i].host : "no host");
    }
}
END_TEST

/* A browser sends only a scheme with a host and a port, or "null" (RFC 6454, 7). */
START_TEST(what_is_no_origin_is_not_allowed)
{
    static const char *const wrong[] = {
        "",            "null",           "a.org",           "//a.org",       "://a.org",
        "http://",     "http://:80",     "http://a.org:",   "http://a.org:0", "http://a.org:65536",
        "http://a.org:-1", "http://a.org:+80", "http://a.org: 80", "http://a.org:80x",
        "http://a.org/", "http://a.org?x", "http://a.org#x", "http://u@a.org", "http://a.org b",
        "http://a.org\t", "http://[::1", "http://[::1]x", "http://[::1]:", "http:a.org",
        "http://a.org, http://a.org",
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(wrong); i++) {
        ck_assert_msg(!is_allowed(wrong[i], "a.org", "a.org *.a.org"), "%s", wrong[i]);
        ck_assert_msg(!is_allowed(wrong[i], wrong[i], NULL), "%s of itself", wrong[i]);
    }
}
END_TEST

START_TEST(a_list_names_scheme_host_and_port_as_far_as_it_does)
{
    static const struct {
        const char *list, *origin;
        bool allowed;
    } cases[] = {
        {"https://a.org", "https://a.org", true},
        {"https://a.org", "https://a.org:443", true},
        {"https://a.org:443", "https://a.org", true},
        {"https://a.org", "HTTPS://A.ORG", true},
        {"https://a.org", "http://a.org", false},
        {"https://a.org", "http://a.org:443", false},
        {"https://a.org", "https://a.org:444", false},
        {"https://a.org:444", "https://a.org", false},
        {"a.org", "http://a.org", true},
        {"a.org", "https://a.org", true},
        {"a.org", "http://a.org:443", false},
        {"a.org", "ftp://a.org", false},
        {"a.org:444", "app://a.org:444", false},
        {"app://a.org", "app://a.org", true},
        {"a.org", "http://b.a.org", false},
        {"a.org", "http://ba.org", false},
        {"a.org:444", "http://a.org:444", true},
        {"a.org:444", "https://a.org:444", true},
        {"a.org:444", "https://a.org", false},
        {"[::1]:81", "http://[::1]:81", true},
        {"[::1]:81", "http://[::1]", false},
        {"x.org a.org", "http://a.org", true},
        {"x.org y.org", "http://a.org", false},
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        ck_assert_msg(is_allowed(cases[i].origin, "host", cases[i].list) == cases[i].allowed,
                      "%s on the list %s", cases[i].origin, cases[i].list);
    }
}
END_TEST

START_TEST(a_star_stands_for_every_host_below_and_not_for_the_host_itself)
{
    static const struct {
        const char *list, *origin;
        bool allowed;
    } cases[] = {
        {"*.a.org", "http://b.a.org", true},
        {"*.a.org", "https://c.b.a.org", true},
        {"*.a.org", "https://B.A.ORG", true},
        {"*.a.org", "http://a.org", false},
        {"*.a.org", "http://.a.org", false},
        {"*.a.org", "http://evila.org", false},
        {"*.a.org", "http://b.a.org.evil", false},
        {"*.a.org", "http://b.a.org:81", false},
        {"*.a.org:81", "http://b.a.org:81", true},
        {"https://*.a.org", "https://b.a.org", true},
        {"https://*.a.org", "http://b.a.org", false},
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        ck_assert_msg(is_allowed(cases[i].origin, "host", cases[i].list) == cases[i].allowed,
                      "%s on the list %s", cases[i].origin, cases[i].list);
    }
}
END_TEST

START_TEST(a_star_alone_is_any_origin_wherever_it_stands)
{
    static const char *const lists[] = {"*", "* a.org", "a.org *"};
    size_t i;

    for (i = 0; i < UNIT_COUNT(lists); i++) {
        ck_assert_msg(is_allowed("https://x.org:81", NULL, lists[i]), "%s", lists[i]);
        ck_assert_msg(is_allowed("null", "host", lists[i]), "null on the list %s", lists[i]);
    }
    ck_assert(!is_allowed("null", "host", "a.org"));
}
END_TEST

START_TEST(a_pattern_is_checked_when_it_is_read)
{
    static const char *const good[] = {
        "*",         "a.org",     "a.org:1",   "a.org:65535",       "http://a.org", "https://a.org:8443",
        "*.a.org",   "*.a.org:81", "https://*.a.org", "https://*.a.org:81", "[::1]", "http://[::1]:81", "localhost",
    };
    static const char *const bad[] = {
        "",          "https://",  "://a.org",  "a.org:",     "a.org:0",     "a.org:65536", "a.org:x",
        "a.org/",    "a.org/x",   "a.org?",    "a.org#",     "u@a.org",     "a b",         "**",
        "a*",        "*a.org",    "a.*.org",   "*.*.org",    "*.a.*",       "https://*",   "https://a.*",
        "[::1",      "[::1]x",    "https:a.org",
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(good); i++) {
        ck_assert_msg(tc_origin_check_pattern(good[i]) == NULL, "%s", good[i]);
    }
    for (i = 0; i < UNIT_COUNT(bad); i++) {
        const char *wrong = tc_origin_check_pattern(bad[i]);

        ck_assert_msg(wrong != NULL && *wrong != '\0', "%s", bad[i]);
    }
}
END_TEST

UNIT_MAIN("origin", pages_of_the_same_host_and_port_are_allowed, what_is_no_origin_is_not_allowed,
          a_list_names_scheme_host_and_port_as_far_as_it_does,
          a_star_stands_for_every_host_below_and_not_for_the_host_itself,
          a_star_alone_is_any_origin_wherever_it_stands, a_pattern_is_checked_when_it_is_read)
