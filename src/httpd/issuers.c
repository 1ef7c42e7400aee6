/* The lines of TripChatIssuer. See issuers.h. */
#include "httpd/issuers.h"

#include "token/jwt_key.h"
#include "token/rules.h"

#include <apr_strings.h>
#include <httpd.h>
#include <http_config.h>
#include <string.h>
#include <strings.h>

static void add(apr_array_header_t *words, const char *name, const char *value, const char *more)
{
    APR_ARRAY_PUSH(words, const char *) = name;
    APR_ARRAY_PUSH(words, const char *) = value;
    APR_ARRAY_PUSH(words, const char *) = more;
}

static const char *add_key(const char *alg, const char *path, apr_array_header_t *words, apr_pool_t *pool)
{
    const char *resolved = *path ? ap_server_root_relative(pool, path) : NULL;

    if (resolved == NULL) {
        return "there is no path of a key";
    }
    if (*alg == '\0') {
        add(words, TC_ISSUER_KEY_SET, resolved, "");
        return NULL;
    }
    if (tc_jwt_alg_find(alg) == NULL) {
        return apr_psprintf(pool, "%s is no algorithm; write key=algorithm:path, with one of " TC_JWT_ALGS, alg);
    }
    add(words, TC_ISSUER_KEY, alg, resolved);
    return NULL;
}

/* Reads one option; `value` is what follows its name and the equals sign. */
static const char *read_option(const char *option, const char *value, apr_array_header_t *words, apr_pool_t *pool)
{
    tc_jwt_required_t required;
    const char *colon = strchr(value, ':'), *wrong = NULL;

    if (strcmp(option, "secret") == 0) {
        return add_key("HS256", value, words, pool);
    }
    if (strcmp(option, "keyset") == 0) {
        return add_key("", value, words, pool);
    }
    if (strcmp(option, "key") == 0) {
        return colon == NULL || colon == value
                   ? "write key=algorithm:path, for example key=RS256:/etc/apache2/issuer.pem"
                   : add_key(apr_pstrmemdup(pool, value, (apr_size_t)(colon - value)), colon + 1, words, pool);
    }
    if (strcmp(option, "audience") == 0) {
        add(words, TC_ISSUER_AUDIENCE, strcasecmp(value, "none") != 0 ? value : TC_ISSUER_ANY_AUDIENCE, "");
    }
    else if (strcmp(option, "userclaim") == 0) {
        add(words, TC_ISSUER_USER_CLAIM, value, "");
    }
    else if (strcmp(option, "require") == 0) {
        wrong = tc_jwt_required_read(value, &required, pool);
        add(words, TC_ISSUER_REQUIRE, value, "");
    }
    else {
        wrong = apr_psprintf(pool, "there is no option %s; the options are secret, key, keyset, audience, require and "
                             "userclaim", option);
    }
    return wrong;
}

static bool is_there(const char *const *earlier, const char *issuer)
{
    for (; earlier != NULL && *earlier != NULL; earlier += TC_ISSUER_WORDS) {
        if (strcmp(earlier[0], TC_ISSUER_NAME) == 0 && strcmp(earlier[1], issuer) == 0) {
            return true;
        }
    }
    return false;
}

static bool has_key(const apr_array_header_t *words)
{
    int i;

    for (i = 0; i < words->nelts; i += TC_ISSUER_WORDS) {
        const char *name = APR_ARRAY_IDX(words, i, const char *);

        if (strcmp(name, TC_ISSUER_KEY) == 0 || strcmp(name, TC_ISSUER_KEY_SET) == 0) {
            return true;
        }
    }
    return false;
}

/* True if the line says `audience=none` and another audience, too. */
static bool contradicts_none(const apr_array_header_t *words)
{
    int i, audiences = 0, nones = 0;

    for (i = 0; i < words->nelts; i += TC_ISSUER_WORDS) {
        if (strcmp(APR_ARRAY_IDX(words, i, const char *), TC_ISSUER_AUDIENCE) == 0) {
            audiences++;
            nones += strcmp(APR_ARRAY_IDX(words, i + 1, const char *), TC_ISSUER_ANY_AUDIENCE) == 0;
        }
    }
    return nones > 0 && audiences > 1;
}

const char *tc_issuers_read_line(int argc, char *const argv[], const char *place, const char *const *earlier,
                                 apr_array_header_t *words, apr_pool_t *pool)
{
    const char *wrong = NULL;
    int i;

    if (argc < 2) {
        return "write an issuer and its keys, for example https://login.example.org/ keyset=conf/login.json audience=chat";
    }
    if (*argv[0] == '\0') {
        return "write the issuer as the claim iss has it";
    }
    if (is_there(earlier, argv[0])) {
        return apr_psprintf(pool, "%s has a line already; write all its options there", argv[0]);
    }
    add(words, TC_ISSUER_NAME, apr_pstrdup(pool, argv[0]), "");
    add(words, TC_ISSUER_PLACE, place, "");
    for (i = 1; i < argc && wrong == NULL; i++) {
        const char *is = strchr(argv[i], '=');

        if (is == NULL || is[1] == '\0') {
            return apr_psprintf(pool, "\"%s\" is no option and a value, as in audience=chat", argv[i]);
        }
        wrong = read_option(apr_pstrmemdup(pool, argv[i], (apr_size_t)(is - argv[i])), apr_pstrdup(pool, is + 1), words, pool);
    }
    if (wrong == NULL && contradicts_none(words)) {
        return "write audience=none alone, or audiences without it";
    }
    return wrong == NULL && !has_key(words) ? "there is no key; write secret=path, key=algorithm:path or keyset=path" : wrong;
}
