/*
 * Which tokens a site accepts: its issuers and their keys, what a token must say, and what remains of it in a connection.
 * Also the reasons in the log: each names the mistake that was made, and is the same whatever the algorithm is.
 */
#include "unit.h"

#include "token/jwt.h"

#include <apr_strings.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>

#define NOW 1700000000
#define GOOD "\"user_id\":\"u1\",\"exp\":1700000060"

static const char own[] = "the site's own secret of more than thirty-two bytes";
static const char theirs[] = "the other issuer's secret of more than thirty-two bytes";

/* ---- keys and tokens ---- */

/* HS256 needs `secret`, all others `pkey`. */
static tc_buf_t sign(const char *header, const char *claims, const char *alg, EVP_PKEY *pkey, const char *secret)
{
    tc_buf_t token = TC_BUF_INIT;
    unsigned char signature[1024];
    size_t len = sizeof(signature);

    unit_append_base64url(&token, header, strlen(header));
    TC_BUF_LIT(&token, ".");
    unit_append_base64url(&token, claims, strlen(claims));
    if (pkey == NULL) {
        unsigned mac_len = 0;

        HMAC(EVP_sha256(), secret, (int)strlen(secret), token.data, token.len, signature, &mac_len);
        len = mac_len;
    }
    else {
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        EVP_PKEY_CTX *padding = NULL;

        ck_assert_int_eq(EVP_DigestSignInit(context, &padding, alg[0] == 'E' ? NULL : EVP_sha256(), NULL, pkey), 1);
        if (alg[0] == 'P') {
            EVP_PKEY_CTX_set_rsa_padding(padding, RSA_PKCS1_PSS_PADDING);
            EVP_PKEY_CTX_set_rsa_pss_saltlen(padding, RSA_PSS_SALTLEN_DIGEST);
        }
        ck_assert_int_eq(EVP_DigestSign(context, signature, &len, token.data, token.len), 1);
        EVP_MD_CTX_free(context);
    }
    TC_BUF_LIT(&token, ".");
    unit_append_base64url(&token, signature, len);
    return token;
}

static tc_jwt_key_t *secret_key(const char *secret, const char *kid, apr_pool_t *pool)
{
    tc_jwt_key_t *key = NULL;

    ck_assert_ptr_null(tc_jwt_key_read(tc_jwt_alg_find("HS256"), kid, secret, strlen(secret), &key, pool));
    return key;
}

static tc_jwt_key_t *public_key(const char *alg, EVP_PKEY *pkey, const char *kid, apr_pool_t *pool)
{
    tc_jwt_key_t *key = NULL;
    BIO *out = BIO_new(BIO_s_mem());
    char *text;
    long len;

    PEM_write_bio_PUBKEY(out, pkey);
    len = BIO_get_mem_data(out, &text);
    ck_assert_ptr_null(tc_jwt_key_read(tc_jwt_alg_find(alg), kid, text, (size_t)len, &key, pool));
    BIO_free(out);
    return key;
}

/* Why a token is refused; NULL: it is not. Frees it. */
static const char *verify(tc_buf_t token, const tc_jwt_rules_t *rules, tc_jwt_identity_t *out, apr_pool_t *pool)
{
    const char *why = tc_jwt_verify((char *)token.data, token.len, rules, NOW, out, pool);

    tc_buf_free(&token);
    return why;
}

static const char *why_refused(const char *header, const char *claims, const char *secret, const tc_jwt_rules_t *rules,
                               apr_pool_t *pool)
{
    tc_jwt_identity_t identity;

    return verify(sign(header, apr_psprintf(pool, "{%s}", claims), "HS256", NULL, secret), rules, &identity, pool);
}

static const char *why_claims(const char *claims, const tc_jwt_rules_t *rules, apr_pool_t *pool)
{
    return why_refused("{\"alg\":\"HS256\"}", claims, own, rules, pool);
}

/* `said` NULL: the token must be good; else a part of the reason. */
static void expect(const char *why, const char *said, const char *what)
{
    if (said == NULL) {
        ck_assert_msg(why == NULL, "%s: %s", what, why);
        return;
    }
    ck_assert_msg(why != NULL && strstr(why, said) != NULL, "%s: %s, not %s", what, why ? why : "good", said);
}

/* ---- reasons ---- */

