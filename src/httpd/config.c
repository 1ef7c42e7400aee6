/* The directives: how their values are read, inherited and asked for. See config.h and directives.def. */
#include "httpd/config.h"

#include "base/hash.h"
#include "bus/redis_url.h"
#include "codec/origin.h"
#include "token/jwt_key.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <http_log.h>
#include <stdlib.h>

APLOG_USE_MODULE(tripchat);

#define NAME_CHARS 64
#define RATE_LEAST_US 100000
#define RATE_GREATEST_US APR_INT64_C(86400000000)

typedef enum { COUNT, SIZE, TIME, CHOICE, TEXT, NAME, PATH, WORDS, BUS, ORIGINS, KEYS, RATE, QUERY } kind_e;
typedef enum { SITE, GLOBAL } scope_e;

typedef struct {
    const char *name;
    kind_e kind;
    const char *value;
    apr_int64_t least;
    apr_int64_t greatest;
    scope_e scope;
} directive_t;

static const directive_t directives[] = {
#define TC_DIRECTIVE(id, name, kind, value, least, greatest, scope, help)                          \
    {name, kind, value, least, greatest, scope},
#include "httpd/directives.def"
#undef TC_DIRECTIVE
};

/* Words of CHOICE directives in the order of their enums. */
static const struct {
    tc_directive_e directive;
    const char *words[5]; /* NULL-terminated */
} choices[] = {
    {TC_D_CHAT, {"on", "off"}},
    {TC_D_REJECT, {"close", "http"}},
    {TC_D_DEFLATE, {"off", "on"}},
    {TC_D_MISSING_ORIGIN, {"allow", "refuse"}},
    {TC_D_IDENTITY, {"database", "token"}},
    {TC_D_TRIP_KEY, {"uuid", "uuid-hex", "integer", "text"}},
};

static tc_config_value_t defaults[TC_DIRECTIVE_COUNT]; /* const after tc_config_init_defaults() */

/* ---- reading values ---- */

/* Reads the digits at the start of a text; *rest is what follows. False: there are no digits, or too many. */
static int read_digits(const char *text, apr_int64_t *number, const char **rest)
{
    char *end;

    if (!apr_isdigit(*text) || strspn(text, "0123456789") > 15) {
        return 0;
    }
    *number = apr_strtoi64(text, &end, 10);
    *rest = end;
    return 1;
}

static int read_suffix(const char *rest, const char *const *suffixes, const apr_int64_t *factors,
                       apr_int64_t *number)
{
    int i;

    for (i = 0; suffixes[i] != NULL; i++) {
        if (strcasecmp(rest, suffixes[i]) == 0 && *number <= APR_INT64_MAX / factors[i]) {
            *number *= factors[i];
            return 1;
        }
    }
    return 0;
}

static int read_number(kind_e kind, const char *text, apr_int64_t *number)
{
    static const char *const size_suffixes[] = {"", "k", "m", "g", NULL};
    static const apr_int64_t size_factors[] = {1, 1 << 10, 1 << 20, 1 << 30};
    static const char *const time_suffixes[] = {"", "s", "ms", "min", "h", NULL};
    static const apr_int64_t time_factors[] = {1000000, 1000000, 1000, 60000000, 3600000000};
    const char *rest;

    if (!read_digits(text, number, &rest)) {
        return 0;
    }
    switch (kind) {
    case SIZE:
        return read_suffix(rest, size_suffixes, size_factors, number);
    case TIME:
        return read_suffix(rest, time_suffixes, time_factors, number);
    default:
        return *rest == '\0';
    }
}

static const char *write_number(kind_e kind, apr_int64_t number, apr_pool_t *pool)
{
    if (kind == TIME && number % 1000000 != 0) {
        return apr_psprintf(pool, "%" APR_INT64_T_FMT "ms", number / 1000);
    }
    return apr_psprintf(pool, "%" APR_INT64_T_FMT "%s", kind == TIME ? number / 1000000 : number,
                        kind == TIME ? "s" : "");
}

static const char *set_number(const directive_t *directive, const char *text,
                              tc_config_value_t *value, apr_pool_t *pool)
{
    static const char *const forms[] = {"a number", "bytes (as in 64k or 1m)",
                                        "a duration (as in 30s or 500ms)"};

    if (!read_number(directive->kind, text, &value->number) || value->number < directive->least
        || value->number > directive->greatest) {
        return apr_psprintf(pool, "%s: write %s from %s to %s, not \"%s\"", directive->name,
                            forms[directive->kind],
                            write_number(directive->kind, directive->least, pool),
                            write_number(directive->kind, directive->greatest, pool), text);
    }
    return NULL;
}

