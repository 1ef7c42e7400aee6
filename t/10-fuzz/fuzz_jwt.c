/*
 * token/jwt: header and claims that the target itself signs with the site's key, so that the fuzzer gets past the
 * signature; and whole tokens as they come. A good token names a user and an expiry time: it is good one second
 * before that time, and not good at that time. It is not good when one character of the signature is changed, or with
 * another key. A token that the target has not signed is never good. A good token whose claims describe its user names
 * the same user, and trips in canonical form.
 *
 * Input: a line with the header, and the claims behind it; or, without a line feed, a whole token.
 */
#include "fuzz.h"

#include "token/jwt.h"

#include <apr_general.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#define NOW_S 1700000000

const char fuzz_name[] = "jwt";

static const char site_secret[] = "a secret of more than thirty-two bytes";
static const char other_secret[] = "another one of more than thirty-two bytes";

/* Verifies a good token for a site whose tokens describe the user. */
static void check_claims(const tc_buf_t *token, tc_jwt_rules_t rules, int64_t now_s, const char *user_id, apr_pool_t *pool)
{
    static const tc_claim_names_t names = {"email", "username", "app.name", "trips", TC_TRIP_INTEGER};
    const char *const *trip, *why;
    tc_jwt_identity_t who;
    tc_trip_t again;

    rules.names = &names;
    why = tc_jwt_verify((const char *)token->data, token->len, &rules, now_s, &who, pool);
    if (why != NULL) {
        FUZZ_REQUIRE(strncmp(why, "the claim ", 10) == 0);
        return;
    }
    FUZZ_REQUIRE(strcmp(who.user_id, user_id) == 0);
    for (trip = who.claimed.trips; *trip != NULL; trip++) {
        FUZZ_REQUIRE(tc_trip_parse(*trip, strlen(*trip), names.trip_form, &again));
        FUZZ_REQUIRE(strcmp(again.text, *trip) == 0 && tc_claims_have_trip(&who.claimed, &again));
    }
}

/* A connection keeps the facts of a good token: under the rules that accepted it, it stays. With another key it does not. */
static void check_facts(const tc_jwt_identity_t *who, const tc_jwt_rules_t *rules)
{
    tc_facts_t *facts = tc_facts_copy(who->facts, tc_facts_size(who->facts));
    tc_jwt_key_t other = *rules->keys;
    tc_jwt_rules_t others = *rules;
    const tc_jwt_key_t *key = NULL;
    const char *why;
    tc_jwt_mark_t mark;

    FUZZ_REQUIRE(facts != NULL && facts->count <= TC_FACTS_MAX);
    tc_jwt_mark(rules, who->key, facts, &mark);
    FUZZ_REQUIRE(tc_jwt_still(rules, &mark, facts, &key, &why) == TC_JWT_STAYS && key == who->key);
    other.id[0]++;
    others.keys = &other;
    FUZZ_REQUIRE(tc_jwt_still(&others, &mark, facts, &key, &why) == TC_JWT_ENDS);
    free(facts);
}

/* Only this function knows with which rules a token is verified. True when the token is good. */
static bool is_good(const tc_buf_t *token, const char *secret, int64_t now_s, int64_t *expires_s)
{
    tc_jwt_key_t key = {
        .alg = tc_jwt_alg_find("HS256"), .bytes = (const unsigned char *)secret, .len = strlen(secret)};
    tc_jwt_rules_t rules = {.keys = &key, .user_claim = "user_id"};
    tc_jwt_identity_t who = {.expires_s = 0};
    apr_pool_t *pool;
    const char *why;

    FUZZ_REQUIRE(apr_pool_create(&pool, NULL) == APR_SUCCESS);
    why = tc_jwt_verify((const char *)token->data, token->len, &rules, now_s, &who, pool);
    FUZZ_REQUIRE(why != NULL ? *why != '\0' : who.user_id != NULL && *who.user_id != '\0');
    if (why == NULL) {
        check_claims(token, rules, now_s, who.user_id, pool);
        check_facts(&who, &rules);
    }
    *expires_s = who.expires_s;
    apr_pool_destroy(pool);
    return why == NULL;
}

static void append_base64url(tc_buf_t *token, const void *data, size_t len)
{
    unsigned char *text = malloc(4 * (len / 3 + 1) + 1), *c;

    FUZZ_REQUIRE(text != NULL);
    EVP_EncodeBlock(text, data, (int)len);
    for (c = text; *c != '\0' && *c != '='; c++) {
        unsigned char digit = *c == '+' ? '-' : *c == '/' ? '_' : *c;

        tc_buf_append(token, &digit, 1);
    }
    free(text);
}

/* Appends the signature to the token, and returns where it begins. */
static size_t sign(tc_buf_t *token)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_len = 0;
    size_t at = token->len + 1;

    FUZZ_REQUIRE(HMAC(EVP_sha256(), site_secret, (int)strlen(site_secret), token->data, token->len,
                      mac, &mac_len) != NULL);
    TC_BUF_LIT(token, ".");
    append_base64url(token, mac, mac_len);
    return at;
}

static void check_signed(const uint8_t *header, size_t header_len, const uint8_t *claims,
                         size_t claims_len)
{
    tc_buf_t token = TC_BUF_INIT;
    int64_t expires_s, ignored;
    size_t signature;

    append_base64url(&token, header, header_len);
    TC_BUF_LIT(&token, ".");
    append_base64url(&token, claims, claims_len);
    signature = sign(&token);
    if (is_good(&token, site_secret, NOW_S, &expires_s)) {
        FUZZ_REQUIRE(expires_s > NOW_S);
        FUZZ_REQUIRE(is_good(&token, site_secret, expires_s - 1, &ignored));
        FUZZ_REQUIRE(!is_good(&token, site_secret, expires_s, &ignored));
        FUZZ_REQUIRE(!is_good(&token, other_secret, NOW_S, &ignored));
        token.data[signature] = token.data[signature] == 'A' ? 'B' : 'A';
        FUZZ_REQUIRE(!is_good(&token, site_secret, NOW_S, &ignored));
    }
    tc_buf_free(&token);
}

static void check_raw(const uint8_t *data, size_t size)
{
    tc_buf_t token = {fuzz_copy(data, size), size, size};
    int64_t ignored;

    FUZZ_REQUIRE(!is_good(&token, site_secret, NOW_S, &ignored));
    tc_buf_free(&token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool started;
    const uint8_t *end_of_line = size > 0 ? memchr(data, '\n', size) : NULL;
    size_t header_len;

    if (!started) {
        started = apr_initialize() == APR_SUCCESS;
    }
    if (end_of_line == NULL || end_of_line == data + size - 1) {
        check_raw(data, size - (end_of_line != NULL));
        return 0;
    }
    header_len = (size_t)(end_of_line - data);
    check_signed(data, header_len, end_of_line + 1, size - header_len - 1);
    return 0;
}