static const struct {
    const char *claims; /* NULL: the header is the mistake */
    const char *header; /* members besides alg */
    const char *said;
} mistakes[] = {
    {"\"user_id\":1", "", "the claim exp is missing"},
    {"\"user_id\":1,\"exp\":\"1700000060\"", "", "the claim exp is a text; it must be a number of seconds"},
    {"\"user_id\":1,\"exp\":null", "", "the claim exp is null"},
    {"\"user_id\":1,\"exp\":[1700000060]", "", "the claim exp is a list"},
    {"\"user_id\":1,\"exp\":{}", "", "the claim exp is an object"},
    {"\"user_id\":1,\"exp\":true", "", "the claim exp is true or false"},
    {"\"user_id\":1,\"exp\":1700000060000", "", "the claim exp is in milliseconds"},
    {"\"user_id\":1,\"exp\":1700000060000.5", "", "the claim exp is in milliseconds"},
    {"\"user_id\":1,\"exp\":1699999990", "", "expired 10 seconds ago"},
    {"\"user_id\":1,\"exp\":-5", "", "expired before 1970"},
    {GOOD ",\"nbf\":\"1\"", "", "the claim nbf is a text"},
    {GOOD ",\"nbf\":1699999990000", "", "the claim nbf is in milliseconds"},
    {GOOD ",\"nbf\":1700000042", "", "not yet valid: the claim nbf is 42 seconds ahead of httpd's clock"},
    {GOOD ",\"iat\":\"now\"", "", "the claim iat is a text"},
    {GOOD ",\"iat\":1699999990000", "", "the claim iat is in milliseconds"},
    {GOOD ",\"iat\":1700000100", "", "issued in the future: the claim iat is 100 seconds ahead of httpd's clock"},
    {GOOD, "", "the claim aud is missing, which must have chat"},
    {GOOD ",\"aud\":null", "", "the claim aud is missing"},
    {GOOD ",\"aud\":7", "", "the claim aud has a value that is no text and no list of texts"},
    {GOOD ",\"aud\":[\"web\",7]", "", "the claim aud has a value that is no text and no list of texts"},
    {GOOD ",\"aud\":{\"chat\":1}", "", "the claim aud has a value that is no text and no list of texts"},
    {GOOD ",\"aud\":[\"web\"]", "", "for another audience: the claim aud does not have chat"},
    {GOOD ",\"aud\":\"chat\",\"token_type\":\"refresh\"", "", "not an access token"},
    {"\"exp\":1700000060,\"aud\":\"chat\"", "", "the claim user_id is missing"},
    {"\"user_id\":1.5,\"exp\":1700000060,\"aud\":\"chat\"", "", "the claim user_id has a value that is no string and no whole number"},
    {GOOD ",\"aud\":\"chat\"", ",\"kid\":\"k2\"", "no key has its kid (k2)"},
    {GOOD ",\"aud\":\"chat\"", ",\"kid\":7", "no key has its kid (no text)"},
    {GOOD ",\"aud\":\"chat\"", ",\"typ\":\"logout+jwt\"", "wrong type"},
    {GOOD ",\"aud\":[\"web\",\"chat\"]", "", NULL},
    {"\"user_id\":1,\"exp\":1700000060.5,\"aud\":\"chat\"", ",\"kid\":\"k1\"", NULL},
    {"\"user_id\":1,\"exp\":1e300,\"aud\":\"chat\"", "", NULL},
    {"\"user_id\":1,\"exp\":253402300799,\"aud\":\"chat\"", "", NULL}, /* the end of the year 9999 */
    {"\"user_id\":1,\"exp\":253402300800,\"aud\":\"chat\"", "", NULL},
};

