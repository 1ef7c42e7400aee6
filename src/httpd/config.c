/* The directives: how their values are read, inherited and asked for. See config.h and directives.def. */
#include "httpd/config.h"

#include "bus/redis_url.h"
#include "codec/origin.h"
#include "httpd/complaints.h"
#include "httpd/issuers.h"
#include "httpd/number.h"
#include "token/jwt_key.h"
#include "token/rules.h"

#include <apr_strings.h>
#include <http_log.h>
#include <stdlib.h>

APLOG_USE_MODULE(tripchat);

#define NAME_CHARS 64
#define MEMORY_LEAST (1 << 20) /* a number of megabytes without its m is less; no chat works with that */

typedef enum { COUNT, SIZE, TIME, CHOICE, TEXT, NAME, PATH, WORDS, BUS, ORIGINS, KEYS, RATE, QUERY, REQUIRE, ISSUERS } kind_e;
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

static const char *set_number(const directive_t *directive, const char *text,
                              tc_config_value_t *value, apr_pool_t *pool)
{
    tc_number_e kind = directive->kind == SIZE ? TC_NUMBER_SIZE : directive->kind == TIME ? TC_NUMBER_TIME
                                                                                          : TC_NUMBER_COUNT;
    const char *wrong = tc_number_read(kind, text, directive->least, directive->greatest, &value->number, pool);

    if (wrong == NULL && directive == &directives[TC_D_MEMORY] && value->number > 0 && value->number < MEMORY_LEAST) {
        wrong = apr_psprintf(pool, "write 1m or more, or none, not \"%s\", which is in bytes", text);
    }
    return wrong ? apr_psprintf(pool, "%s: %s", directive->name, wrong) : NULL;
}

static const char *set_rate(const directive_t *directive, const char *text, tc_config_value_t *value,
                            apr_pool_t *pool)
{
    const char *wrong = tc_number_read_rate(text, directive->greatest, &value->number, &value->period_us, pool);

    return wrong ? apr_psprintf(pool, "%s: %s", directive->name, wrong) : NULL;
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
    value->text = apr_pstrdup(pool, text);
    return wrong ? apr_psprintf(pool, "%s: %s", directives[id].name, wrong) : NULL;
}

void tc_config_add_word(const char *const **words, const char *word, apr_pool_t *pool)
{
    size_t count = 0;
    const char **list;

    while (*words != NULL && (*words)[count] != NULL) {
        count++;
    }
    list = apr_pcalloc(pool, (count + 2) * sizeof(*list));
    if (count > 0) {
        memcpy(list, *words, count * sizeof(*list));
    }
    list[count] = apr_pstrdup(pool, word);
    *words = list;
}