/* "300/60s": a number and a duration; "0": no limit. */
static const char *set_rate(const directive_t *directive, const char *text, tc_config_value_t *value,
                            apr_pool_t *pool)
{
    const char *slash = strchr(text, '/');
    const char *number = slash ? apr_pstrmemdup(pool, text, (apr_size_t)(slash - text)) : text;
    int good = read_number(COUNT, number, &value->number) && value->number <= directive->greatest;

    value->period_us = 1;
    if (good && slash != NULL) {
        good = value->number > 0 && read_number(TIME, slash + 1, &value->period_us)
               && value->period_us >= RATE_LEAST_US && value->period_us <= RATE_GREATEST_US;
    }
    else if (good) {
        good = value->number == 0;
    }
    return good ? NULL
                : apr_psprintf(pool, "%s: write a number from 1 to %" APR_INT64_T_FMT " and a duration from "
                               "100ms to 24h (as in 300/60s), or 0 for no limit, not \"%s\"",
                               directive->name, directive->greatest, text);
}

static const char *set_choice(tc_directive_e id, const char *text, tc_config_value_t *value,
                              apr_pool_t *pool)
{
    const char *list = "";
    size_t i;
    int word;

    for (i = 0; choices[i].directive != id; i++) {
    }
    for (word = 0; choices[i].words[word] != NULL; word++) {
        if (strcasecmp(choices[i].words[word], text) == 0) {
            value->number = word;
            return NULL;
        }
        list = apr_pstrcat(pool, list, word ? " or " : "", choices[i].words[word], NULL);
    }
    return apr_psprintf(pool, "%s: write %s, not \"%s\"", directives[id].name, list, text);
}

static const char *set_bus(tc_directive_e id, const char *text, tc_config_value_t *value,
                           apr_pool_t *pool)
{
    tc_redis_address_t address;
    const char *wrong = NULL;

    value->text = apr_pstrdup(pool, text);
    if (strcasecmp(text, "local") != 0) {
        wrong = tc_redis_url_parse(text, &address, pool);
    }
    return wrong ? apr_psprintf(pool, "%s: %s", directives[id].name, wrong) : NULL;
}

static const char *set_query(tc_directive_e id, const char *text, tc_config_value_t *value,
                             apr_pool_t *pool)
{
    unsigned places = id == TC_D_ACCESS_QUERY ? 1u << TC_PLACE_TRIP | 1u << TC_PLACE_USER : 1u << TC_PLACE_USER;
    tc_sql_query_t *query = apr_palloc(pool, sizeof(*query));
    const char *wrong = *text ? tc_sql_query_parse(text, places, query, pool) : "write a query";

    value->query = query;

    return wrong ? apr_psprintf(pool, "%s: %s", directives[id].name, wrong) : NULL;
}

/* Adds a word to a value's list. The first word starts the list. */
static void add_word(tc_config_value_t *value, const char *word, apr_pool_t *pool)
{
    int count = 0;
    const char **words;

    while (value->words != NULL && value->words[count] != NULL) {
        count++;
    }
    words = apr_pcalloc(pool, ((size_t)count + 2) * sizeof(char *));
    if (count > 0) {
        memcpy(words, value->words, (size_t)count * sizeof(char *));
    }
    words[count] = apr_pstrdup(pool, word);
    value->words = words;
}

static const char *set_origin(tc_directive_e id, const char *text, tc_config_value_t *value,
                              apr_pool_t *pool)
{
    const char *wrong = tc_origin_check_pattern(text);

    if (wrong != NULL) {
        return apr_psprintf(pool, "%s: \"%s\" %s; write https://example.org, example.org:8443, "
                            "*.example.org or *", directives[id].name, text, wrong);
    }
    add_word(value, text, pool);
    return NULL;
}

/* A name without a colon can never be the host:port of another site. */
static const char *set_name(tc_directive_e id, const char *text, tc_config_value_t *value, apr_pool_t *pool)
{
    size_t len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

    value->text = apr_pstrdup(pool, text);
    return len > 0 && len <= NAME_CHARS && text[len] == '\0' && strcmp(text, "other") != 0
               ? NULL
               : apr_psprintf(pool, "%s: write a name of 1 to %d letters, digits, dots, hyphens and underscores (but not "
                              "other, which metrics use), not \"%s\"", directives[id].name, NAME_CHARS, text);
}

