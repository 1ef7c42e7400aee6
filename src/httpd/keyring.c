/* Keys that were good. See keyring.h. */
#include "httpd/keyring.h"

#include <apr_strings.h>
#include <httpd.h>
#include <http_config.h>
#include <http_core.h>
#include <http_main.h>
#include <openssl/crypto.h>

#define RETAINED "mod_tripchat keyring 1" /* raise the number when kept_t changes its layout */

/* It outlives the module, which a reload loads anew, so it has a pool below httpd's own. Nothing in it points into the module. */
typedef struct kept_t {
    struct kept_t *next;
    apr_pool_t *pool; /* its own */
    bool in_use;
    apr_size_t len;
    char *bytes; /* behind the name, with a NUL behind them */
    char name[];
} kept_t;

typedef struct {
    kept_t *first;
} keyring_t;

static keyring_t *get_keyring(void)
{
    keyring_t *keyring = ap_retained_data_get(RETAINED);

    return keyring ? keyring : ap_retained_data_create(RETAINED, sizeof(*keyring));
}

/* The pointer to what has the name, or to the end of the list. */
static kept_t **find(keyring_t *keyring, const char *name)
{
    kept_t **at = &keyring->first;

    while (*at != NULL && strcmp((*at)->name, name) != 0) {
        at = &(*at)->next;
    }
    return at;
}

static void wipe(kept_t **at)
{
    kept_t *gone = *at;

    *at = gone->next;
    OPENSSL_cleanse(gone->bytes, gone->len);
    apr_pool_destroy(gone->pool);
}

void tc_keyring_keep(const char *name, const void *bytes, apr_size_t len)
{
    keyring_t *keyring = get_keyring();
    apr_size_t name_size = strlen(name) + 1;
    kept_t **at = find(keyring, name), *kept;
    apr_pool_t *pool;

    if (*at != NULL) {
        wipe(at);
    }
    if (apr_pool_create(&pool, ap_pglobal) != APR_SUCCESS) {
        return; /* httpd itself does not survive this either */
    }
    kept = apr_palloc(pool, sizeof(*kept) + name_size + len + 1);
    kept->pool = pool;
    memcpy(kept->name, name, name_size);
    kept->bytes = kept->name + name_size;
    memcpy(kept->bytes, bytes, len);
    kept->bytes[len] = '\0';
    kept->len = len;
    kept->in_use = true;
    kept->next = keyring->first;
    keyring->first = kept;
}

const char *tc_keyring_find(const char *name, apr_size_t *len, apr_pool_t *pool)
{
    kept_t *kept = *find(get_keyring(), name);

    if (kept == NULL) {
        return NULL;
    }
    kept->in_use = true;
    *len = kept->len;
    return apr_pmemdup(pool, kept->bytes, kept->len + 1);
}

void tc_keyring_sweep(void)
{
    kept_t **at = &get_keyring()->first;

    while (*at != NULL) {
        if (!(*at)->in_use) {
            wipe(at);
            continue;
        }
        (*at)->in_use = false;
        at = &(*at)->next;
    }
}

/* httpd counts how often it has read its configuration to run with it. */
bool tc_keyring_is_reload(void)
{
    return ap_state_query(AP_SQ_CONFIG_GEN) > 1;
}