static const char *set_origin(tc_directive_e id, const char *text, tc_config_value_t *value,
                              apr_pool_t *pool)
{
    const char *wrong = tc_origin_check_pattern(text);

    if (wrong != NULL) {
        return apr_psprintf(pool, "%s: \"%s\" %s; write https://example.org, example.org:8443, "
                            "*.example.org or *", directives[id].name, text, wrong);
    }
    tc_config_add_word(&value->words, text, pool);
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

static const char *set_required(tc_directive_e id, const char *text, tc_config_value_t *value, apr_pool_t *pool)
{
    tc_jwt_required_t required;
    const char *wrong = tc_jwt_required_read(text, &required, pool);

    tc_config_add_word(&value->words, text, pool);
    return wrong ? apr_psprintf(pool, "%s: %s, not \"%s\"", directives[id].name, wrong, text) : NULL;
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
        tc_config_add_word(&value->words, text, pool);
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
    case REQUIRE:
        wrong = set_required(id, text, value, pool);
        break;
    case KEYS:
    case ISSUERS:
        break; /* these have no default; set_key() and set_issuer() read them */
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
static const char *set_issuer(cmd_parms *cmd, void *dir_config, int argc, char *const argv[]);

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
    AP_INIT_TAKE123(name, set_key, data, where, help)
#define COMMAND_REQUIRE AP_INIT_ITERATE
#define COMMAND_ISSUERS(name, setter, data, where, help)                                           \
    AP_INIT_TAKE_ARGV(name, set_issuer, data, where, help)
#define TC_DIRECTIVE(id, name, kind, value, least, greatest, scope, help)                          \
    COMMAND_##kind(name, set_directive, (void *)&directives[TC_D_##id], RSRC_CONF, help),
#include "httpd/directives.def"
#undef TC_DIRECTIVE
    {NULL, {NULL}, NULL, 0, RAW_ARGS, NULL}
};

tc_config_t *tc_config_of(const server_rec *server)
{
    return ap_get_module_config(server->module_config, &tripchat_module);
}

/* A list is one value; each of its words, or lines, adds to it. */
static int is_list(const directive_t *directive)
{
    return directive->kind == WORDS || directive->kind == ORIGINS || directive->kind == KEYS
           || directive->kind == REQUIRE || directive->kind == ISSUERS;
}

/* "none" is for values that are not there unless somebody sets them. So a virtual host can get rid of what it inherits. */
static int is_none(const directive_t *directive, const char *text)
{
    return directive->value == NULL && strcasecmp(text, "none") == 0
           && (is_list(directive) || directive->kind == TEXT || directive->kind == NAME || directive->kind == PATH);
}

/* Whether a value may be set now that another line, or another word, may have set it. */
static const char *check_again(const directive_t *directive, const tc_config_value_t *value, int none, apr_pool_t *pool)
{
    if (!value->is_set) {
        return NULL;
    }
    if (!is_list(directive)) {
        return apr_psprintf(pool, "%s: %s has set it for this server already; remove one of the two lines", directive->name,
                            value->place);
    }
    return none || value->words == NULL ? apr_psprintf(pool, "%s: write none alone, or values without it", directive->name)
                                        : NULL;
}

/* The line that is read. Where two virtual hosts have the same file and line (an Include twice), the section tells them apart. */
static const ap_directive_t *section_of(const cmd_parms *cmd)
{
    const ap_directive_t *line = cmd->directive;

    while (line != NULL && strcasecmp(line->directive, "<VirtualHost") != 0) {
        line = line->parent;
    }
    return line;
}

/*
 * Begins a line that sets a value, of which `word` is the only word; NULL: it has several. *takes: the line brings a value
 * and not `none`. Returns what is wrong with a line in this place.
 */
static const char *begin_line(cmd_parms *cmd, tc_directive_e which, const char *word, int *takes)
{
    tc_config_t *config = tc_config_of(cmd->server);
    const directive_t *directive = &directives[which];
    tc_config_value_t *value = &config->values[which];
    const char *wrong = directive->scope == GLOBAL ? ap_check_cmd_context(cmd, GLOBAL_ONLY) : NULL;
    int none = word != NULL && is_none(directive, word);

    if (wrong == NULL) {
        wrong = check_again(directive, value, none, cmd->pool);
    }
    config->own_set = 1;
    config->section = section_of(cmd);
    value->is_set = 1;
    value->place = tc_complaints_place(cmd->directive, cmd->pool);
    *takes = wrong == NULL && !none;
    return wrong;
}

/* Adds the server to what is wrong with one of its lines: httpd names the file and the line, but not the virtual host. */
static const char *with_server(const cmd_parms *cmd, const char *wrong)
{
    return wrong == NULL || !cmd->server->is_virtual
               ? wrong
               : apr_psprintf(cmd->pool, "%s (virtual host %s)", wrong,
                              tc_complaints_server_name(cmd->server, cmd->pool));
}

static const char *set_directive(cmd_parms *cmd, void *dir_config, const char *text)
{
    tc_directive_e which = (tc_directive_e)((const directive_t *)cmd->info - directives);
    int takes;
    const char *wrong = begin_line(cmd, which, text, &takes);

    (void)dir_config;
    if (takes) {
        wrong = set_value(which, text, &tc_config_of(cmd->server)->values[which], cmd->pool);
    }
    return with_server(cmd, wrong);
}

static const char *add_key(cmd_parms *cmd, const char *alg, const char *path, const char *kid)
{
    tc_config_value_t *value = &tc_config_of(cmd->server)->values[TC_D_JWT_KEY];
    const char *resolved = path ? ap_server_root_relative(cmd->pool, path) : NULL;

    if (tc_jwt_alg_find(alg) == NULL || path == NULL) {
        return apr_psprintf(cmd->pool, "%s: write an algorithm (" TC_JWT_ALGS "), the path of a key and, optionally, its "
                            "kid; or none. %s \"%s\"", directives[TC_D_JWT_KEY].name,
                            tc_jwt_alg_find(alg) ? "There is no path behind" : "This is no algorithm:", alg);
    }
    if (resolved == NULL || *path == '\0') {
        return apr_psprintf(cmd->pool, "%s: write a path, not \"%s\"", directives[TC_D_JWT_KEY].name, path);
    }
    tc_config_add_word(&value->words, alg, cmd->pool);
    tc_config_add_word(&value->words, resolved, cmd->pool);
    tc_config_add_word(&value->words, kid ? kid : "", cmd->pool);
    tc_config_add_word(&value->words, value->place, cmd->pool);
    return NULL;
}

static const char *set_key(cmd_parms *cmd, void *dir_config, const char *alg, const char *path,
                           const char *kid)
{
    int takes;
    const char *wrong = begin_line(cmd, TC_D_JWT_KEY, path == NULL ? alg : NULL, &takes);

    (void)dir_config;
    return with_server(cmd, takes ? add_key(cmd, alg, path, kid) : wrong);
}

static const char *add_issuer(cmd_parms *cmd, int argc, char *const argv[])
{
    tc_config_value_t *value = &tc_config_of(cmd->server)->values[TC_D_ISSUER];
    apr_array_header_t *words = apr_array_make(cmd->pool, argc * TC_ISSUER_WORDS, sizeof(char *));
    const char *wrong = tc_issuers_read_line(argc, argv, value->place, value->words, words, cmd->pool);
    int i;

    for (i = 0; i < words->nelts; i++) {
        tc_config_add_word(&value->words, APR_ARRAY_IDX(words, i, const char *), cmd->pool);
    }
    return wrong ? apr_psprintf(cmd->pool, "%s: %s", directives[TC_D_ISSUER].name, wrong) : NULL;
}

static const char *set_issuer(cmd_parms *cmd, void *dir_config, int argc, char *const argv[])
{
    int takes;
    const char *wrong = begin_line(cmd, TC_D_ISSUER, argc == 1 ? argv[0] : NULL, &takes);

    (void)dir_config;
    return with_server(cmd, takes ? add_issuer(cmd, argc, argv) : wrong);
}

void *tc_config_create(apr_pool_t *pool, server_rec *server)
{
    (void)server;
    return apr_pcalloc(pool, sizeof(tc_config_t));
}

static const tc_directive_e key_directives[] = {TC_D_JWT_SECRET_FILE, TC_D_JWT_KEY, TC_D_JWT_KEY_SET,
                                                TC_D_ISSUER};

#define KEY_DIRECTIVES (sizeof(key_directives) / sizeof(key_directives[0]))

int tc_config_sets_keys(const tc_config_t *config)
{
    size_t i = 0;

    while (i < KEY_DIRECTIVES && !config->values[key_directives[i]].is_set) {
        i++;
    }
    return i < KEY_DIRECTIVES;
}

int tc_config_has_keys(const tc_config_t *config)
{
    size_t i;

    for (i = 0; i < KEY_DIRECTIVES; i++) {
        const tc_config_value_t *value = &config->values[key_directives[i]];

        if (value->is_set && (value->text != NULL || value->words != NULL)) {
            return 1;
        }
    }
    return 0;
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

const tc_config_value_t *tc_config_value(const tc_config_t *config, tc_directive_e directive)
{
    return config->values[directive].is_set ? &config->values[directive] : &defaults[directive];
}

apr_int64_t tc_config_number(const tc_config_t *config, tc_directive_e directive)
{
    return tc_config_value(config, directive)->number;
}

tc_rate_t tc_config_rate(const tc_config_t *config, tc_directive_e directive)
{
    const tc_config_value_t *value = tc_config_value(config, directive);

    return (tc_rate_t){(unsigned)value->number, value->period_us};
}

const char *tc_config_text(const tc_config_t *config, tc_directive_e directive)
{
    return tc_config_value(config, directive)->text;
}

const char *const *tc_config_words(const tc_config_t *config, tc_directive_e directive)
{
    return tc_config_value(config, directive)->words;
}

const tc_sql_query_t *tc_config_query(const tc_config_t *config, tc_directive_e directive)
{
    return tc_config_value(config, directive)->query;
}

const char *tc_config_name(tc_directive_e directive)
{
    return directives[directive].name;
}

int tc_config_has_number(tc_directive_e directive)
{
    return directives[directive].kind <= CHOICE || directives[directive].kind == RATE;
}

int tc_config_is_key(tc_directive_e directive)
{
    size_t i;

    for (i = 0; i < KEY_DIRECTIVES && key_directives[i] != directive; i++) {
    }
    return i < KEY_DIRECTIVES;
}

int tc_config_is_off(const tc_config_t *config)
{
    return tc_config_number(config, TC_D_CHAT) == TC_CHAT_OFF;
}

int tc_config_is_site(const tc_config_t *config)
{
    return tc_config_has_keys(config) && !tc_config_is_off(config);
}

const char *tc_config_place(const tc_config_t *config, tc_directive_e directive)
{
    size_t i;

    if (config->values[directive].is_set) {
        return config->values[directive].place;
    }
    for (i = 0; i < KEY_DIRECTIVES; i++) {
        if (config->values[key_directives[i]].is_set) {
            return config->values[key_directives[i]].place;
        }
    }
    for (i = 0; i < TC_DIRECTIVE_COUNT && !config->values[i].is_set; i++) {
    }
    return i < TC_DIRECTIVE_COUNT ? config->values[i].place : NULL;
}

int tc_config_is_own(const server_rec *server, tc_directive_e directive)
{
    const tc_config_t *config = tc_config_of(server), *outer = config->outer;

    if (!config->values[directive].is_set || (server->is_virtual && outer == NULL)) {
        return 0;
    }
    return outer == NULL || config->values[directive].place != outer->values[directive].place;
}

int tc_config_wrong(const server_rec *server, tc_directive_e directive, const char *what)
{
    tc_complain(server, tc_config_place(tc_config_of(server), directive), APLOG_EMERG, APR_SUCCESS, "TC0040: %s: %s",
                tc_config_name(directive), what);
    return HTTP_INTERNAL_SERVER_ERROR;
}
