/* URLs of Redis, as administrators write them: every form that is accepted, and the errors for all others. */
#include "unit.h"

#include "bus/redis_url.h"

#define HOW "write local, redis://host:port/database or unix:/path/to/socket?db=database"

static apr_pool_t *pool;

/* Returns the error for a URL; NULL: the URL is accepted. */
static const char *parse(const char *url, tc_redis_address_t *out)
{
    unsigned char *exact = unit_copy(url, strlen(url) + 1);
    const char *wrong;

    memset(out, 0, sizeof(*out));
    wrong = tc_redis_url_parse((char *)exact, out, pool);
    free(exact);
    return wrong;
}

static void expect_wrong(const char *url, const char *expected)
{
    tc_redis_address_t address;
    const char *wrong = parse(url, &address);

    ck_assert_msg(wrong != NULL, "%s is taken", url);
    ck_assert_msg(strcmp(wrong, expected) == 0, "%s: %s", url, wrong);
}

static void expect_all_wrong(const char *const *urls, size_t count, const char *expected)
{
    size_t i;

    pool = unit_pool();
    for (i = 0; i < count; i++) {
        expect_wrong(urls[i], expected);
    }
    apr_pool_destroy(pool);
}

/* Checks that each error says what to write, and never repeats a password. */
static void expect_all_refused(const char *const *urls, size_t count)
{
    tc_redis_address_t address;
    size_t i;

    pool = unit_pool();
    for (i = 0; i < count; i++) {
        const char *wrong = parse(urls[i], &address);

        ck_assert_msg(wrong != NULL, "%s is taken, and called %s", urls[i], address.name);
        ck_assert_msg(strstr(wrong, "write ") != NULL, "%s: %s", urls[i], wrong);
        ck_assert_msg(strstr(wrong, "secret") == NULL, "%s: %s", urls[i], wrong);
    }
    apr_pool_destroy(pool);
}

/* ---- hosts ---- */

