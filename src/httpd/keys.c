/* Files with secrets and keys. See keys.h. */
#include "httpd/keys.h"

#include "base/units.h"
#include "httpd/complaints.h"
#include "httpd/issuers.h"
#include "httpd/keyring.h"
#include "httpd/secret_file.h"

#include <apr_strings.h>
#include <http_log.h>

APLOG_USE_MODULE(tripchat);

#define SECRET_MAX_BYTES 65536
#define KEYS_MAX_BYTES 262144
#define SECRET_MIN_BYTES 8 /* whoever sees a token finds a shorter secret in minutes */

/* A file, and what its bytes are for. */
typedef struct {
    const server_rec *server;
    tc_directive_e directive;
    const char *place; /* where the directive stands */
    const char *path;
    const char *use;   /* an algorithm, "set" or "password": bytes that are good for one may not be good for another */
    const char *kid;   /* NULL: none */
    apr_size_t max;
    bool is_secret;    /* nobody else may read the file */
} source_t;

/* Uses the bytes of a source. NULL, or what is wrong with them; then `result` is as it was. */
typedef const char *(*take_fn)(source_t *source, const char *text, apr_size_t len, void *result, apr_pool_t *pool);

static void complain(const source_t *source, int level, apr_status_t status, const char *tag, const char *what)
{
    tc_complain(source->server, source->place, level, status, "%s: %s: %s: %s", tag, tc_config_name(source->directive),
                source->path, what);
}

/*
 * The file is not good. A reload goes on with what the file held when it was good, or without it: a broken file must not
 * end a running httpd. A start is refused, and so is `httpd -t`.
 */
static int go_on(source_t *source, const char *name, const char *what, apr_status_t status, take_fn take,
                 void *result, apr_pool_t *pool)
{
    apr_size_t len;
    const char *kept = tc_keyring_find(name, &len, pool);

    if (kept != NULL && take(source, kept, len, result, pool) == NULL) {
        complain(source, APLOG_ERR, status, "TC0083",
                 apr_pstrcat(pool, what, ". The server goes on with what the file held before; mend the file and reload", NULL));
        return OK;
    }
    if (tc_keyring_is_reload()) {
        complain(source, APLOG_ERR, status, "TC0084",
                 apr_pstrcat(pool, what, ". The server goes on without this file, and nothing that needs it is accepted; mend the file and reload",
                             NULL));
        return OK;
    }
    complain(source, APLOG_EMERG, status, status != APR_SUCCESS ? "TC0041" : "TC0040", what);
    return HTTP_INTERNAL_SERVER_ERROR;
}

static int read_source(source_t *source, take_fn take, void *result, apr_pool_t *pool)
{
    const char *name = apr_pstrcat(pool, source->use, " ", source->path, NULL);
    tc_secret_file_t file;
    const char *what = tc_secret_file_read(source->path, source->max, &file, pool), *exposed;

    if (what == NULL) {
        what = take(source, file.text, file.len, result, pool);
    }
    if (what != NULL) {
        return go_on(source, name, what, file.status, take, result, pool);
    }
    tc_keyring_keep(name, file.text, file.len);
    exposed = file.changeable ? file.changeable : source->is_secret ? file.readable : NULL;
    if (exposed != NULL) {
        complain(source, APLOG_WARNING, APR_SUCCESS, "TC0085", apr_pstrcat(pool, "this file ", exposed, NULL));
    }
    return OK;
}

static const char *take_text(source_t *source, const char *text, apr_size_t len, void *result, apr_pool_t *pool)
{
    const char **password = result;

    (void)source;
    (void)len;
    (void)pool;
    *password = text;
    return NULL;
}

int tc_keys_read_password(const server_rec *server, tc_directive_e directive, const char **password, apr_pool_t *pool)
{
    const tc_config_t *config = tc_config_of(server);
    source_t source = {server, directive, tc_config_place(config, directive), tc_config_text(config, directive),
                       "password", NULL, SECRET_MAX_BYTES, true};

    return read_source(&source, take_text, password, pool);
}