static const char *set_value(tc_directive_e id, const char *text, tc_config_value_t *value,
                             apr_pool_t *pool)
{
    const directive_t *directive = &directives[id];
    const char *wrong = NULL;

    switch (directive->kind) {
    case COUNT:
    case SIZE:
    case TIME:
        wrong = set_number(directive, text, value, pool);
        break;
    case RATE:
        wrong = set_rate(directive, text, value, pool);
        break;
    case CHOICE:
        wrong = set_choice(id, text, value, pool);
        break;
    case WORDS:
        add_word(value, text, pool);
        break;
    case ORIGINS:
        wrong = set_origin(id, text, value, pool);
        break;
    case TEXT:
        value->text = apr_pstrdup(pool, text);
        break;
    case NAME:
        wrong = set_name(id, text, value, pool);
        break;
    case QUERY:
        wrong = set_query(id, text, value, pool);
        break;
    case BUS:
        wrong = set_bus(id, text, value, pool);
        break;
    case PATH:
        value->text = ap_server_root_relative(pool, text);
        break;
    case KEYS:
        break; /* keys have no default, and set_key() reads them */
    }
    if (wrong == NULL && (directive->kind == TEXT || directive->kind == PATH)
        && (*text == '\0' || value->text == NULL)) {
        wrong = apr_psprintf(pool, "%s: write a value, not \"%s\"", directive->name, text);
    }
    value->is_set = wrong == NULL;
    return wrong;
}

static const char *set_directive(cmd_parms *cmd, void *dir_config, const char *text);
static const char *set_key(cmd_parms *cmd, void *dir_config, const char *alg, const char *path,
                           const char *kid);

/* ---- httpd's side ---- */

const command_rec tc_config_commands[] = {
#define COMMAND_COUNT AP_INIT_TAKE1
#define COMMAND_SIZE AP_INIT_TAKE1
#define COMMAND_TIME AP_INIT_TAKE1
#define COMMAND_CHOICE AP_INIT_TAKE1
#define COMMAND_TEXT AP_INIT_TAKE1
#define COMMAND_NAME AP_INIT_TAKE1
#define COMMAND_PATH AP_INIT_TAKE1
#define COMMAND_WORDS AP_INIT_ITERATE
#define COMMAND_BUS AP_INIT_TAKE1
#define COMMAND_QUERY AP_INIT_TAKE1
#define COMMAND_ORIGINS AP_INIT_ITERATE
#define COMMAND_RATE AP_INIT_TAKE1
#define COMMAND_KEYS(name, setter, data, where, help)                                              \
    AP_INIT_TAKE23(name, set_key, data, where, help)
#define TC_DIRECTIVE(id, name, kind, value, least, greatest, scope, help)                          \
    COMMAND_##kind(name, set_directive, (void *)&directives[TC_D_##id], RSRC_CONF, help),
#include "httpd/directives.def"
#undef TC_DIRECTIVE
    {NULL, {NULL}, NULL, 0, RAW_ARGS, NULL}
};

tc_config_t *tc_config_of(server_rec *server)
{
    return ap_get_module_config(server->module_config, &tripchat_module);
}

static const char *set_directive(cmd_parms *cmd, void *dir_config, const char *text)
{
    tc_config_t *config = tc_config_of(cmd->server);
    const directive_t *directive = cmd->info;
    const char *wrong = NULL;

    (void)dir_config;
    if (directive->scope == GLOBAL) {
        wrong = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    }
    config->own_set = 1;
    return wrong ? wrong
                 : set_value((tc_directive_e)(directive - directives), text,
                             &config->values[directive - directives], cmd->pool);
}

static const char *set_key(cmd_parms *cmd, void *dir_config, const char *alg, const char *path,
                           const char *kid)
{
    tc_config_t *config = tc_config_of(cmd->server);
    tc_config_value_t *value = &config->values[TC_D_JWT_KEY];
    const char *resolved = ap_server_root_relative(cmd->pool, path);

    (void)dir_config;
    if (tc_jwt_alg_find(alg) == NULL) {
        return apr_psprintf(cmd->pool, "%s: write an algorithm (" TC_JWT_ALGS "), the path of a key and, "
                            "optionally, its kid; \"%s\" is no algorithm", directives[TC_D_JWT_KEY].name, alg);
    }
    if (resolved == NULL || *path == '\0') {
        return apr_psprintf(cmd->pool, "%s: write a path, not \"%s\"", directives[TC_D_JWT_KEY].name, path);
    }
    add_word(value, alg, cmd->pool);
    add_word(value, resolved, cmd->pool);
    add_word(value, kid ? kid : "", cmd->pool);
    config->own_set = value->is_set = 1;
    return NULL;
}

