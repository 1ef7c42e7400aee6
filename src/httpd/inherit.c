/* What a virtual host inherits. See inherit.h. */
#include "httpd/inherit.h"

#include "httpd/complaints.h"
#include "httpd/likeness.h"

#include <apr_strings.h>
#include <http_log.h>

APLOG_USE_MODULE(tripchat);

/* Values that belong to a Redis: whoever replaces `partner` does not inherit `value`. */
static const struct {
    tc_directive_e partner;
    tc_directive_e value;
} partners[] = {
    /* Whoever has a Redis of their own must not be sent a password for another one. */
    {TC_D_BUS, TC_D_REDIS_USER},
    {TC_D_BUS, TC_D_REDIS_PASSWORD_FILE},
    {TC_D_REDIS_USER, TC_D_REDIS_PASSWORD_FILE},
    {TC_D_REDIS_PASSWORD_FILE, TC_D_REDIS_USER},
};

#define PARTNERS (sizeof(partners) / sizeof(partners[0]))

/* Checks that belong to keys: other keys are another issuer's, who names another audience and other claims. */
static const tc_directive_e checks[] = {TC_D_JWT_AUDIENCE, TC_D_JWT_ISSUER, TC_D_JWT_REQUIRE};

#define CHECKS (sizeof(checks) / sizeof(checks[0]))

/*
 * What reads a token. A virtual host with other keys inherits these, because another claim would be another user. But whoever
 * signs with those keys may let users choose what the claim says.
 */
static const tc_directive_e claims[] = {TC_D_JWT_USER_CLAIM, TC_D_JWT_TRIPS_CLAIM, TC_D_JWT_EMAIL_CLAIM,
                                        TC_D_JWT_USERNAME_CLAIM, TC_D_JWT_NAME_CLAIM};

#define CLAIMS (sizeof(claims) / sizeof(claims[0]))

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

/* True if a virtual host sets a directive that the outer server has set, to another value. */
static int replaces(const tc_config_t *inner, const tc_config_t *outer, tc_directive_e directive)
{
    return inner->values[directive].is_set && outer->values[directive].is_set
           && !tc_likeness_of(directive, inner, outer);
}

static void drop_partners(tc_config_t *merged, const tc_config_t *outer, const tc_config_t *inner)
{
    size_t i;

    for (i = 0; i < PARTNERS; i++) {
        if (replaces(inner, outer, partners[i].partner)) {
            merged->values[partners[i].value].is_set = 0;
        }
    }
}

/*
 * A virtual host with a key of its own must not accept tokens that were signed for the main server. But checks that the main
 * server sets without a key are meant for the virtual hosts' keys, and stay.
 */
static void drop_keys(tc_config_t *merged, const tc_config_t *outer, const tc_config_t *inner)
{
    int differs = tc_config_has_keys(outer) && !tc_likeness_of_keys(inner, outer), i;

    if (!tc_config_sets_keys(inner)) {
        return;
    }
    for (i = 0; i < TC_DIRECTIVE_COUNT; i++) {
        if (tc_config_is_key((tc_directive_e)i)) {
            merged->values[i].is_set = 0;
        }
    }
    for (i = 0; i < (int)CHECKS && differs; i++) {
        merged->values[checks[i]].is_set = 0;
    }
}

void *tc_inherit_merge(apr_pool_t *pool, void *base, void *add)
{
    const tc_config_t *outer = base, *inner = add;
    tc_config_t *merged = apr_pmemdup(pool, outer, sizeof(*merged));
    size_t i;

    merged->own_set = inner->own_set;
    merged->section = inner->section;
    merged->outer = outer;
    drop_partners(merged, outer, inner);
    drop_keys(merged, outer, inner);
    drop_misfits(merged, inner);
    for (i = 0; i < TC_DIRECTIVE_COUNT; i++) {
        if (inner->values[i].is_set) {
            merged->values[i] = inner->values[i];
        }
    }
    return merged;
}

/* ---- checks ---- */

static int check_identity(const server_rec *server)
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

/* If a check of the main server's tokens does not hold for a virtual host, its administrator must have meant that. */
static void warn_of_dropped(const server_rec *server, tc_directive_e check)
{
    const tc_config_t *config = tc_config_of(server);
    const char *name = tc_config_name(check);

    if (config->outer == NULL || config->values[check].is_set
        || (tc_config_text(config->outer, check) == NULL && tc_config_words(config->outer, check) == NULL)) {
        return;
    }
    tc_complain(server, tc_config_place(config, check), APLOG_WARNING, APR_SUCCESS,
                "TC0087: %s: this virtual host has keys of its own, so it does not inherit %s from %s, and its tokens are not "
                "checked for it; write %s and a value, or %s none, in the virtual host",
                name, name, tc_config_place(config->outer, check), name, name);
}

/* Where the virtual host sets its keys. */
static const char *place_of_keys(const tc_config_t *config)
{
    int i = 0;

    while (i < TC_DIRECTIVE_COUNT && !(tc_config_is_key((tc_directive_e)i) && config->values[i].is_set)) {
        i++;
    }
    return i < TC_DIRECTIVE_COUNT ? config->values[i].place : NULL;
}

static void warn_of_inherited(const server_rec *server, tc_directive_e claim)
{
    const tc_config_t *config = tc_config_of(server);
    const char *name = tc_config_name(claim);
    const tc_config_value_t *value = &config->values[claim];

    if (config->outer == NULL || !value->is_set || tc_config_is_own(server, claim)
        || !tc_config_has_keys(config->outer) || tc_likeness_of_keys(config, config->outer)) {
        return;
    }
    tc_complain(server, place_of_keys(config), APLOG_WARNING, APR_SUCCESS,
                "TC0087: %s: this virtual host has keys of its own, but inherits %s %s from %s; if its users can choose what "
                "their tokens have there, they choose who they are; write %s and a claim in the virtual host",
                name, name, value->text, value->place, name);
}

int tc_inherit_check(const server_rec *server)
{
    size_t i;

    for (i = 0; i < CLAIMS; i++) {
        warn_of_inherited(server, claims[i]);
    }
    for (i = 0; i < CHECKS; i++) {
        warn_of_dropped(server, checks[i]);
    }
    return check_identity(server);
}
