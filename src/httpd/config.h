/*
 * The configuration of a server: a value for each directive of directives.def, or UNSET. Const after
 * start-up; any thread.
 */
#ifndef TC_HTTPD_CONFIG_H
#define TC_HTTPD_CONFIG_H

#include "domain/rate.h"
#include "store/sql_query.h"

#include <ap_mmn.h>
#include <httpd.h>
#include <http_config.h>

#if !AP_MODULE_MAGIC_AT_LEAST(20120211, 116)
#error "mod_tripchat needs httpd 2.4.49 or newer."
#endif

typedef enum {
#define TC_DIRECTIVE(id, name, kind, value, least, greatest, scope, help) TC_D_##id,
#include "httpd/directives.def"
#undef TC_DIRECTIVE
    TC_DIRECTIVE_COUNT
} tc_directive_e;

typedef enum { TC_REJECT_CLOSE, TC_REJECT_HTTP } tc_reject_e;
typedef enum { TC_DEFLATE_OFF, TC_DEFLATE_ON } tc_deflate_choice_e;
typedef enum { TC_IDENTITY_DATABASE, TC_IDENTITY_TOKEN } tc_identity_e;
typedef enum { TC_CHAT_ON, TC_CHAT_OFF } tc_chat_choice_e;
typedef enum { TC_ORIGIN_ALLOW, TC_ORIGIN_REFUSE } tc_missing_origin_e;

/* A key of TripChatJWTKey is so many words: algorithm, path, kid or "", and the place of its line. */
#define TC_CONFIG_KEY_WORDS 4

typedef struct {
    int is_set;
    apr_int64_t number;          /* COUNT; SIZE in bytes; TIME in microseconds; CHOICE its index; RATE its number */
    apr_int64_t period_us;       /* RATE */
    const char *text;            /* TEXT, NAME, PATH, BUS, QUERY */
    const tc_sql_query_t *query; /* QUERY */
    const char *const *words;    /* WORDS, ORIGINS; KEYS, TC_CONFIG_KEY_WORDS each; REQUIRE; ISSUERS (issuers.h). NULL-terminated */
    const char *place;           /* where the directive stands: "line 12 of /etc/…" */
} tc_config_value_t;

struct tc_vhost_t;

typedef struct tc_config_t {
    int own_set; /* a directive of ours stands in this server itself */
    const struct tc_config_t *outer; /* the configuration that was inherited from; NULL: none */
    const struct ap_directive_t *section; /* the <VirtualHost> it stands in; NULL: the main server. Valid while httpd has the tree */
    struct tc_vhost_t *vhost; /* the chat site of the server; NULL: none. Set at start-up */
    tc_config_value_t values[TC_DIRECTIVE_COUNT];
} tc_config_t;

/* For the module's record (http_config.h): the directives, and the configuration of a server. */
extern const command_rec tc_config_commands[];

void *tc_config_create(apr_pool_t *pool, server_rec *server);

/* The configuration of a server, with what it inherits. */
tc_config_t *tc_config_of(const server_rec *server);

/* The value of a directive: the server's, else the default. NULL or -1: there is neither. The text is borrowed. */
apr_int64_t tc_config_number(const tc_config_t *config, tc_directive_e directive);
const char *tc_config_text(const tc_config_t *config, tc_directive_e directive);
const char *const *tc_config_words(const tc_config_t *config, tc_directive_e directive);

const tc_sql_query_t *tc_config_query(const tc_config_t *config, tc_directive_e directive);
tc_rate_t tc_config_rate(const tc_config_t *config, tc_directive_e directive);

/* The whole value, as above. */
const tc_config_value_t *tc_config_value(const tc_config_t *config, tc_directive_e directive);

/* The directive's name, for messages. */
const char *tc_config_name(tc_directive_e directive);

/* True if a key for tokens is configured, which makes the server a chat site. */
int tc_config_has_keys(const tc_config_t *config);

/* True if a directive with keys is set, also to none. */
int tc_config_sets_keys(const tc_config_t *config);

/* True if the server is a chat site: it has a key, and TripChat is not off. _is_off(): TripChat is off. */
int tc_config_is_site(const tc_config_t *config);
int tc_config_is_off(const tc_config_t *config);

/* True if the directive has a number, besides or instead of a text. _is_key(): if it names keys for tokens. */
int tc_config_has_number(tc_directive_e directive);
int tc_config_is_key(tc_directive_e directive);

/*
 * Where a directive of a server stands, also if it is inherited: "line 12 of /etc/…". If it is set nowhere, where the
 * server's key for tokens stands, which makes it a site, or else any directive of the server. NULL: none is set.
 */
const char *tc_config_place(const tc_config_t *config, tc_directive_e directive);

/*
 * True if a value stands in the server itself, and is not inherited. httpd gives a virtual host without a directive of ours
 * the main server's configuration, of which nothing is its own.
 */
int tc_config_is_own(const server_rec *server, tc_directive_e directive);

/* Complains of what is wrong with a directive (complaints.h). Returns HTTP_INTERNAL_SERVER_ERROR. In check_config. */
int tc_config_wrong(const server_rec *server, tc_directive_e directive, const char *what);

/* Appends a copy of a word to a NULL-terminated list in the pool. *words: NULL for an empty list; it is replaced. */
void tc_config_add_word(const char *const **words, const char *word, apr_pool_t *pool);

/* Reads the defaults of the table with the parsers of the configuration. NULL, or what is wrong. In pre_config. */
const char *tc_config_init_defaults(apr_pool_t *pool);

#endif