void *tc_config_create(apr_pool_t *pool, server_rec *server)
{
    (void)server;
    return apr_pcalloc(pool, sizeof(tc_config_t));
}

static const tc_directive_e key_directives[] = {TC_D_JWT_SECRET_FILE, TC_D_JWT_KEY, TC_D_JWT_KEY_SET};

#define KEY_DIRECTIVES (sizeof(key_directives) / sizeof(key_directives[0]))

int tc_config_has_keys(const tc_config_t *config)
{
    size_t i;

    for (i = 0; i < KEY_DIRECTIVES; i++) {
        if (config->values[key_directives[i]].is_set) {
            return 1;
        }
    }
    return 0;
}

/* Directives that mean something with one value of TripChatIdentity only. */
static const struct {
    tc_directive_e directive;
    tc_identity_e identity;
} belongings[] = {
    {TC_D_USER_QUERY, TC_IDENTITY_DATABASE},    {TC_D_ACCESS_QUERY, TC_IDENTITY_DATABASE},
    {TC_D_JWT_TRIPS_CLAIM, TC_IDENTITY_TOKEN},  {TC_D_JWT_EMAIL_CLAIM, TC_IDENTITY_TOKEN},
    {TC_D_JWT_USERNAME_CLAIM, TC_IDENTITY_TOKEN}, {TC_D_JWT_NAME_CLAIM, TC_IDENTITY_TOKEN},
};

#define BELONGINGS (sizeof(belongings) / sizeof(belongings[0]))

/* A virtual host that sets TripChatIdentity itself does not inherit what belongs to the other value. */
static void drop_misfits(tc_config_t *merged, const tc_config_t *inner)
{
    const tc_config_value_t *identity = &inner->values[TC_D_IDENTITY];
    size_t i;

    for (i = 0; i < BELONGINGS && identity->is_set; i++) {
        if ((apr_int64_t)belongings[i].identity != identity->number) {
            merged->values[belongings[i].directive].is_set = 0;
        }
    }
}

void *tc_config_merge(apr_pool_t *pool, void *base, void *add)
{
    const tc_config_t *outer = base, *inner = add;
    tc_config_t *merged = apr_pmemdup(pool, outer, sizeof(*merged));
    size_t i;

    merged->own_set = inner->own_set;
    /* A virtual host with a key of its own must not accept tokens that were signed for the main server. */
    for (i = 0; i < KEY_DIRECTIVES && tc_config_has_keys(inner); i++) {
        merged->values[key_directives[i]].is_set = 0;
    }
    drop_misfits(merged, inner);
    for (i = 0; i < TC_DIRECTIVE_COUNT; i++) {
        if (inner->values[i].is_set) {
            merged->values[i] = inner->values[i];
        }
    }
    return merged;
}

const char *tc_config_init_defaults(apr_pool_t *pool)
{
    const char *wrong = NULL, *words;
    char *word;
    int i;

    for (i = 0; i < TC_DIRECTIVE_COUNT && wrong == NULL; i++) {
        memset(&defaults[i], 0, sizeof(defaults[i]));
        defaults[i].number = directives[i].value ? 0 : -1;
        if (directives[i].value == NULL) {
            continue;
        }
        if (directives[i].kind != WORDS) {
            wrong = set_value((tc_directive_e)i, directives[i].value, &defaults[i], pool);
            continue;
        }
        words = directives[i].value;
        while (*(word = ap_getword_conf(pool, &words)) != '\0') {
            wrong = set_value((tc_directive_e)i, word, &defaults[i], pool);
        }
    }
    return wrong;
}

static const tc_config_value_t *get(const tc_config_t *config, tc_directive_e directive)
{
    return config->values[directive].is_set ? &config->values[directive] : &defaults[directive];
}

apr_int64_t tc_config_number(const tc_config_t *config, tc_directive_e directive)
{
    return get(config, directive)->number;
}

tc_rate_t tc_config_rate(const tc_config_t *config, tc_directive_e directive)
{
    const tc_config_value_t *value = get(config, directive);

    return (tc_rate_t){(unsigned)value->number, value->period_us};
}

const char *tc_config_text(const tc_config_t *config, tc_directive_e directive)
{
    return get(config, directive)->text;
}

const char *const *tc_config_words(const tc_config_t *config, tc_directive_e directive)
{
    return get(config, directive)->words;
}

const tc_sql_query_t *tc_config_query(const tc_config_t *config, tc_directive_e directive)
{
    return get(config, directive)->query;
}

