/* Files with secrets and keys. See keys.h. */
#include "httpd/keys.h"

#include "base/units.h"

#include <apr_file_io.h>
#include <apr_strings.h>
#include <http_log.h>

APLOG_USE_MODULE(tripchat);

#define SECRET_MAX_BYTES 65536
#define KEYS_MAX_BYTES 262144

/* Logs what is wrong with a file, with the file's name. */
static int wrong_file(server_rec *server, tc_directive_e directive, const char *path, const char *what,
                      apr_pool_t *pool)
{
    return tc_config_wrong(server, directive, apr_pstrcat(pool, path, ": ", what, NULL));
}

/* Reads a file of less than `max` bytes, leaves out the line ends at its end, and adds a NUL. */
static int read_file(server_rec *server, tc_directive_e directive, const char *path, apr_size_t max,
                     const char **text, apr_size_t *len, apr_pool_t *pool)
{
    apr_file_t *file;
    char *bytes = apr_palloc(pool, max + 1);
    apr_status_t rv = apr_file_open(&file, path, APR_FOPEN_READ, APR_FPROT_OS_DEFAULT, pool);

    *len = 0;
    if (rv == APR_SUCCESS) {
        rv = apr_file_read_full(file, bytes, max, len);
        apr_file_close(file);
    }
    if (rv != APR_SUCCESS && rv != APR_EOF) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, rv, server,
                     "TC0041: %s: cannot read %s; write the path of a file that root may read",
                     tc_config_name(directive), path);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    while (*len > 0 && (bytes[*len - 1] == '\n' || bytes[*len - 1] == '\r')) {
        (*len)--;
    }
    if (*len == 0 || *len == max) {
        return wrong_file(server, directive, path, "the file is empty, or too big for a secret or a key; write the "
                          "path of the right file", pool);
    }
    bytes[*len] = '\0';
    *text = bytes;
    return OK;
}

int tc_keys_read_secret(server_rec *server, tc_directive_e directive, const char **secret,
                        apr_size_t *len, apr_pool_t *pool)
{
    const char *path = tc_config_text(tc_config_of(server), directive);

    return read_file(server, directive, path, SECRET_MAX_BYTES, secret, len, pool);
}

/* ---- keys of tokens ---- */

static void warn_if_short(server_rec *server, tc_directive_e directive, const tc_jwt_key_t *key)
{
    if (tc_jwt_key_is_short(key)) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, server,
                     "TC0042: %s: the secret has fewer bytes than the %d that %s wants, so it can be guessed; use a "
                     "longer random secret",
                     tc_config_name(directive), key->alg->hash_bits / 8, key->alg->name);
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

static int add_key(server_rec *server, tc_directive_e directive, const char *alg, const char *path,
                   const char *kid, tc_jwt_key_t **keys, apr_pool_t *pool)
{
    const char *text = NULL, *what;
    tc_jwt_key_t **end = end_of(keys);
    apr_size_t len;
    int rc = read_file(server, directive, path, SECRET_MAX_BYTES, &text, &len, pool);

    if (rc != OK) {
        return rc;
    }
    what = tc_jwt_key_read(tc_jwt_alg_find(alg), kid, text, len, end, pool);
    if (what != NULL) {
        return wrong_file(server, directive, path, what, pool);
    }
    warn_if_short(server, directive, *end);
    return OK;
}

/* Each TripChatJWTKey has three words: algorithm, path, and kid or "". */
static int add_named_keys(server_rec *server, tc_jwt_key_t **keys, apr_pool_t *pool)
{
    const char *const *words = tc_config_words(tc_config_of(server), TC_D_JWT_KEY);
    int rc = OK;

    for (; rc == OK && words != NULL && *words != NULL; words += 3) {
        rc = add_key(server, TC_D_JWT_KEY, words[0], words[1], *words[2] ? words[2] : NULL, keys, pool);
    }
    return rc;
}

static int add_key_set(server_rec *server, const char *path, tc_jwt_key_t **keys, apr_pool_t *pool)
{
    const char *text = NULL, *what, *left_out;
    tc_jwt_key_t **end = end_of(keys), *key;
    apr_size_t len;
    int rc = read_file(server, TC_D_JWT_KEY_SET, path, KEYS_MAX_BYTES, &text, &len, pool);

    if (rc != OK) {
        return rc;
    }
    what = tc_jwt_key_read_set(text, len, end, &left_out, pool);
    if (what != NULL) {
        return wrong_file(server, TC_D_JWT_KEY_SET, path, what, pool);
    }
    if (*left_out != '\0') {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, server,
                     "TC0064: %s: %s: some keys are not used, because they are broken, are not for signatures, or their "
                     "algorithm is none of " TC_JWT_ALGS ": %s", tc_config_name(TC_D_JWT_KEY_SET), path, left_out);
    }
    for (key = *end; key != NULL; key = key->next) {
        warn_if_short(server, TC_D_JWT_KEY_SET, key);
    }
    return OK;
}

int tc_keys_read(server_rec *server, tc_jwt_rules_t *rules, apr_pool_t *pool)
{
    const tc_config_t *config = tc_config_of(server);
    const char *secret_path = tc_config_text(config, TC_D_JWT_SECRET_FILE);
    const char *set_path = tc_config_text(config, TC_D_JWT_KEY_SET);
    tc_jwt_key_t *keys = NULL;
    int rc = OK;

    if (secret_path != NULL) {
        rc = add_key(server, TC_D_JWT_SECRET_FILE, "HS256", secret_path, NULL, &keys, pool);
    }
    if (rc == OK) {
        rc = add_named_keys(server, &keys, pool);
    }
    if (rc == OK && set_path != NULL) {
        rc = add_key_set(server, set_path, &keys, pool);
    }
    rules->keys = keys;
    rules->user_claim = tc_config_text(config, TC_D_JWT_USER_CLAIM);
    rules->audience = tc_config_text(config, TC_D_JWT_AUDIENCE);
    rules->issuer = tc_config_text(config, TC_D_JWT_ISSUER);
    rules->leeway_s = tc_config_number(config, TC_D_JWT_LEEWAY) / TC_US_PER_S;
    return rc;
}