START_TEST(a_reason_names_the_mistake_and_is_the_same_for_every_algorithm)
{
    static const char *const algs[] = {"HS256", "RS256", "PS256", "EdDSA"};
    apr_pool_t *pool = unit_pool();
    EVP_PKEY *rsa = EVP_RSA_gen(2048), *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    size_t alg, i;

    for (alg = 0; alg < UNIT_COUNT(algs); alg++) {
        EVP_PKEY *pkey = alg == 0 ? NULL : alg == 3 ? ed : rsa;
        tc_jwt_key_t *key = pkey ? public_key(algs[alg], pkey, "k1", pool) : secret_key(own, "k1", pool);
        tc_jwt_rules_t rules = {.keys = key, .user_claim = "user_id", .audiences = (const char *const[]){"chat", NULL}};
        tc_jwt_identity_t identity;

        for (i = 0; i < UNIT_COUNT(mistakes); i++) {
            const char *header = apr_psprintf(pool, "{\"alg\":\"%s\"%s}", algs[alg], mistakes[i].header);
            const char *claims = apr_psprintf(pool, "{%s}", mistakes[i].claims);

            expect(verify(sign(header, claims, algs[alg], pkey, own), &rules, &identity, pool), mistakes[i].said,
                   apr_psprintf(pool, "%s %s", header, claims));
        }
    }
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(ed);
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(a_reason_tells_what_is_wrong_with_algorithm_key_and_signature)
{
    apr_pool_t *pool = unit_pool();
    EVP_PKEY *rsa = EVP_RSA_gen(2048);
    tc_jwt_key_t *keys = secret_key(own, NULL, pool);
    tc_jwt_rules_t rules = {.keys = keys, .user_claim = "user_id"};
    char long_kid[300];

    keys->next = public_key("RS256", rsa, "public", pool);
    expect(why_claims(GOOD, &rules, pool), NULL, "good");
    expect(why_refused("{\"alg\":\"HS256\"}", GOOD, theirs, &rules, pool), "bad signature", "another secret");
    expect(why_refused("{\"alg\":\"none\"}", GOOD, own, &rules, pool), "it is not signed (alg none)", "none");
    expect(why_refused("{\"alg\":\"NonE\"}", GOOD, own, &rules, pool), "it is not signed (alg none)", "none");
    expect(why_refused("{}", GOOD, own, &rules, pool), "its header has no alg", "no alg");
    expect(why_refused("{\"alg\":7}", GOOD, own, &rules, pool), "its header has no alg", "a number");
    expect(why_refused("{\"alg\":\"HS1\"}", GOOD, own, &rules, pool), "none of the supported algorithms", "HS1");
    expect(why_refused("{\"alg\":\"ES256\"}", GOOD, own, &rules, pool), "no key is for its alg, ES256", "ES256");
    expect(why_refused("{\"alg\":\"PS256\",\"kid\":\"public\"}", GOOD, own, &rules, pool),
           "the key with its kid (public) is for RS256, and its alg is PS256", "another algorithm than the key's");
    expect(why_refused("{\"alg\":\"RS256\",\"kid\":\"x\"}", GOOD, own, &rules, pool), "no key has its kid (x)", "another kid");
    memset(long_kid, 'k', sizeof(long_kid) - 1);
    long_kid[sizeof(long_kid) - 1] = '\0';
    ck_assert_uint_lt(strlen(why_refused(apr_psprintf(pool, "{\"alg\":\"RS256\",\"kid\":\"%s\"}", long_kid), GOOD, own, &rules,
                                         pool)), 120);
    EVP_PKEY_free(rsa);
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(the_key_that_a_token_names_is_tried_before_keys_without_a_name)
{
    apr_pool_t *pool = unit_pool();
    tc_jwt_key_t *named = secret_key(own, "k1", pool), *keys = named;
    tc_jwt_rules_t rules = {.user_claim = "user_id"};
    tc_jwt_identity_t identity;
    int i;

    for (i = 0; i < 9; i++) {
        tc_jwt_key_t *key = secret_key(theirs, NULL, pool);

        key->next = keys;
        keys = key;
    }
    rules.keys = keys;
    expect(verify(sign("{\"alg\":\"HS256\",\"kid\":\"k1\"}", "{" GOOD "}", "HS256", NULL, own), &rules, &identity, pool), NULL, "its kid");
    ck_assert_ptr_eq(identity.key, named);
    expect(why_refused("{\"alg\":\"HS256\",\"kid\":\"k1\"}", GOOD, theirs, &rules, pool), NULL, "a key without a name, whatever the kid");
    expect(why_claims(GOOD, &rules, pool), "it needs a kid", "no kid");
    apr_pool_destroy(pool);
}
END_TEST

/* ---- issuers ---- */

START_TEST(a_key_verifies_the_tokens_of_its_own_issuer_alone)
{
    static const char *const web[] = {"web", "app", NULL};
    static const struct {
        const char *claims, *secret, *said;
    } cases[] = {
        {"\"iss\":\"A\"", own, NULL},
        {"\"iss\":\"B\",\"aud\":\"web\",\"sub\":\"b1\"", theirs, NULL},
        {"\"iss\":\"B\",\"aud\":[\"x\",\"app\"],\"sub\":\"b1\"", theirs, NULL},
        {"\"iss\":\"B\",\"aud\":\"web\",\"sub\":\"b1\"", own, "bad signature"},
        {"\"iss\":\"A\"", theirs, "bad signature"},
        {"\"iss\":\"B\",\"aud\":\"chat\",\"sub\":\"b1\"", theirs, "for another audience"},
        {"\"iss\":\"B\",\"aud\":\"web\"", theirs, "the claim sub is missing"},
        {"\"iss\":\"C\"", own, "of another issuer: the claim iss is C"},
        {"\"iss\":\"B\\u0000\"", theirs, "broken claims"},
        {"\"iss\":[\"A\"]", own, "the claim iss has a value that is no text"},
        {"\"iss\":\"\"", own, "of another issuer"},
        {"\"jti\":\"1\"", own, "the claim iss is missing"},
        {"\"iss\":\"b\",\"aud\":\"web\",\"sub\":\"b1\"", theirs, "of another issuer"},
    };
    apr_pool_t *pool = unit_pool();
    tc_jwt_issuer_t other = {.name = "B", .keys = secret_key(theirs, NULL, pool), .audiences = web, .user_claim = "sub"};
    tc_jwt_rules_t rules = {.keys = secret_key(own, NULL, pool), .user_claim = "user_id", .issuer = "A", .issuers = &other};
    tc_jwt_identity_t identity;
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        expect(why_refused("{\"alg\":\"HS256\"}", apr_psprintf(pool, GOOD ",%s", cases[i].claims), cases[i].secret, &rules, pool),
               cases[i].said, cases[i].claims);
    }
    expect(verify(sign("{\"alg\":\"HS256\"}", "{" GOOD ",\"iss\":\"B\",\"aud\":\"web\",\"sub\":\"b1\"}", "HS256", NULL, theirs),
                  &rules, &identity, pool), NULL, "B");
    ck_assert_str_eq(identity.user_id, "b1");
    ck_assert_ptr_eq(identity.key, other.keys);
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(keys_without_an_issuer_are_for_tokens_that_name_no_other_one)
{
    apr_pool_t *pool = unit_pool();
    tc_jwt_issuer_t other = {.name = "B", .keys = secret_key(theirs, NULL, pool), .user_claim = "user_id"};
    tc_jwt_rules_t rules = {.keys = secret_key(own, NULL, pool), .user_claim = "user_id", .issuers = &other};
    tc_jwt_rules_t alone = {.user_claim = "user_id", .issuers = &other};

    expect(why_claims(GOOD, &rules, pool), NULL, "no iss");
    expect(why_claims(GOOD ",\"iss\":\"C\"", &rules, pool), NULL, "an iss that nobody has");
    expect(why_claims(GOOD ",\"iss\":\"B\"", &rules, pool), "bad signature", "the iss of another one");
    expect(why_claims(GOOD, &alone, pool), "the claim iss is missing", "no key of the site's own");
    expect(why_claims(GOOD ",\"iss\":\"C\"", &alone, pool), "of another issuer", "no key of the site's own");
    expect(why_claims(GOOD ",\"iss\":\"B\"", &alone, pool), "bad signature", "no key of the site's own");
    apr_pool_destroy(pool);
}
END_TEST

/* ---- what is required ---- */

START_TEST(a_required_claim_has_the_value_or_contains_it)
{
    static const struct {
        const char *required, *claims, *header, *said;
    } cases[] = {
        {"token_use=access", "\"token_use\":\"access\"", "", NULL},
        {"token_use=access", "\"token_use\":\"id\"", "", "the claim token_use is not access, which is required"},
        {"token_use=access", "\"token_use\":null", "", "the claim token_use is missing, which must be access"},
        {"token_use=access", "\"x\":1", "", "the claim token_use is missing"},
        {"token_use=access", "\"token_use\":[\"id\",\"access\"]", "", NULL},
        {"token_use=access", "\"token_use\":{\"access\":\"access\"}", "", "is not access"},
        {"token_use=access", "\"token_use\":\"access \"", "", "is not access"},
        {"tenant=7", "\"tenant\":7", "", NULL},
        {"tenant=7", "\"tenant\":\"7\"", "", NULL},
        {"tenant=7", "\"tenant\":7.0", "", "is not 7"},
        {"tenant=7", "\"tenant\":77", "", "is not 7"},
        {"admin=true", "\"admin\":true", "", NULL},
        {"admin=true", "\"admin\":false", "", "is not true"},
        {"scope=chat", "\"scope\":\"openid chat profile\"", "", NULL},
        {"scope=chat", "\"scope\":\"openid chatter\"", "", "is not chat"},
        {"scope=chat", "\"scope\":[\"openid\",\"chat\"]", "", NULL},
        {"realm.roles=chat", "\"realm\":{\"roles\":[\"a\",\"chat\"]}", "", NULL},
        {"realm.roles=chat", "\"realm\":{\"roles\":[\"a\",[\"chat\"]]}", "", "is not chat"},
        {"https://x.org/role=a=b", "\"https://x.org/role\":\"a=b\"", "", NULL},
        {"typ=at+jwt", "\"x\":1", ",\"typ\":\"at+jwt\"", NULL},
        {"typ=application/AT+JWT", "\"x\":1", ",\"typ\":\"at+jwt\"", NULL},
        {"typ=at+jwt", "\"x\":1", ",\"typ\":\"Application/At+Jwt\"", NULL},
        {"typ=at+jwt", "\"typ\":\"at+jwt\"", ",\"typ\":\"JWT\"", "the typ of its header is JWT and not at+jwt"},
        {"typ=at+jwt", "\"typ\":\"at+jwt\"", "", "its header has no typ, which must be at+jwt"},
        {"typ=chat+jwt", "\"x\":1", ",\"typ\":\"chat+jwt\"", NULL},
        {"claim:typ=Bearer", "\"typ\":\"Bearer\"", ",\"typ\":\"JWT\"", NULL},
        {"claim:typ=Bearer", "\"typ\":\"ID\"", ",\"typ\":\"JWT\"", "the claim typ is not Bearer"},
    };
    apr_pool_t *pool = unit_pool();
    tc_jwt_key_t *key = secret_key(own, NULL, pool);
    size_t i;
    int of_issuer;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        for (of_issuer = 0; of_issuer < 2; of_issuer++) {
            tc_jwt_required_t required;
            tc_jwt_issuer_t issuer = {.name = "A", .keys = key, .user_claim = "user_id", .required = &required};
            tc_jwt_rules_t rules = {.keys = key, .user_claim = "user_id", .required = &required};
            tc_jwt_rules_t with_issuer = {.user_claim = "user_id", .issuers = &issuer};

            ck_assert_ptr_null(tc_jwt_required_read(cases[i].required, &required, pool));
            expect(why_refused(apr_psprintf(pool, "{\"alg\":\"HS256\"%s}", cases[i].header),
                               apr_psprintf(pool, GOOD ",\"iss\":\"A\",%s", cases[i].claims), own,
                               of_issuer ? &with_issuer : &rules, pool),
                   cases[i].said, apr_psprintf(pool, "%s: %s", cases[i].required, cases[i].claims));
        }
    }
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(what_cannot_be_required_is_refused)
{
    static const char *const wrong[] = {"", "token_use", "=access", "token_use=", "exp=1", "nbf=1", "iat=1", "claim:=x"};
    apr_pool_t *pool = unit_pool();
    tc_jwt_required_t required;
    size_t i;

    for (i = 0; i < UNIT_COUNT(wrong); i++) {
        ck_assert_msg(tc_jwt_required_read(wrong[i], &required, pool) != NULL, "%s", wrong[i]);
    }
    apr_pool_destroy(pool);
}
END_TEST

/* ---- after a reload ---- */

/* What becomes of a token of `claims` when `before` becomes `after`; its facts go through bytes at an odd address. */
static tc_jwt_still_e still(const char *claims, const tc_jwt_rules_t *before, const tc_jwt_rules_t *after, apr_pool_t *pool)
{
    tc_jwt_identity_t identity;
    const tc_jwt_key_t *key = NULL;
    const char *why;
    tc_jwt_mark_t mark;
    tc_facts_t *facts;
    tc_jwt_still_e result;
    size_t len;
    char *odd;

    expect(verify(sign("{\"alg\":\"HS256\"}", apr_psprintf(pool, "{" GOOD "%s}", claims), "HS256", NULL, own), before,
                  &identity, pool), NULL, claims);
    memset(&mark, 0, sizeof(mark));
    tc_jwt_mark(before, identity.key, identity.facts, &mark);
    len = tc_facts_size(identity.facts);
    odd = memcpy((char *)apr_palloc(pool, len + 1) + 1, identity.facts, len);
    ck_assert_ptr_null(tc_facts_copy(odd, len - 1));
    facts = tc_facts_copy(odd, len);
    ck_assert_ptr_nonnull(facts);
    result = tc_jwt_still(after, &mark, facts, &key, &why);
    ck_assert(result != TC_JWT_STAYS || key != NULL);
    ck_assert(result == TC_JWT_STAYS || *why != '\0');
    free(facts);
    return result;
}

START_TEST(a_token_stays_as_long_as_a_newcomer_with_it_would_be_let_in)
{
    apr_pool_t *pool = unit_pool();
    tc_jwt_key_t *key = secret_key(own, NULL, pool), *again = secret_key(own, "named", pool), *other = secret_key(theirs, NULL, pool);
    static const char *const audiences[] = {"web", "chat", NULL};
    tc_jwt_required_t required;
    tc_jwt_issuer_t a = {.name = "A", .keys = again, .user_claim = "user_id", .audiences = audiences};
    tc_jwt_issuer_t stolen = {.name = "A", .keys = other, .user_claim = "user_id"};
    tc_jwt_rules_t plain = {.keys = key, .user_claim = "user_id"};
    tc_jwt_rules_t more = {.keys = other, .user_claim = "user_id"}, gone = {.keys = other, .user_claim = "user_id"};
    tc_jwt_rules_t audience = {.keys = again, .user_claim = "user_id", .audiences = (const char *const[]){"chat", NULL}};
    tc_jwt_rules_t strict = {.keys = again, .user_claim = "user_id", .required = &required};
    tc_jwt_rules_t moved = {.user_claim = "user_id", .issuers = &a}, taken = {.keys = key, .user_claim = "user_id", .issuers = &stolen};
    tc_jwt_rules_t by_sub = {.keys = key, .user_claim = "sub"};

    ck_assert_ptr_null(tc_jwt_required_read("scope=chat", &required, pool));
    other->next = again;
    ck_assert_int_eq(still("", &plain, &more, pool), TC_JWT_STAYS); /* the same key, with a name and in another place */
    other->next = NULL;
    ck_assert_int_eq(still("", &plain, &gone, pool), TC_JWT_ENDS);
    ck_assert_int_eq(still("", &plain, &audience, pool), TC_JWT_ENDS);
    ck_assert_int_eq(still(",\"aud\":[\"a\",\"chat\"]", &plain, &audience, pool), TC_JWT_STAYS);
    ck_assert_int_eq(still(",\"chat\":\"aud\",\"aud.\":\"chat\"", &plain, &audience, pool), TC_JWT_ENDS);
    ck_assert_int_eq(still(",\"scope\":\"a chat\"", &plain, &strict, pool), TC_JWT_STAYS);
    ck_assert_int_eq(still(",\"scope\":\"chatter\"", &plain, &strict, pool), TC_JWT_ENDS);
    ck_assert_int_eq(still(",\"iss\":\"A\",\"aud\":\"web\"", &plain, &moved, pool), TC_JWT_STAYS);
    ck_assert_int_eq(still(",\"iss\":\"A\",\"aud\":\"x\"", &plain, &moved, pool), TC_JWT_ENDS);
    ck_assert_int_eq(still(",\"iss\":\"B\",\"aud\":\"web\"", &plain, &moved, pool), TC_JWT_ENDS);
    ck_assert_int_eq(still(",\"iss\":\"A\"", &plain, &taken, pool), TC_JWT_ENDS);
    ck_assert_int_eq(still(",\"iss\":\"B\"", &plain, &taken, pool), TC_JWT_STAYS);
    ck_assert_int_eq(still("", &plain, &by_sub, pool), TC_JWT_COMES_BACK);
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(a_token_that_says_more_than_is_kept_is_read_again_under_other_conditions)
{
    apr_pool_t *pool = unit_pool();
    tc_jwt_key_t *key = secret_key(own, NULL, pool);
    tc_jwt_required_t last, more;
    tc_jwt_rules_t before = {.keys = key, .user_claim = "user_id", .required = &last};
    tc_jwt_rules_t after = {.keys = key, .user_claim = "user_id", .required = &more};
    tc_jwt_rules_t elsewhere = {.keys = key, .user_claim = "user_id", .required = &last, .audiences = (const char *const[]){"chat", NULL}};
    const char *groups = "";
    int i;

    ck_assert_ptr_null(tc_jwt_required_read("groups=g199", &last, pool));
    ck_assert_ptr_null(tc_jwt_required_read("groups=g198", &more, pool));
    for (i = 0; i < 200; i++) {
        groups = apr_psprintf(pool, "%s%s\"g%d\"", groups, i ? "," : "", i);
    }
    groups = apr_psprintf(pool, ",\"groups\":[%s]", groups);
    ck_assert_int_eq(still(groups, &before, &before, pool), TC_JWT_STAYS);
    ck_assert_int_eq(still(groups, &before, &after, pool), TC_JWT_COMES_BACK);
    ck_assert_int_eq(still(",\"groups\":[\"g199\"]", &before, &after, pool), TC_JWT_ENDS);
    ck_assert_int_eq(still(groups, &before, &elsewhere, pool), TC_JWT_ENDS); /* aud is always kept */
    apr_pool_destroy(pool);
}
END_TEST

START_TEST(rules_have_one_hash_only_if_they_accept_the_same_tokens)
{
    apr_pool_t *pool = unit_pool();
    tc_jwt_key_t *key = secret_key(own, NULL, pool), *again = secret_key(own, NULL, pool), *named = secret_key(own, "n", pool);
    tc_jwt_key_t *other = secret_key(theirs, NULL, pool), *both = secret_key(own, NULL, pool);
    static const char *const audiences[] = {"chat", NULL};
    static const tc_claim_names_t names = {"email", "username", "name", "trips", TC_TRIP_UUID};
    tc_jwt_required_t required = {"scope", "chat", NULL};
    tc_jwt_issuer_t a = {.name = "A", .keys = other, .user_claim = "user_id"}, b = {.name = "A", .keys = key, .user_claim = "user_id"};
    tc_jwt_rules_t same = {.keys = again, .user_claim = "user_id"};
    const tc_jwt_rules_t rules[] = {
        {.keys = key, .user_claim = "user_id"}, {.keys = named, .user_claim = "user_id"}, {.keys = other, .user_claim = "user_id"},
        {.keys = both, .user_claim = "user_id"}, {.keys = key, .user_claim = "sub"},
        {.keys = key, .user_claim = "user_id", .leeway_s = 1}, {.keys = key, .user_claim = "user_id", .issuer = "A"},
        {.keys = key, .user_claim = "user_id", .audiences = audiences}, {.keys = key, .user_claim = "user_id", .names = &names},
        {.keys = key, .user_claim = "user_id", .required = &required}, {.keys = key, .user_claim = "user_id", .issuers = &a},
        {.keys = key, .user_claim = "user_id", .issuers = &b}, {.issuers = &a}, {.issuers = &b},
    };
    size_t i, j;

    both->next = other;
    ck_assert(tc_jwt_rules_hash(&same) == tc_jwt_rules_hash(&rules[0]));
    for (i = 0; i < UNIT_COUNT(rules); i++) {
        for (j = 0; j < i; j++) {
            ck_assert_msg(tc_jwt_rules_hash(&rules[i]) != tc_jwt_rules_hash(&rules[j]), "%zu is like %zu", i, j);
        }
    }
    apr_pool_destroy(pool);
}
END_TEST

UNIT_MAIN("jwt_rules", a_reason_names_the_mistake_and_is_the_same_for_every_algorithm,
          a_reason_tells_what_is_wrong_with_algorithm_key_and_signature,
          the_key_that_a_token_names_is_tried_before_keys_without_a_name, a_key_verifies_the_tokens_of_its_own_issuer_alone,
          keys_without_an_issuer_are_for_tokens_that_name_no_other_one, a_required_claim_has_the_value_or_contains_it,
          what_cannot_be_required_is_refused, a_token_stays_as_long_as_a_newcomer_with_it_would_be_let_in,
          a_token_that_says_more_than_is_kept_is_read_again_under_other_conditions,
          rules_have_one_hash_only_if_they_accept_the_same_tokens)
