/* Tokens in text that goes to a log. See mask.h. */
#include "unit.h"

#include "codec/mask.h"

#include <string.h>

#define JWT "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"

typedef struct {
    const char *text, *masked;
} case_t;

/* The masked text; the caller frees it. */
static char *shortened(tc_mask_kind_e kind, const char *text)
{
    char *copy = (char *)unit_copy(text, strlen(text) + 1);

    tc_mask_shorten(kind, copy);
    return copy;
}

static void check_all(tc_mask_kind_e kind, const case_t *cases, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        char *once = shortened(kind, cases[i].text), *twice = shortened(kind, once);

        ck_assert_str_eq(once, cases[i].masked);
        ck_assert_str_eq(twice, once);
        ck_assert_msg(tc_mask_finds(kind, cases[i].text) == (strcmp(cases[i].text, once) != 0), "%s", cases[i].text);
        ck_assert_msg(!tc_mask_finds(kind, once), "%s", once);
        free(once);
        free(twice);
    }
}

START_TEST(parameters_are_masked_in_every_spelling)
{
    static const case_t cases[] = {
        {"GET /ws/chat/x?token=SECRET HTTP/1.1", "GET /ws/chat/x?token=*** HTTP/1.1"},
        {"token=SECRET", "token=***"},
        {"a=1&token=SECRET&b=2", "a=1&token=***&b=2"},
        {"token=***&token=SECRET", "token=***&token=***"},
        {"token=%2A%2A%2A&token=SECRET", "token=***&token=***"},
        {"token=SECRET%", "token=***"},
        {"token=SECRET%00&x", "token=***&x"},
        {"token=SEC%zzRET", "token=***"},
        {"%74oken=SECRET", "%74oken=***"},
        {"%2574oken=SECRET", "%2574oken=***"},
        {"tok%65n%3DSECRET", "tok%65n%3D***"},
        {"TOKEN=SECRET", "TOKEN=***"},
        {"access_token=SECRET", "access_token=***"},
        {"access%5Ftoken=SECRET", "access%5Ftoken=***"},
        {"a=1;token=SECRET", "a=1;token=***"},
        {"/ws/chat/x%3Ftoken=SECRET", "/ws/chat/x%3Ftoken=***"},
        {"/?next=%2Fws%2Fchat%3Ftoken%3DSECRET%26after%3D5", "/?next=%2Fws%2Fchat%3Ftoken%3D***"},
        {"https://a.org/x?a&token=SECRET#there", "https://a.org/x?a&token=***"},
        {"token=SECRET;token=OTHER", "token=***"},
        {"token=x", "token=*"},
        {"token=SEC\001RET", "token=***"},
        {"token=\"SECRET\"", "token=***\""},
        {"GET /x?token=SECR", "GET /x?token=***"},
        {"token=", "token="},
        {"token=&a", "token=&a"},
        {"csrf_token=mine", "csrf_token=mine"},
        {"tokens=2", "tokens=2"},
        {"/token/5?x", "/token/5?x"},
        {"100%", "100%"},
        {"", ""},
    };

    check_all(TC_MASK_TEXT, cases, UNIT_COUNT(cases));
}
END_TEST

START_TEST(credentials_are_masked_behind_their_scheme)
{
    static const case_t cases[] = {
        {"Bearer SECRET", "Bearer ***"},
        {"bearer  SECRET", "bearer  ***"},
        {"Bearer\tSECRET", "Bearer\t***"},
        {"Bearer x", "Bearer *"},
        {"Token SECRET", "Token ***"},
        {"Token token=\"SECRET\"", "Token ***\""},
        {"JWT SECRET", "JWT ***"},
        {"DPoP SECRET", "DPoP ***"},
        {"ApiKey SECRET", "***"},
        {"Bearer: SECRET", "Bearer: ***"},
        {"Bearer, SECRET", "Bearer, ***"},
        {"SECRET", "***"},
        {"SEC.RET", "***"},
        {JWT, "***"},
        {"Basic dXNlcjpwYXNz", "Basic dXNlcjpwYXNz"},
        {"Basic dXNlcjpwYXNz, Bearer SECRET", "Basic dXNlcjpwYXNz, Bearer ***"},
        {"Digest username=\"bearer of news\"", "Digest username=\"bearer of news\""},
        {"Negotiate YII=", "Negotiate YII="},
        {"", ""},
    };

    check_all(TC_MASK_CREDENTIALS, cases, UNIT_COUNT(cases));
}
END_TEST

START_TEST(subprotocols_that_are_tokens_are_masked)
{
    static const case_t cases[] = {
        {"tripchat, bearer.SECRET", "tripchat, bearer.***"},
        {"bearer.SECRET,tripchat", "bearer.***,tripchat"},
        {"bearer, SECRET", "bearer, ***"},
        {"bearer,SECRET, tripchat", "bearer,***, tripchat"},
        {"bearer SECRET", "bearer ***"},
        {"access_token, SECRET", "access_token, ***"},
        {"token.SECRET", "token.***"},
        {"jwt, SECRET", "jwt, ***"},
        {"Bearer.SECRET", "Bearer.***"},
        {"base64url.bearer.authorization.k8s.io.SECRET", "base64url.bearer.***"},
        {"graphql-ws, mqtt", "graphql-ws, mqtt"},
        {"tripchat, " JWT, "tripchat, ***"},
        {"tripchat", "tripchat"},
        {",, ,", ",, ,"},
    };

    check_all(TC_MASK_PROTOCOLS, cases, UNIT_COUNT(cases));
}
END_TEST