/* ---- keys of tokens ---- */

static void warn_if_short(const source_t *source, const tc_jwt_key_t *key)
{
    if (tc_jwt_key_is_short(key)) {
        tc_complain(source->server, source->place, APLOG_WARNING, APR_SUCCESS,
                    "TC0042: %s: the secret has fewer bytes than the %d that %s wants, so it can be guessed; use a longer "
                    "random secret", tc_config_name(source->directive), key->alg->hash_bits / 8, key->alg->name);
    }
}

/* The place for the next key at the end of a list. */
static tc_jwt_key_t **end_of(tc_jwt_key_t **keys)
{
    while (*keys != NULL) {
        keys = &(*keys)->next;
    }
    return keys;
}

static bool is_guessable(const tc_jwt_alg_t *alg, apr_size_t len)
{
    return alg->family == TC_JWT_HMAC && len < SECRET_MIN_BYTES;
}

static const char *take_key(source_t *source, const char *text, apr_size_t len, void *result, apr_pool_t *pool)
{
    tc_jwt_key_t **end = end_of(result);
    const char *what;

    if (is_guessable(tc_jwt_alg_find(source->use), len)) {
        return "the secret has less than " APR_STRINGIFY(SECRET_MIN_BYTES) " bytes, so anybody can guess it; use a random "
               "secret of 32 bytes or more";
    }
    what = tc_jwt_key_read(tc_jwt_alg_find(source->use), source->kid, text, len, end, pool);

    if (what == NULL) {
        const char *doubt = tc_jwt_alg_find(source->use)->family != TC_JWT_HMAC ? tc_jwt_key_doubt(text, len) : NULL;

        warn_if_short(source, *end);
        if (doubt != NULL) {
            complain(source, APLOG_WARNING, APR_SUCCESS, "TC0080", doubt);
        }
    }
    return what;
}

static int add_key(const server_rec *server, tc_directive_e directive, const char *place, const char *alg,
                   const char *path, const char *kid, tc_jwt_key_t **keys, apr_pool_t *pool)
{
    source_t source = {server, directive, place, path, alg, kid, SECRET_MAX_BYTES,
                       tc_jwt_alg_find(alg)->family == TC_JWT_HMAC};

    return read_source(&source, take_key, keys, pool);
}

/* Each TripChatJWTKey has four words: algorithm, path, kid or "", and the place of the line. */
static int add_named_keys(const server_rec *server, tc_jwt_key_t **keys, apr_pool_t *pool)
{
    const char *const *words = tc_config_words(tc_config_of(server), TC_D_JWT_KEY);
    int rc = OK;

    for (; words != NULL && *words != NULL; words += TC_CONFIG_KEY_WORDS) {
        int read = add_key(server, TC_D_JWT_KEY, words[3], words[0], words[1], *words[2] ? words[2] : NULL, keys, pool);

        rc = rc == OK ? read : rc;
    }
    return rc;
}

/* Takes secrets that are too short out of a set. NULL, or what is wrong if no key remains. */
static const char *leave_out_guessable(const source_t *source, tc_jwt_key_t **keys)
{
    tc_jwt_key_t **at = keys;

    while (*at != NULL) {
        if (!is_guessable((*at)->alg, (*at)->len)) {
            at = &(*at)->next;
            continue;
        }
        complain(source, APLOG_WARNING, APR_SUCCESS, "TC0064", "a secret with less than " APR_STRINGIFY(SECRET_MIN_BYTES)
                 " bytes is not used, because anybody can guess it");
        *at = (*at)->next;
    }
    return *keys ? NULL : "the set has no secret that is long enough";
}

/* True if an object in a JSON text has the member d, the private part of an RSA or EC key (RFC 7518, 6). */
static bool has_private_key(const char *text)
{
    static const char member[] = "\"d\"";

    while ((text = strstr(text, member)) != NULL) {
        text += sizeof(member) - 1;
        text += strspn(text, " \t\r\n");
        if (*text == ':') {
            return true;
        }
    }
    return false;
}

