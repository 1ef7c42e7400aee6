/* The opening handshake's fields. RFC 6455, 4.2, and RFC 9110, 5.6 for lists and tokens. */
#include "unit.h"

#include "codec/handshake.h"

#define KEY "dGhlIHNhbXBsZSBub25jZQ==" /* RFC 6455, 1.3 */
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

static const tc_handshake_in_t good = {
    .method = "GET",
    .http_1_1 = true,
    .upgrade = "websocket",
    .connection = "Upgrade",
    .version = "13",
    .key = KEY,
};

/* The status for a handshake. Also checks that the other fields of the answer fit the status. */
static int check(const tc_handshake_in_t *in, tc_handshake_out_t *out)
{
    tc_handshake_check(in, out);
    ck_assert((out->status == 101) == (out->why == NULL));
    if (out->status == 101 && in->key != NULL && strcmp(in->key, KEY) == 0) {
        ck_assert_str_eq(out->accept, ACCEPT);
    }
    return out->status;
}

START_TEST(the_example_of_the_rfc_is_accepted)
{
    tc_handshake_out_t out;

    ck_assert_int_eq(check(&good, &out), 101);
    ck_assert_str_eq(out.accept, ACCEPT);
    ck_assert(!out.subprotocol);
    ck_assert_ptr_null(out.bearer);
}
END_TEST

typedef struct {
    const char *value;
    int status;
} case_t;

/* Checks the status for each value that a table has for one field. */
#define CHECK_FIELD(field, cases)                                                                  \
    do {                                                                                           \
        size_t each;                                                                               \
        for (each = 0; each < UNIT_COUNT(cases); each++) {                                         \
            tc_handshake_in_t in = good;                                                           \
            tc_handshake_out_t out;                                                                \
            in.field = (cases)[each].value;                                                        \
            ck_assert_msg(check(&in, &out) == (cases)[each].status, "%s gave %d",                  \
                          (cases)[each].value ? (cases)[each].value : "(missing)", out.status);    \
        }                                                                                          \
    } while (0)

START_TEST(a_handshake_is_a_get)
{
    static const case_t methods[] = {{"GET", 101}, {"get", 405}, {"POST", 405}, {"HEAD", 405},
                                     {"", 405},    {"GETX", 405}};

    CHECK_FIELD(method, methods);
}
END_TEST

START_TEST(a_handshake_needs_http_1_1)
{
    tc_handshake_in_t old = good;
    tc_handshake_out_t out;

    old.http_1_1 = false;
    ck_assert_int_eq(check(&old, &out), 400);
}
END_TEST

START_TEST(upgrade_must_say_websocket)
{
    static const case_t upgrades[] = {
        {NULL, 426},          {"websocket", 101},     {"WebSocket", 101},     {"h2c, websocket", 101},
        {"websocket,", 101},  {" websocket ", 101},   {",,websocket", 101},   {"\twebsocket\t", 101},
        {"", 400},            {"websocke", 400},      {"websockets", 400},    {"h2c", 400},
        {"web socket", 400},  {"websocket h2c", 400}, {"\"websocket\"", 400}, {"websocket;", 400},
        {"xwebsocket", 400},          {"websocket, a b", 400},
    };

    CHECK_FIELD(upgrade, upgrades);
}
END_TEST

START_TEST(connection_must_say_upgrade)
{
    static const case_t connections[] = {
        {NULL, 400},         {"", 400},
        {"Upgrade", 101},    {"upgrade", 101},
        {"UPGRADE", 101},    {"keep-alive, Upgrade", 101},
        {"keep-alive", 400}, {"Upgrade, keep-alive", 101},
        {"Upgraded", 400},   {"keep-alive Upgrade", 400},
        {"close,upgrade,", 101}, {"Upgrade, keep alive", 400},
    };

    CHECK_FIELD(connection, connections);
}
END_TEST

START_TEST(the_version_is_thirteen)
{
    static const case_t versions[] = {{NULL, 426}, {"13", 101},  {"", 426},       {"8", 426},
                                      {"14", 426}, {"013", 426}, {"13, 8", 426}, {"13x", 426}};

    CHECK_FIELD(version, versions);
}
END_TEST

START_TEST(the_key_is_the_base64_of_sixteen_bytes)
{
    static const case_t keys[] = {
        {NULL, 400},
        {"", 400},
        {"AAAAAAAAAAAAAAAAAAAAAA==", 101},
        {"/////////////////////w==", 101},
        {"++++++++++++++++++++++==", 400}, /* unused bits of the last digit are not zero */
        {"AAAAAAAAAAAAAAAAAAAAAB==", 400},
        {"dGhlIHNhbXBsZSBub25jZQ=", 400},
        {"dGhlIHNhbXBsZSBub25jZQ===", 400},
        {"dGhlIHNhbXBsZSBub25jZQ== ", 400},
        {"dGhlIHNhbXBsZSBub25jZQAA", 400},
        {"dGhlIHNhbXBsZSBub25jZ===", 400},
        {"dGhlIHNhbXBsZSBub25j-Q==", 400},
        {"dGhl IHNhbXBsZSBub25jQ==", 400},
        {"dGhlIHNhbXBsZSBub25jZQ==dGhlIHNhbXBsZSBub25jZQ==", 400},
        {"dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==", 400},
    };

    CHECK_FIELD(key, keys);
}
END_TEST