START_TEST(a_host_may_have_a_port_and_a_database)
{
    static const struct {
        const char *url, *host;
        int port, database;
        const char *name;
    } cases[] = {
        {"redis://localhost", "localhost", 6379, 0, "localhost:6379/0"},
        {"redis://localhost/", "localhost", 6379, 0, "localhost:6379/0"},
        {"redis://redis.example.org:6380", "redis.example.org", 6380, 0,
         "redis.example.org:6380/0"},
        {"redis://127.0.0.1:6379/3", "127.0.0.1", 6379, 3, "127.0.0.1:6379/3"},
        {"redis://h/15", "h", 6379, 15, "h:6379/15"},
        {"redis://h:1/", "h", 1, 0, "h:1/0"},
        {"redis://h:65535/1000000", "h", 65535, 1000000, "h:65535/1000000"},
        {"redis://h:06379/007", "h", 6379, 7, "h:6379/7"},
    };
    tc_redis_address_t address;
    size_t i;

    pool = unit_pool();
    for (i = 0; i < UNIT_COUNT(cases); i++) {
        ck_assert_ptr_null(parse(cases[i].url, &address));
        ck_assert_str_eq(address.host, cases[i].host);
        ck_assert_int_eq(address.port, cases[i].port);
        ck_assert_int_eq(address.database, cases[i].database);
        ck_assert_str_eq(address.name, cases[i].name);
        ck_assert_ptr_null(address.socket);
    }
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(an_ipv6_address_stands_in_brackets)
{
    static const struct {
        const char *url, *host;
        int port, database;
    } cases[] = {
        {"redis://[::1]", "::1", 6379, 0},
        {"redis://[::1]:6380", "::1", 6380, 0},
        {"redis://[::1]/2", "::1", 6379, 2},
        {"redis://[2001:db8::7]:6380/2", "2001:db8::7", 6380, 2},
        {"redis://[fe80::1%eth0]:6380/", "fe80::1%eth0", 6380, 0},
    };
    tc_redis_address_t address;
    size_t i;

    pool = unit_pool();
    for (i = 0; i < UNIT_COUNT(cases); i++) {
        ck_assert_ptr_null(parse(cases[i].url, &address));
        ck_assert_str_eq(address.host, cases[i].host);
        ck_assert_int_eq(address.port, cases[i].port);
        ck_assert_int_eq(address.database, cases[i].database);
        ck_assert_ptr_null(address.socket);
    }
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(brackets_that_are_not_a_pair_around_the_whole_host_are_refused)
{
    static const char *const urls[] = {
        "redis://[::1",   "redis://[::1/0",  "redis://[",      "redis://[::1]x",
        "redis://::1]",   "redis://x[::1]",  "redis://[::1]]", "redis://[::1]x:6379",
        "redis://[[::1]]",
    };

    expect_all_refused(urls, UNIT_COUNT(urls));
}
END_TEST

START_TEST(a_url_without_a_host_is_refused)
{
    static const char *const urls[] = {"redis://", "redis:///", "redis:///3", "redis://:6379",
                                       "redis://:6379/0", "redis://[]", "redis://[]:6379"};

    expect_all_wrong(urls, UNIT_COUNT(urls), "there is no host; " HOW);
}
END_TEST

START_TEST(a_port_is_a_number_from_1_to_65535)
{
    static const char *const urls[] = {
        "redis://h:",      "redis://h:/0",    "redis://h:0",       "redis://h:65536",
        "redis://h:-1",    "redis://h:+1",    "redis://h:six",     "redis://h:6379x",
        "redis://h: 6379", "redis://h:6379 ", "redis://h:1:2",     "redis://::1",
        "redis://[::1]:",  "redis://[::1]:0", "redis://h:0x18eb",  "redis://h:4294973675",
        "redis://h:18446744073709557995",
    };

    expect_all_wrong(urls, UNIT_COUNT(urls), "the port is not a number from 1 to 65535; " HOW);
}
END_TEST

START_TEST(a_database_is_a_number_of_a_sensible_size)
{
    static const char *const urls[] = {
        "redis://h/x",       "redis://h/-1",         "redis://h/1000001", "redis://h/1/",
        "redis://h/1/2",     "redis://h//1",         "redis://h/ 1",      "redis://h/1 ",
        "redis://h/1?db=2",  "redis://h:6379/1x",    "redis://h/+1",      "redis://h/4294967296",
        "redis://[::1]/one", "redis://h/0x1",        "redis://h/18446744073709551617",
    };

    expect_all_wrong(urls, UNIT_COUNT(urls), "the database is not a number; " HOW);
}
END_TEST

START_TEST(a_host_with_a_query_or_a_fragment_is_refused)
{
    static const char *const urls[] = {"redis://h?db=1", "redis://h:6379?db=1", "redis://h#1"};

    expect_all_refused(urls, UNIT_COUNT(urls));
}
END_TEST

/* ---- sockets ---- */

START_TEST(a_socket_may_have_a_database)
{
    static const struct {
        const char *url, *socket;
        int database;
        const char *name;
    } cases[] = {
        {"unix:/run/redis.sock", "/run/redis.sock", 0, "/run/redis.sock?db=0"},
        {"unix:/run/redis.sock?db=0", "/run/redis.sock", 0, "/run/redis.sock?db=0"},
        {"unix:/run/redis.sock?db=7", "/run/redis.sock", 7, "/run/redis.sock?db=7"},
        {"unix:///run/redis.sock?db=7", "/run/redis.sock", 7, "/run/redis.sock?db=7"},
        {"unix:/a b/c:d", "/a b/c:d", 0, "/a b/c:d?db=0"},
    };
    tc_redis_address_t address;
    size_t i;

    pool = unit_pool();
    for (i = 0; i < UNIT_COUNT(cases); i++) {
        ck_assert_ptr_null(parse(cases[i].url, &address));
        ck_assert_str_eq(address.socket, cases[i].socket);
        ck_assert_int_eq(address.database, cases[i].database);
        ck_assert_str_eq(address.name, cases[i].name);
        ck_assert_ptr_null(address.host);
    }
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(behind_a_socket_stands_a_database_and_nothing_else)
{
    static const char *const urls[] = {
        "unix:/s?",       "unix:/s?db",      "unix:/s?db=",          "unix:/s?db=x",
        "unix:/s?db=-1",  "unix:/s?DB=1",    "unix:/s?db=1&x=2",     "unix:/s?db=1?db=2",
        "unix:/s?x=1",    "unix:/s?db=1 ",   "unix:/s?db=1000001",   "unix:s?db=x",
        "unix:/s?password=secret",           "unix:/s?db=1&password=secret",
    };

    expect_all_wrong(urls, UNIT_COUNT(urls),
                     "the text after ? is not db= and a number; " HOW);
}
END_TEST

START_TEST(the_path_of_a_socket_is_absolute)
{
    static const char *const urls[] = {"unix:", "unix:redis.sock", "unix:?db=1", "unix:./s",
                                       "unix:s?db=1", "unix: /s"};

    expect_all_wrong(urls, UNIT_COUNT(urls), "the socket's path does not begin with /; " HOW);
}
END_TEST

START_TEST(a_path_that_no_socket_can_have_is_refused)
{
    char url[200] = "unix:/";
    tc_redis_address_t address;
    const char *wrong;

    pool = unit_pool();
    memset(url + strlen("unix:/"), 'x', 106); /* sun_path has 108 bytes on Linux, with its NUL */
    ck_assert_ptr_null(parse(url, &address));
    ck_assert_str_eq(address.socket, url + strlen("unix:"));
    strcat(url, "x");
    wrong = parse(url, &address);
    ck_assert_ptr_nonnull(wrong);
    ck_assert_str_eq(wrong,
                     "the socket's path is longer than 107 bytes, the most that the system allows");
    apr_pool_destroy(pool);
}
END_TEST

/* ---- refused ---- */

START_TEST(credentials_in_a_url_are_refused_and_not_repeated)
{
    static const char *const urls[] = {
        "redis://user:secret@h:6379/0", "redis://:secret@h", "redis://secret@h", "redis://@h",
        "redis://h@", "redis://user:sec/ret@h", "redis://[::1]@h:1", "redis://h/0@secret",
    };

    expect_all_wrong(urls, UNIT_COUNT(urls),
                     "leave user and password out of the URL, which many may read; write "
                     "TripChatRedisUser and TripChatRedisPasswordFile");
}
END_TEST

/* Clients in other languages write URLs like these. The name of a socket goes to the logs. */
START_TEST(credentials_before_a_socket_do_not_become_its_name)
{
    static const char *const urls[] = {"unix://:secret@/run/s", "unix://user:secret@/run/s?db=1",
                                       "unix:user:secret@/run/s"};

    expect_all_refused(urls, UNIT_COUNT(urls));
}
END_TEST

START_TEST(tls_is_refused_by_name)
{
    static const char *const urls[] = {"rediss://h", "rediss://", "rediss://user:secret@h:6379/0"};

    expect_all_wrong(urls, UNIT_COUNT(urls), "TLS to Redis is not supported; " HOW);
}
END_TEST

START_TEST(whatever_else_is_told_what_to_write)
{
    static const char *const urls[] = {
        "",          "local",   "Local",   "redis",   "redis:",   "redis:h",      "redis:/h",
        "redis//h",  "REDIS://h", " redis://h", "h:6379", "tcp://h", "http://h", "redis+unix:///s",
        "unix",      "UNIX:/s", "/run/s",  "rediss:", "rediss:/h", "redis-socket:///s",
    };

    expect_all_wrong(urls, UNIT_COUNT(urls), HOW);
}
END_TEST

START_TEST(the_rest_of_an_address_is_left_alone)
{
    tc_redis_address_t address = {.user = "u", .password = "p", .timeout_us = 7};

    pool = unit_pool();
    ck_assert_ptr_null(tc_redis_url_parse("redis://h:1/2", &address, pool));
    ck_assert_str_eq(address.user, "u");
    ck_assert_str_eq(address.password, "p");
    ck_assert_int_eq(address.timeout_us, 7);
    ck_assert_ptr_null(tc_redis_url_parse("unix:/s", &address, pool)); /* no part of the old address is left */
    ck_assert_ptr_null(address.host);
    ck_assert_int_eq(address.database, 0);
    ck_assert_ptr_null(tc_redis_url_parse("redis://h", &address, pool));
    ck_assert_ptr_null(address.socket);
    ck_assert_int_eq(address.port, 6379);
    apr_pool_destroy(pool);
}
END_TEST

/* ---- equal ---- */

START_TEST(addresses_are_equal_when_everything_but_the_name_is)
{
    const tc_redis_address_t base = {.name = "n", .host = "h", .port = 1, .socket = "/s",
                                     .database = 2, .user = "u", .password = "p",
                                     .timeout_us = 3};
    char host[] = "h", socket[] = "/s", user[] = "u", password[] = "p";
    tc_redis_address_t same = base;

    same.name = "other";
    same.host = host;
    same.socket = socket;
    same.user = user;
    same.password = password;
    ck_assert(tc_redis_address_equal(&base, &base));
    ck_assert(tc_redis_address_equal(&base, &same));
    ck_assert(tc_redis_address_equal(&(tc_redis_address_t){0}, &(tc_redis_address_t){0}));
}
END_TEST

START_TEST(addresses_that_differ_in_anything_are_not_equal)
{
    const tc_redis_address_t base = {.host = "h", .port = 1, .socket = "/s", .database = 2,
                                     .user = "u", .password = "p", .timeout_us = 3};
    tc_redis_address_t others[11];
    size_t i;

    for (i = 0; i < UNIT_COUNT(others); i++) {
        others[i] = base;
    }
    others[0].host = "H";
    others[1].host = NULL;
    others[2].port = 9;
    others[3].socket = "/t";
    others[4].socket = NULL;
    others[5].database = 9;
    others[6].user = "v";
    others[7].user = NULL;
    others[8].password = "q";
    others[9].password = NULL;
    others[10].timeout_us = 9;
    for (i = 0; i < UNIT_COUNT(others); i++) {
        ck_assert_msg(!tc_redis_address_equal(&base, &others[i]), "%d", (int)i);
        ck_assert_msg(!tc_redis_address_equal(&others[i], &base), "%d", (int)i);
    }
}
END_TEST

UNIT_MAIN("redis_url", a_host_may_have_a_port_and_a_database, an_ipv6_address_stands_in_brackets,
          brackets_that_are_not_a_pair_around_the_whole_host_are_refused,
          a_url_without_a_host_is_refused, a_port_is_a_number_from_1_to_65535,
          a_database_is_a_number_of_a_sensible_size,
          a_host_with_a_query_or_a_fragment_is_refused, a_socket_may_have_a_database,
          behind_a_socket_stands_a_database_and_nothing_else, the_path_of_a_socket_is_absolute,
          a_path_that_no_socket_can_have_is_refused,
          credentials_in_a_url_are_refused_and_not_repeated,
          credentials_before_a_socket_do_not_become_its_name, tls_is_refused_by_name,
          whatever_else_is_told_what_to_write, the_rest_of_an_address_is_left_alone,
          addresses_are_equal_when_everything_but_the_name_is,
          addresses_that_differ_in_anything_are_not_equal)