static const char *take_set(source_t *source, const char *text, apr_size_t len, void *result, apr_pool_t *pool)
{
    tc_jwt_key_t **end = end_of(result), *key;
    const char *left_out, *what = tc_jwt_key_read_set(text, len, end, &left_out, pool);

    if (what != NULL) {
        *end = NULL;
        return what;
    }
    if (*left_out != '\0') {
        tc_complain(source->server, source->place, APLOG_WARNING, APR_SUCCESS,
                    "TC0064: %s: %s: some keys are not used, because they are broken, are not for signatures, or their "
                    "algorithm is none of " TC_JWT_ALGS ": %s", tc_config_name(source->directive), source->path, left_out);
    }
    if (has_private_key(text)) {
        source->is_secret = true;
        complain(source, APLOG_WARNING, APR_SUCCESS, "TC0080", "the set holds private keys, with which anybody can sign tokens; "
                 "use the set of public keys");
    }
    what = leave_out_guessable(source, end);
    for (key = *end; key != NULL; key = key->next) {
        warn_if_short(source, key);
        source->is_secret = source->is_secret || key->alg->family == TC_JWT_HMAC;
    }
    return what;
}

static int add_key_set(const server_rec *server, tc_directive_e directive, const char *place, const char *path,
                       tc_jwt_key_t **keys, apr_pool_t *pool)
{
    source_t source = {server, directive, place, path, "set", NULL, KEYS_MAX_BYTES, false};

    return read_source(&source, take_set, keys, pool);
}

/* ---- what a token must say ---- */

static void add_required(const char *text, const tc_jwt_required_t **list, apr_pool_t *pool)
{
    tc_jwt_required_t *required = apr_palloc(pool, sizeof(*required));

    (void)tc_jwt_required_read(text, required, pool); /* it was checked when the directive was read */
    required->next = (tc_jwt_required_t *)*list;
    *list = required;
}

/*
 * RFC 8725, 3.8 and 3.9. A key set is published by an identity provider, which may sign for other applications as well.
 * "TripChatJWTAudience none" says that it does not.
 */
static void warn_of_any(const server_rec *server, const tc_jwt_rules_t *rules)
{
    const tc_config_t *config = tc_config_of(server);

    if (tc_config_text(config, TC_D_JWT_KEY_SET) == NULL || config->values[TC_D_JWT_AUDIENCE].is_set
        || rules->issuer != NULL || rules->required != NULL) {
        return;
    }
    tc_complain(server, tc_config_place(config, TC_D_JWT_KEY_SET), APLOG_WARNING, APR_SUCCESS,
                "TC0058: %s: every token that is signed with a key of this set is accepted, also tokens that the identity "
                "provider made for other applications, whose operators can then use them here; write %s, %s or %s",
                tc_config_name(TC_D_JWT_KEY_SET), tc_config_name(TC_D_JWT_AUDIENCE), tc_config_name(TC_D_JWT_ISSUER),
                tc_config_name(TC_D_JWT_REQUIRE));
}

/* ---- issuers ---- */

/* Of an issuer whose line says audience=none, until all lines are read. */
static const char *const no_audiences[] = {NULL};

/* Takes an option of a line. `place` is where the line stands. */
static int take_option(const server_rec *server, const char *const *words, const char *place, tc_jwt_issuer_t *issuer,
                       apr_pool_t *pool)
{
    tc_jwt_key_t *keys = (tc_jwt_key_t *)issuer->keys;
    int rc = OK;

    if (strcmp(words[0], TC_ISSUER_KEY) == 0) {
        rc = add_key(server, TC_D_ISSUER, place, words[1], words[2], NULL, &keys, pool);
    }
    else if (strcmp(words[0], TC_ISSUER_KEY_SET) == 0) {
        rc = add_key_set(server, TC_D_ISSUER, place, words[1], &keys, pool);
    }
    else if (strcmp(words[0], TC_ISSUER_AUDIENCE) == 0) {
        if (strcmp(words[1], TC_ISSUER_ANY_AUDIENCE) == 0) {
            issuer->audiences = no_audiences;
            return OK;
        }
        tc_config_add_word(&issuer->audiences, words[1], pool);
    }
    else if (strcmp(words[0], TC_ISSUER_REQUIRE) == 0) {
        add_required(words[1], &issuer->required, pool);
    }
    else if (strcmp(words[0], TC_ISSUER_USER_CLAIM) == 0) {
        issuer->user_claim = words[1];
    }
    issuer->keys = keys;
    return rc;
}