START_TEST(every_last_digit_of_a_key_is_judged_by_its_spare_bits)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t i;

    for (i = 0; i < 64; i++) {
        char key[] = "AAAAAAAAAAAAAAAAAAAAAA==";
        tc_handshake_in_t in = good;
        tc_handshake_out_t out;

        key[21] = digits[i];
        in.key = key;
        ck_assert_int_eq(check(&in, &out), i % 16 == 0 ? 101 : 400);
    }
}
END_TEST

START_TEST(subprotocols_bring_ours_and_a_token)
{
    static const struct {
        const char *protocols;
        int status;
        bool ours;
        const char *bearer;
        const char *other;
    } cases[] = {
        {"tripchat", 101, true, NULL, NULL},
        {"tripchat, bearer.aa.bb.cc", 101, true, "aa.bb.cc", NULL},
        {"bearer.aa.bb.cc,tripchat", 101, true, "aa.bb.cc", NULL},
        {"bearer.aa.bb.cc", 101, false, "aa.bb.cc", "bearer.aa.bb.cc"},
        {"bearer.a-b_c.d, chat", 101, false, "a-b_c.d", "chat"},
        {"chat, superchat", 101, false, NULL, "chat"},
        {"TRIPCHAT", 101, false, NULL, "TRIPCHAT"},
        {"tripchatter, tripcha", 101, false, NULL, "tripchatter"},
        {"bearer.", 101, false, NULL, "bearer."},
        {"bearer", 101, false, NULL, "bearer"},
        {"", 101, false, NULL, NULL},
        {"bearer.a, bearer.b", 101, false, "b", "bearer.a"},
        {"bearer.a, 0123456789012345678901234567890123456789012345678901234567890123x", 101, false, "a", "bearer.a"},
        {"bearer.a, 0123456789012345678901234567890123456789012345678901234567890123, z", 101, false, "a",
         "0123456789012345678901234567890123456789012345678901234567890123"},
        {"tripchat, a b", 400, false, NULL, NULL},
        {"tripchat; q=1", 400, false, NULL, NULL},
        {"bearer.a=b", 400, false, NULL, NULL},
        {"trip\x01" "chat", 400, false, NULL, NULL},
        {"tripch\xc3\xa4t", 400, false, NULL, NULL},
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        tc_handshake_in_t in = good;
        tc_handshake_out_t out;

        in.protocols = cases[i].protocols;
        ck_assert_msg(check(&in, &out) == cases[i].status, "%s", cases[i].protocols);
        if (cases[i].status != 101) {
            continue;
        }
        ck_assert(out.subprotocol == cases[i].ours);
        ck_assert((out.bearer == NULL) == (cases[i].bearer == NULL));
        ck_assert_uint_eq(out.other_len, cases[i].other ? strlen(cases[i].other) : 0);
        ck_assert(cases[i].other == NULL || memcmp(out.other, cases[i].other, out.other_len) == 0);
        if (out.bearer != NULL) {
            ck_assert_uint_eq(out.bearer_len, strlen(cases[i].bearer));
            ck_assert_mem_eq(out.bearer, cases[i].bearer, out.bearer_len);
        }
    }
}
END_TEST

START_TEST(what_is_refused_first_is_what_the_client_is_told)
{
    tc_handshake_in_t in = {.method = "POST"};
    tc_handshake_out_t out;

    ck_assert_int_eq(check(&in, &out), 405);
    in.method = "GET";
    ck_assert_int_eq(check(&in, &out), 400);
    in.http_1_1 = true;
    ck_assert_int_eq(check(&in, &out), 426);
    in.upgrade = "websocket";
    ck_assert_int_eq(check(&in, &out), 400);
    in.connection = "upgrade";
    ck_assert_int_eq(check(&in, &out), 426);
    in.version = "13";
    ck_assert_int_eq(check(&in, &out), 400);
    in.key = KEY;
    ck_assert_int_eq(check(&in, &out), 101);
}
END_TEST

UNIT_MAIN("handshake", the_example_of_the_rfc_is_accepted, a_handshake_is_a_get, a_handshake_needs_http_1_1,
          upgrade_must_say_websocket, connection_must_say_upgrade, the_version_is_thirteen,
          the_key_is_the_base64_of_sixteen_bytes,
          every_last_digit_of_a_key_is_judged_by_its_spare_bits,
          subprotocols_bring_ours_and_a_token, what_is_refused_first_is_what_the_client_is_told)
