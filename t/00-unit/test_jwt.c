/*
 * Tokens: which are accepted, and that every other one is refused. OpenSSL's HMAC and base64 make the tokens, so that
 * the code under test does not. RFC 7515, 7518 and 7519.
 */
#include "unit.h"

#include "base/limits.h"
#include "token/jwt.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#define NOW 1700000000
#define HS256 "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define GOOD "\"user_id\":\"u1\",\"token_type\":\"access\",\"exp\":1700000060,\"iat\":1699999990"

static const unsigned char secret[] = "a secret of more than thirty-two bytes";
static const tc_jwt_alg_t hs256 = {"HS256", TC_JWT_HMAC, 256, 0};
static const tc_jwt_key_t key = {.alg = &hs256, .bytes = secret, .len = sizeof(secret) - 1};
static const tc_jwt_rules_t rules = {.keys = &key, .user_claim = "user_id"};

static void sign(tc_buf_t *token, const EVP_MD *digest, const void *with, size_t with_len)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_len = 0;

    HMAC(digest, with, (int)with_len, token->data, token->len, mac, &mac_len);
    TC_BUF_LIT(token, ".");
    unit_append_base64url(token, mac, mac_len);
}

/* Makes "header.claims" without a signature. */
static tc_buf_t unsigned_token(const char *header, const void *claims, size_t claims_len)
{
    tc_buf_t token = TC_BUF_INIT;

    unit_append_base64url(&token, header, strlen(header));
    TC_BUF_LIT(&token, ".");
    unit_append_base64url(&token, claims, claims_len);
    return token;
}

/* Makes a token that is signed with the secret. `claims` has no braces. */
static tc_buf_t make_token(const char *header, const char *claims)
{
    tc_buf_t object = TC_BUF_INIT, token;

    unit_append_text(&object, "{%s}", claims);
    token = unsigned_token(header, object.data, object.len);
    tc_buf_free(&object);
    sign(&token, EVP_sha256(), secret, sizeof(secret) - 1);
    return token;
}

/* Verifies and frees a token. Returns NULL if the token was accepted, otherwise the reason. */
static const char *verify_with(tc_buf_t token, const tc_jwt_rules_t *with, int64_t now_s,
                               tc_jwt_identity_t *out, apr_pool_t *pool)
{
    unsigned char *exact = unit_copy(token.data, token.len);
    const char *why = tc_jwt_verify((char *)exact, token.len, with, now_s, out, pool);

    free(exact);
    tc_buf_free(&token);
    return why;
}

static bool is_good(tc_buf_t token)
{
    apr_pool_t *pool = unit_pool();
    tc_jwt_identity_t identity;
    bool good = verify_with(token, &rules, NOW, &identity, pool) == NULL;

    apr_pool_destroy(pool);
    return good;
}