/* The words of one line begin with TC_ISSUER_NAME and TC_ISSUER_PLACE. */
static int add_issuers(const server_rec *server, tc_jwt_rules_t *rules, apr_pool_t *pool)
{
    const char *const *words = tc_config_words(tc_config_of(server), TC_D_ISSUER);
    tc_jwt_issuer_t *issuer = NULL, **end = (tc_jwt_issuer_t **)&rules->issuers;
    const char *place = NULL;
    int rc = OK;

    for (; words != NULL && *words != NULL; words += TC_ISSUER_WORDS) {
        int taken;

        if (strcmp(words[0], TC_ISSUER_NAME) == 0) {
            *end = issuer = apr_pcalloc(pool, sizeof(*issuer));
            end = &issuer->next;
            issuer->name = words[1];
            issuer->user_claim = rules->user_claim;
            if (rules->issuer != NULL && strcmp(rules->issuer, issuer->name) == 0) {
                rc = tc_config_wrong(server, TC_D_ISSUER, "TripChatJWTIssuer names the same issuer; remove one of the two");
            }
        }
        else if (strcmp(words[0], TC_ISSUER_PLACE) == 0) {
            place = words[1];
        }
        taken = issuer ? take_option(server, words, place, issuer, pool) : OK;
        rc = rc == OK ? taken : rc;
    }
    for (issuer = (tc_jwt_issuer_t *)rules->issuers; issuer != NULL; issuer = issuer->next) {
        if (issuer->audiences == NULL) {
            issuer->audiences = rules->audiences;
        }
        else if (issuer->audiences == no_audiences) {
            issuer->audiences = NULL;
        }
    }
    return rc;
}

int tc_keys_read(const server_rec *server, tc_jwt_rules_t *rules, apr_pool_t *pool)
{
    const tc_config_t *config = tc_config_of(server);
    const char *secret_path = tc_config_text(config, TC_D_JWT_SECRET_FILE);
    const char *set_path = tc_config_text(config, TC_D_JWT_KEY_SET);
    tc_jwt_key_t *keys = NULL;
    const char *const *required = tc_config_words(config, TC_D_JWT_REQUIRE);
    int rc = OK, issuers_rc;

    if (secret_path != NULL) {
        rc = add_key(server, TC_D_JWT_SECRET_FILE, tc_config_place(config, TC_D_JWT_SECRET_FILE), "HS256",
                     secret_path, NULL, &keys, pool);
    }
    if (rc == OK) {
        rc = add_named_keys(server, &keys, pool);
    }
    if (rc == OK && set_path != NULL) {
        rc = add_key_set(server, TC_D_JWT_KEY_SET, tc_config_place(config, TC_D_JWT_KEY_SET), set_path, &keys, pool);
    }
    rules->keys = keys;
    rules->user_claim = tc_config_text(config, TC_D_JWT_USER_CLAIM);
    if (tc_config_text(config, TC_D_JWT_AUDIENCE) != NULL) {
        tc_config_add_word(&rules->audiences, tc_config_text(config, TC_D_JWT_AUDIENCE), pool);
    }
    rules->issuer = tc_config_text(config, TC_D_JWT_ISSUER);
    rules->leeway_s = tc_config_number(config, TC_D_JWT_LEEWAY) / TC_US_PER_S;
    for (; required != NULL && *required != NULL; required++) {
        add_required(*required, &rules->required, pool);
    }
    warn_of_any(server, rules);
    issuers_rc = add_issuers(server, rules, pool);
    return rc == OK ? issuers_rc : rc;
}