const char *tc_config_name(tc_directive_e directive)
{
    return directives[directive].name;
}

/* ---- comparing ---- */

int tc_config_is_off(const tc_config_t *config)
{
    return tc_config_number(config, TC_D_CHAT) == TC_CHAT_OFF;
}

int tc_config_is_site(const tc_config_t *config)
{
    return tc_config_has_keys(config) && !tc_config_is_off(config);
}

static uint64_t hash_value(const tc_config_value_t *value, uint64_t hash)
{
    const char *const *word = value->words;

    hash = tc_hash_bytes(hash, &value->number, sizeof(value->number));
    hash = tc_hash_bytes(hash, &value->period_us, sizeof(value->period_us));
    hash = tc_hash_add(tc_hash_text(hash, value->text ? value->text : ""), 0);
    if (value->query != NULL) {
        hash = tc_hash_text(hash, value->query->text);
        hash = tc_hash_bytes(hash, value->query->places, sizeof(value->query->places[0]) * (size_t)value->query->count);
    }
    for (; word != NULL && *word != NULL; word++) {
        hash = tc_hash_add(tc_hash_text(hash, *word), 0);
    }
    return hash;
}

static int is_same_query(const tc_sql_query_t *one, const tc_sql_query_t *other)
{
    return one == other
           || (one != NULL && other != NULL && strcmp(one->text, other->text) == 0 && one->count == other->count
               && memcmp(one->places, other->places, sizeof(one->places[0]) * (size_t)one->count) == 0);
}

static int is_same_text(const char *one, const char *other)
{
    return one == other || (one != NULL && other != NULL && strcmp(one, other) == 0);
}

static int is_same(const tc_config_value_t *one, const tc_config_value_t *other)
{
    const char *const none[] = {NULL}, *const *word = one->words ? one->words : none;
    const char *const *its = other->words ? other->words : none;

    while (*word != NULL && is_same_text(*word, *its)) {
        word++;
        its++;
    }
    return is_same_text(*word, *its) && one->number == other->number && one->period_us == other->period_us
           && is_same_text(one->text, other->text) && is_same_query(one->query, other->query);
}

int tc_config_has_same_keys(const tc_config_t *one, const tc_config_t *other)
{
    size_t i;

    for (i = 0; i < KEY_DIRECTIVES; i++) {
        if (!is_same(get(one, key_directives[i]), get(other, key_directives[i]))) {
            return 0;
        }
    }
    return 1;
}

int tc_config_difference(const tc_config_t *one, const tc_config_t *other)
{
    int i;

    for (i = 0; i < TC_DIRECTIVE_COUNT; i++) {
        if (i != TC_D_SITE && !is_same(get(one, (tc_directive_e)i), get(other, (tc_directive_e)i))) {
            return i;
        }
    }
    return -1;
}

uint64_t tc_config_hash(const tc_config_t *config, uint64_t hash)
{
    int i;

    for (i = 0; i < TC_DIRECTIVE_COUNT; i++) {
        hash = i == TC_D_SITE ? hash : hash_value(get(config, (tc_directive_e)i), hash);
    }
    return hash;
}

int tc_config_wrong(server_rec *server, tc_directive_e directive, const char *what)
{
    ap_log_error(APLOG_MARK, APLOG_EMERG, 0, server, "TC0040: %s: %s", tc_config_name(directive),
                 what);
    return HTTP_INTERNAL_SERVER_ERROR;
}

/* ---- what does not fit together ---- */

static int check_identity(server_rec *server)
{
    const tc_config_t *config = tc_config_of(server);
    apr_int64_t identity = tc_config_number(config, TC_D_IDENTITY);
    size_t i;

    for (i = 0; i < BELONGINGS; i++) {
        if ((apr_int64_t)belongings[i].identity == identity || !config->values[belongings[i].directive].is_set) {
            continue;
        }
        return tc_config_wrong(server, belongings[i].directive, identity == TC_IDENTITY_TOKEN
                                   ? "TripChatIdentity is token, so the site's tables are not asked; remove the query, or "
                                     "write TripChatIdentity database"
                                   : "TripChatIdentity is database, so this claim is not read; write TripChatIdentity "
                                     "token, or remove the directive");
    }
    return OK;
}

int tc_config_check(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *server)
{
    int rc = OK;

    (void)pconf;
    (void)plog;
    (void)ptemp;
    for (; server != NULL && rc == OK; server = server->next) {
        if (tc_config_is_site(tc_config_of(server))) {
            rc = check_identity(server);
        }
    }
    return rc;
}