START_TEST(a_good_token_says_who_and_how_long)
{
    apr_pool_t *pool = unit_pool();
    tc_jwt_identity_t identity;

    ck_assert_ptr_null(verify_with(make_token(HS256, GOOD), &rules, NOW, &identity, pool));
    ck_assert_str_eq(identity.user_id, "u1");
    ck_assert_int_eq(identity.expires_s, NOW + 60);
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(what_a_token_need_not_have_it_need_not_have)
{
    ck_assert(is_good(make_token("{\"alg\":\"HS256\"}", "\"user_id\":\"u1\",\"exp\":1700000060")));
    ck_assert(is_good(make_token("{\"typ\":\"JWT\",\"kid\":\"1\",\"alg\":\"HS256\"}", GOOD)));
    ck_assert(is_good(make_token(HS256, GOOD ",\"more\":{\"deep\":[1,2]},\"aud\":[\"a\"]")));
}
END_TEST

START_TEST(the_user_claim_has_the_name_that_is_configured)
{
    static const tc_jwt_rules_t by_sub = {.keys = &key, .user_claim = "sub"};
    apr_pool_t *pool = unit_pool();
    tc_jwt_identity_t identity;

    ck_assert_ptr_null(verify_with(make_token(HS256, GOOD ",\"sub\":\"s1\""), &by_sub, NOW,
                                   &identity, pool));
    ck_assert_str_eq(identity.user_id, "s1");
    ck_assert_ptr_nonnull(verify_with(make_token(HS256, GOOD), &by_sub, NOW, &identity, pool));
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(a_number_may_name_the_user_and_nothing_else_but_a_string)
{
    static const struct {
        const char *claim;
        const char *user;
    } cases[] = {
        {"7", "7"},     {"1234567890123", "1234567890123"}, {"\"7\"", "7"}, {"\"\"", NULL},
        {"null", NULL}, {"true", NULL},                     {"1.5", NULL},  {"[\"u1\"]", NULL},
        {"{}", NULL},   {"\"u\\u0000x\"", NULL},            {"\"\\u0000\"", NULL},
        {"9223372036854775807", "9223372036854775807"},
        {"18446744073709551616", NULL}, {"99999999999999999999", NULL}, {"-9223372036854775809", NULL},
        {"\"99999999999999999999\"", "99999999999999999999"},
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        apr_pool_t *pool = unit_pool();
        tc_jwt_identity_t identity;
        char claims[200];
        const char *why;

        snprintf(claims, sizeof(claims), "\"user_id\":%s,\"exp\":1700000060", cases[i].claim);
        why = verify_with(make_token(HS256, claims), &rules, NOW, &identity, pool);
        ck_assert_msg((why == NULL) == (cases[i].user != NULL), "%s", cases[i].claim);
        if (why == NULL) {
            ck_assert_str_eq(identity.user_id, cases[i].user);
        }
        apr_pool_destroy(pool);
    }
}
END_TEST

START_TEST(a_token_is_in_force_from_nbf_until_exp)
{
    static const struct {
        const char *times;
        bool good;
    } cases[] = {
        {"\"exp\":1700000001", true},
        {"\"exp\":1700000000", false},
        {"\"exp\":1699999999", false},
        {"\"exp\":0", false},
        {"\"exp\":-1", false},
        {"\"exp\":1700000001.5", true},
        {"\"exp\":1699999999.9", false},
        {"\"exp\":1e300", true},
        {"\"exp\":-1e300", false},
        {"\"exp\":\"1700000060\"", false},
        {"\"exp\":null", false},
        {"\"exp\":true", false},
        {"\"iat\":1", false},
        {"\"exp\":1700000060,\"nbf\":1700000000", true},
        {"\"exp\":1700000060,\"nbf\":1700000001", false},
        {"\"exp\":1700000060,\"nbf\":1699999999.5", true},
        {"\"exp\":1700000060,\"nbf\":\"1\"", false},
        {"\"exp\":1700000060,\"nbf\":null", false},
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        char claims[200];

        snprintf(claims, sizeof(claims), "\"user_id\":\"u1\",%s", cases[i].times);
        ck_assert_msg(is_good(make_token(HS256, claims)) == cases[i].good, "%s", cases[i].times);
    }
}
END_TEST

START_TEST(a_token_of_another_type_is_refused)
{
    static const char *const values[] = {"\"refresh\"", "\"Access\"", "\"\"",
                                         "null",        "1",          "\"access\\u0000\""};
    size_t i;

    for (i = 0; i < UNIT_COUNT(values); i++) {
        char claims[200];

        snprintf(claims, sizeof(claims), "\"user_id\":\"u1\",\"exp\":1700000060,\"token_type\":%s",
                 values[i]);
        ck_assert_msg(!is_good(make_token(HS256, claims)), "%s", values[i]);
    }
}
END_TEST

/* Each token is signed with the right secret. Only its header is wrong. */
START_TEST(a_header_that_names_another_algorithm_is_refused)
{
    static const char *const headers[] = {
        "{\"alg\":\"none\"}",
        "{\"alg\":\"None\",\"typ\":\"JWT\"}",
        "{\"alg\":\"hs256\"}",
        "{\"alg\":\"HS256 \"}",
        "{\"alg\":\"HS256\\u0000\"}",
        "{\"alg\":\"HS384\"}",
        "{\"alg\":\"HS512\"}",
        "{\"alg\":\"RS256\"}",
        "{\"alg\":\"ES256\"}",
        "{\"alg\":null}",
        "{\"alg\":256}",
        "{\"alg\":[\"HS256\"]}",
        "{\"typ\":\"JWT\"}",
        "{}",
        "[]",
        "\"HS256\"",
        "",
        "{\"alg\":\"none\",\"alg\":\"HS256\"}",
        "{\"alg\":\"HS256\",\"alg\":\"none\"}",
        "{\"alg\":\"HS256\",\"crit\":[\"x\"],\"x\":1}",
        "{\"alg\":\"HS256\"}x",
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(headers); i++) {
        ck_assert_msg(!is_good(make_token(headers[i], GOOD)), "%s", headers[i]);
    }
}
END_TEST

START_TEST(a_token_signed_as_its_header_says_is_refused_when_that_is_not_ours)
{
    static const char *const headers[] = {"{\"alg\":\"HS384\"}", "{\"alg\":\"HS512\"}"};
    int i;

    for (i = 0; i < 2; i++) {
        tc_buf_t token = unsigned_token(headers[i], "{" GOOD "}", strlen("{" GOOD "}"));

        sign(&token, i ? EVP_sha512() : EVP_sha384(), secret, sizeof(secret) - 1);
        ck_assert(!is_good(token));
    }
}
END_TEST

START_TEST(a_token_without_a_signature_is_refused)
{
    static const char *const headers[] = {HS256, "{\"alg\":\"none\"}", "{\"alg\":\"NONE\"}"};
    static const char *const ends[] = {"", ".", "..", ".AA"};
    size_t i, j;

    for (i = 0; i < UNIT_COUNT(headers); i++) {
        for (j = 0; j < UNIT_COUNT(ends); j++) {
            tc_buf_t token = unsigned_token(headers[i], "{" GOOD "}", strlen("{" GOOD "}"));

            tc_buf_append_str(&token, ends[j]);
            ck_assert(!is_good(token));
        }
    }
}
END_TEST

START_TEST(a_token_of_another_secret_is_refused)
{
    static const char *const secrets[] = {"", "another secret", "a secret of more than thirty-two byte"};
    size_t i;

    for (i = 0; i < UNIT_COUNT(secrets); i++) {
        tc_buf_t token = unsigned_token(HS256, "{" GOOD "}", strlen("{" GOOD "}"));

        sign(&token, EVP_sha256(), secrets[i], strlen(secrets[i]));
        ck_assert(!is_good(token));
    }
}
END_TEST

START_TEST(without_a_key_every_token_is_refused)
{
    static const tc_jwt_key_t no_key = {.alg = &hs256, .bytes = (const unsigned char *)""};
    static const tc_jwt_rules_t no_rules = {.keys = &no_key, .user_claim = "user_id"};
    tc_buf_t token = unsigned_token(HS256, "{" GOOD "}", strlen("{" GOOD "}"));
    apr_pool_t *pool = unit_pool();
    tc_jwt_identity_t identity;

    sign(&token, EVP_sha256(), "", 0);
    ck_assert_ptr_nonnull(verify_with(token, &no_rules, NOW, &identity, pool));
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(a_token_changed_in_any_byte_is_refused)
{
    tc_buf_t token = make_token(HS256, GOOD);
    size_t i, len = token.len;

    tc_buf_free(&token);
    for (i = 0; i < len; i++) {
        token = make_token(HS256, GOOD);
        token.data[i] = token.data[i] == 'A' ? 'B' : 'A';
        ck_assert_msg(!is_good(token), "byte %zu", i);
        token = make_token(HS256, GOOD);
        token.data[i] = '\0';
        ck_assert_msg(!is_good(token), "NUL at %zu", i);
    }
}
END_TEST

START_TEST(a_token_cut_anywhere_is_refused)
{
    tc_buf_t token = make_token(HS256, GOOD);
    size_t cut, len = token.len;

    tc_buf_free(&token);
    for (cut = 0; cut < len; cut++) {
        token = make_token(HS256, GOOD);
        token.len = cut;
        ck_assert_msg(!is_good(token), "cut at %zu", cut);
    }
}
END_TEST

START_TEST(more_than_a_token_is_no_token)
{
    static const char *const tails[] = {".", "=", "A", " ", "\n", ".e30", "!", ", x"};
    static const char *const not_tokens[] = {"",  ".",  "..", "...", "a.b.c", "e30.e30.",
                                             "Bearer x", "e30.e30.e30"};
    size_t i;

    for (i = 0; i < UNIT_COUNT(tails); i++) {
        tc_buf_t token = make_token(HS256, GOOD);

        tc_buf_append_str(&token, tails[i]);
        ck_assert_msg(!is_good(token), "tail %s", tails[i]);
    }
    for (i = 0; i < UNIT_COUNT(not_tokens); i++) {
        tc_buf_t token = TC_BUF_INIT;

        unit_append_text(&token, "%s", not_tokens[i]);
        ck_assert_msg(!is_good(token), "%s", not_tokens[i]);
    }
}
END_TEST

START_TEST(claims_that_are_no_json_object_of_single_keys_are_refused)
{
    static const char *const claims[] = {
        GOOD ",\"user_id\":\"u2\"",
        GOOD ",\"exp\":1800000000",
        GOOD ",\"more\":1,\"more\":1",
        GOOD ",",
        GOOD "}{",
        ("\"deep\":[[[[[[[[[[]]]]]]]]]]," GOOD),
        "",
    };
    static const char *const whole[] = {"[]", "\"x\"", "", "null", "{" GOOD, "{" GOOD "} x"};
    size_t i;

    for (i = 0; i < UNIT_COUNT(claims); i++) {
        ck_assert_msg(!is_good(make_token(HS256, claims[i])), "%s", claims[i]);
    }
    for (i = 0; i < UNIT_COUNT(whole); i++) {
        tc_buf_t token = unsigned_token(HS256, whole[i], strlen(whole[i]));

        sign(&token, EVP_sha256(), secret, sizeof(secret) - 1);
        ck_assert_msg(!is_good(token), "%s", whole[i]);
    }
}
END_TEST

/* The signature is right, but a part of the token is not base64url (RFC 7515, 2). */
START_TEST(parts_that_are_no_base64url_are_refused)
{
    static const char *const junk[] = {"=", "!", "=!", "\n", " ", "+", "/", "A"};
    size_t i;
    int part;

    for (i = 0; i < UNIT_COUNT(junk); i++) {
        for (part = 0; part < 2; part++) {
            tc_buf_t token = TC_BUF_INIT;

            unit_append_base64url(&token, HS256 "  ", strlen(HS256 "  "));
            if (part == 0) {
                tc_buf_append_str(&token, junk[i]);
            }
            TC_BUF_LIT(&token, ".");
            unit_append_base64url(&token, "{" GOOD "}", strlen("{" GOOD "}"));
            if (part == 1) {
                tc_buf_append_str(&token, junk[i]);
            }
            sign(&token, EVP_sha256(), secret, sizeof(secret) - 1);
            ck_assert_msg(!is_good(token), "\"%s\" in part %d", junk[i], part);
        }
    }
}
END_TEST

START_TEST(a_token_longer_than_the_limit_is_not_looked_at)
{
    size_t padding;
    bool seen_long = false;

    for (padding = 5800; padding < 6200; padding++) {
        tc_buf_t claims = TC_BUF_INIT, token;
        size_t i, len;

        unit_append_text(&claims, GOOD ",\"p\":\"");
        for (i = 0; i < padding; i++) {
            tc_buf_append(&claims, "p", 1);
        }
        unit_append_text(&claims, "\"");
        token = make_token(HS256, (char *)claims.data);
        len = token.len;
        seen_long = seen_long || len > TC_TOKEN_MAX_BYTES;
        ck_assert_msg(is_good(token) == (len <= TC_TOKEN_MAX_BYTES), "%zu bytes", len);
        tc_buf_free(&claims);
    }
    ck_assert(seen_long);
}
END_TEST

/* The issuer's clock may be a little ahead (RFC 7519, 4.1.6). */
START_TEST(a_token_issued_in_the_future_is_refused)
{
    static const struct {
        const char *iat;
        bool good;
    } cases[] = {
        {"1699999999", true}, {"1700000060", true}, {"1700000061", false}, {"1e300", false},
        {"-1", true},         {"\"1\"", false},     {"null", false},       {"[]", false},
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        char claims[200];

        snprintf(claims, sizeof(claims), "\"user_id\":\"u1\",\"exp\":1800000000,\"iat\":%s", cases[i].iat);
        ck_assert_msg(is_good(make_token(HS256, claims)) == cases[i].good, "%s", cases[i].iat);
    }
}
END_TEST

static const char *verify_claims(const char *claims, const tc_jwt_rules_t *with, int64_t *expires_s)
{
    apr_pool_t *pool = unit_pool();
    tc_jwt_identity_t identity = {.expires_s = 0};
    const char *why = verify_with(make_token(HS256, claims), with, NOW, &identity, pool);

    if (expires_s != NULL) {
        *expires_s = identity.expires_s;
    }
    apr_pool_destroy(pool);
    return why;
}

START_TEST(a_leeway_moves_all_dates)
{
    static const tc_jwt_rules_t lenient = {.keys = &key, .user_claim = "user_id", .leeway_s = 10};
    int64_t expires_s;

    ck_assert_ptr_null(verify_claims("\"user_id\":\"u1\",\"exp\":1699999991", &lenient, &expires_s));
    ck_assert_int_eq(expires_s, NOW + 1);
    ck_assert_ptr_nonnull(verify_claims("\"user_id\":\"u1\",\"exp\":1699999990", &lenient, NULL));
    ck_assert_ptr_null(verify_claims("\"user_id\":\"u1\",\"exp\":1e300,\"nbf\":1700000010", &lenient, &expires_s));
    ck_assert_int_eq(expires_s, INT64_MAX);
    ck_assert_ptr_nonnull(verify_claims("\"user_id\":\"u1\",\"exp\":1e300,\"nbf\":1700000011", &lenient, NULL));
    ck_assert_ptr_null(verify_claims("\"user_id\":\"u1\",\"exp\":1e300,\"iat\":1700000070", &lenient, NULL));
    ck_assert_ptr_nonnull(verify_claims("\"user_id\":\"u1\",\"exp\":1e300,\"iat\":1700000071", &lenient, NULL));
}
END_TEST

START_TEST(audience_and_issuer_count_where_they_are_configured)
{
    static const char *const chat[] = {"chat", NULL};
    static const tc_jwt_rules_t strict = {
        .keys = &key, .user_claim = "user_id", .audiences = chat, .issuer = "https://a.org/"};
    static const struct {
        const char *claims;
        bool good;
    } cases[] = {
        {"\"aud\":\"chat\",\"iss\":\"https://a.org/\"", true},
        {"\"aud\":[\"x\",\"chat\"],\"iss\":\"https://a.org/\"", true},
        {"\"aud\":[],\"iss\":\"https://a.org/\"", false},
        {"\"aud\":[1,null,[\"chat\"]],\"iss\":\"https://a.org/\"", false},
        {"\"aud\":\"Chat\",\"iss\":\"https://a.org/\"", false},
        {"\"aud\":\"chat2\",\"iss\":\"https://a.org/\"", false},
        {"\"aud\":\"chat\\u0000\",\"iss\":\"https://a.org/\"", false},
        {"\"aud\":[\"chat\\u0000\"],\"iss\":\"https://a.org/\"", false},
        {"\"aud\":null,\"iss\":\"https://a.org/\"", false},
        {"\"iss\":\"https://a.org/\"", false},
        {"\"aud\":\"chat\"", false},
        {"\"aud\":\"chat\",\"iss\":[\"https://a.org/\"]", false},
        {"\"aud\":\"chat\",\"iss\":\"https://a.org\"", false},
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        char claims[200];

        snprintf(claims, sizeof(claims), GOOD ",%s", cases[i].claims);
        ck_assert_msg((verify_claims(claims, &strict, NULL) == NULL) == cases[i].good, "%s", cases[i].claims);
        ck_assert_msg(is_good(make_token(HS256, claims)) || strstr(claims, "u0000") != NULL,
                      "%s, where they do not count", cases[i].claims);
    }
}
END_TEST

START_TEST(a_header_that_brings_a_key_or_names_another_type_is_refused)
{
    static const struct {
        const char *more;
        bool good;
    } cases[] = {
        {"\"typ\":\"jwt\"", true},          {"\"typ\":\"at+jwt\"", true},
        {"\"typ\":\"application/AT+JWT\"", true}, {"\"typ\":\"at+jwt\\u0000\"", false},
        {"\"typ\":\"application/jwt\"", true}, {"\"typ\":\"application/jwt/x\"", false},
        {"\"typ\":\"jwt+at\"", false},   {"\"typ\":\" at+jwt\"", false},
        {"\"typ\":1", false},               {"\"cty\":\"x\"", true},
        {"\"typ\":\"JWE\"", false},         {"\"typ\":null", false},
        {"\"typ\":\"JWT\\u0000\"", false},  {"\"typ\":\"\"", false},
        {"\"typ\":\"dpop+jwt\"", false},    {"\"jwk\":{\"kty\":\"oct\",\"k\":\"AAAA\"}", false},
        {"\"jku\":\"https://a.org/\"", false}, {"\"x5u\":\"https://a.org/\"", false},
        {"\"x5c\":[\"AAAA\"]", false},      {"\"enc\":\"A128GCM\"", false},
        {"\"zip\":\"DEF\"", false},         {"\"jwk\":null", false},
        {"\"crit\":[]", false},             {"\"b64\":false,\"crit\":[\"b64\"]", false},
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        char header[200];

        snprintf(header, sizeof(header), "{\"alg\":\"HS256\",%s}", cases[i].more);
        ck_assert_msg(is_good(make_token(header, GOOD)) == cases[i].good, "%s", cases[i].more);
    }
}
END_TEST

UNIT_MAIN("jwt", a_token_issued_in_the_future_is_refused, a_leeway_moves_all_dates,
          audience_and_issuer_count_where_they_are_configured,
          a_header_that_brings_a_key_or_names_another_type_is_refused,
          a_good_token_says_who_and_how_long, what_a_token_need_not_have_it_need_not_have,
          the_user_claim_has_the_name_that_is_configured,
          a_number_may_name_the_user_and_nothing_else_but_a_string,
          a_token_is_in_force_from_nbf_until_exp, a_token_of_another_type_is_refused,
          a_header_that_names_another_algorithm_is_refused,
          a_token_signed_as_its_header_says_is_refused_when_that_is_not_ours,
          a_token_without_a_signature_is_refused, a_token_of_another_secret_is_refused,
          without_a_key_every_token_is_refused, a_token_changed_in_any_byte_is_refused,
          a_token_cut_anywhere_is_refused, more_than_a_token_is_no_token,
          claims_that_are_no_json_object_of_single_keys_are_refused,
          parts_that_are_no_base64url_are_refused, a_token_longer_than_the_limit_is_not_looked_at)