START_TEST(web_tokens_are_masked_wherever_they_stand)
{
    static const case_t cases[] = {
        {"/chat/" JWT "/x", "/chat/***/x"},
        {"session=" JWT "; theme=dark", "session=***; theme=dark"},
        {"eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.", "***"},
        {"eyJhbGciOiJIUzI1NiJ9%2EeyJzdWIiOiIxIn0%2Ec2ln", "***"},
        {"XSRF-TOKEN=eyJpdiI6IlRTdEtlK2FscyJ9", "XSRF-TOKEN=eyJpdiI6IlRTdEtlK2FscyJ9"},
        {"they.even.say", "they.even.say"},
        {"Bearer SECRET in a variable", "Bearer *** in a variable"},
        {"no bearer token was found", "no bearer token was found"},
        {"Bearer realm=\"Chat\"", "Bearer realm=\"Chat\""},
    };

    check_all(TC_MASK_TEXT, cases, UNIT_COUNT(cases));
}
END_TEST

START_TEST(names_tell_the_kind_of_a_value)
{
    ck_assert_int_eq(tc_mask_kind_of("Authorization"), TC_MASK_CREDENTIALS);
    ck_assert_int_eq(tc_mask_kind_of("proxy-authorization"), TC_MASK_CREDENTIALS);
    ck_assert_int_eq(tc_mask_kind_of("REDIRECT_HTTP_AUTHORIZATION"), TC_MASK_CREDENTIALS);
    ck_assert_int_eq(tc_mask_kind_of("TOKEN"), TC_MASK_CREDENTIALS);
    ck_assert_int_eq(tc_mask_kind_of("Sec-WebSocket-Protocol"), TC_MASK_PROTOCOLS);
    ck_assert_int_eq(tc_mask_kind_of("HTTP_SEC_WEBSOCKET_PROTOCOL"), TC_MASK_PROTOCOLS);
    ck_assert_int_eq(tc_mask_kind_of("Referer"), TC_MASK_TEXT);
    ck_assert_int_eq(tc_mask_kind_of(""), TC_MASK_TEXT);
}
END_TEST

/* Escaped text of a log, without a NUL behind it. */
START_TEST(lines_of_a_log_keep_their_length)
{
    static const case_t cases[] = {
        {"AH10244: invalid URI path (/x?token=SECRET), referer: http://h/?token=SECRET",
         "AH10244: invalid URI path (/x?token=******), referer: http://h/?token=******"},
        {"  Authorization: Bearer SECRET", "  Authorization: Bearer ******"},
        {"Authorization: SECRET   (a hook)", "Authorization: *********** hook)"},
        {"  Authorization: Token token=\"s\", a", "  Authorization: Token ********\", a"},
        {"  Authorization: Token s, referer: x", "  Authorization: Token *, referer: x"},
        {"  Authorization: Bearer\\tSECRET", "  Authorization: Bearer\\t******"},
        {"authorization: Basic dXNlcg==", "authorization: Basic dXNlcg=="},
        {"  Sec-WebSocket-Protocol: bearer, SECRET", "  Sec-WebSocket-Protocol: bearer, ******"},
        {"in: Authorization: Bearer SECRET\\r\\nHost: h\\r\\n", "in: Authorization: Bearer ******\\r\\nHost: h\\r\\n"},
        {"in: Sec-WebSocket-Protocol: bearer\\r\\nHost: h\\r\\n", "in: Sec-WebSocket-Protocol: bearer\\r\\nHost: h\\r\\n"},
        {"in: a=b\\r\\ntoken=SECRET", "in: a=b\\r\\ntoken=******"},
        {"in: a\\ttoken=SECRET\\\\x\\x1b", "in: a\\ttoken=*********\\x1b"},
        {"split uri=/x?token=SECRET -> uri=/x, args=token=SECRET", "split uri=/x?token=****** -> uri=/x, args=token=******"},
        {"input='token=SECRET' pattern='^token='", "input='token=******' pattern='^token='"},
        {"authorization result of Require all granted: granted", "authorization result of Require all granted: granted"},
        {"a token is too old", "a token is too old"},
        {"ends with \\", "ends with \\"},
        {"token=\\", "token=*"},
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        size_t len = strlen(cases[i].text);
        char *line = (char *)unit_copy(cases[i].text, len);

        tc_mask_line(line, len);
        ck_assert_msg(memcmp(line, cases[i].masked, len) == 0, "%.*s", (int)len, line);
        free(line);
    }
}
END_TEST

/* The sanitizer sees a read or write out of bounds, and the watchdog an endless loop. */
START_TEST(any_text_can_be_masked)
{
    static const char *const pieces[] = {"token=", "bearer", "authorization", "sec-websocket-protocol", ":", ",", " ", "%",
                                         "%3D", "\\", "\\n", "\\\\", "*", "eyJhbGciOiJ9", ".", "\"", "\r", "x", "&", "%25"};
    unit_random_t random = unit_random_of(7);
    int i;

    for (i = 0; i < 50000; i++) {
        char text[256] = "", *copy;
        unsigned left = unit_random_below(&random, 12);
        tc_mask_kind_e kind = (tc_mask_kind_e)unit_random_below(&random, 3);

        while (left-- > 0) {
            strcat(text, pieces[unit_random_below(&random, UNIT_COUNT(pieces))]);
        }
        copy = (char *)unit_copy(text, strlen(text));
        tc_mask_line(copy, strlen(text));
        free(copy);
        copy = shortened(kind, text);
        ck_assert_uint_le(strlen(copy), strlen(text));
        (void)tc_mask_finds(kind, copy);
        free(copy);
    }
}
END_TEST

UNIT_MAIN("Tokens in logs", parameters_are_masked_in_every_spelling, credentials_are_masked_behind_their_scheme,
          subprotocols_that_are_tokens_are_masked, web_tokens_are_masked_wherever_they_stand,
          names_tell_the_kind_of_a_value, lines_of_a_log_keep_their_length, any_text_can_be_masked)
