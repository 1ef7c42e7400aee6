/*
 * Which tokens a site accepts: its issuers, their keys, and what a token must say. Const after start-up; any thread.
 */
#ifndef TC_TOKEN_RULES_H
#define TC_TOKEN_RULES_H

#include "token/claims.h"
#include "token/facts.h"
#include "token/jwt_key.h"

#include <stdint.h>

/* A claim, or the typ of the header, that a token must have with this value. */
typedef struct tc_jwt_required_t {
    const char *name; /* TC_FACTS_TYPE: the header's typ, whose value is in lower case */
    const char *value;
    struct tc_jwt_required_t *next;
} tc_jwt_required_t;

/* An issuer with keys of its own. */
typedef struct tc_jwt_issuer_t {
    const char *name; /* the iss of its tokens; NULL: tokens whose iss names no other issuer */
    const tc_jwt_key_t *keys;
    const char *const *audiences; /* one of them must be in the token's aud; NULL: any */
    const char *user_claim;
    const tc_jwt_required_t *required;
    struct tc_jwt_issuer_t *next;
} tc_jwt_issuer_t;

typedef struct {
    const tc_jwt_key_t *keys; /* NULL: all tokens are those of `issuers` */
    const char *user_claim;
    const tc_claim_names_t *names; /* NULL: the site's database says the rest about the user */
    const char *const *audiences; /* one of them must be in the token's aud; NULL: any */
    const char *issuer;      /* must be the token's iss; NULL: any that `issuers` do not have */
    int64_t leeway_s;        /* by which the clocks of issuer and httpd may differ */
    const tc_jwt_required_t *required; /* of every token */
    const tc_jwt_issuer_t *issuers;    /* besides the one above */
} tc_jwt_rules_t;

/*
 * Reads `claim=value`, or `typ=value` for the header's typ; `claim:typ=value` is for a claim of that name. Returns NULL
 * and fills *out, whose strings are on `pool`; otherwise what is wrong, for the administrator. At start-up.
 */
const char *tc_jwt_required_read(const char *text, tc_jwt_required_t *out, apr_pool_t *pool);

/*
 * Finds the issuer that may have signed a token, by the token's iss. Returns NULL and fills *out; otherwise why there is
 * none, for the log. The strings are borrowed or on `pool`.
 */
const char *tc_jwt_issuer_find(const tc_jwt_rules_t *rules, json_object *claims, tc_jwt_issuer_t *out, apr_pool_t *pool);

/* Checks aud and everything that is required. Returns NULL, or what is wrong, for the log; it may be on `pool`. */
const char *tc_jwt_rules_check(const tc_jwt_rules_t *rules, const tc_jwt_issuer_t *issuer, json_object *header,
                               json_object *claims, apr_pool_t *pool);

/* True if the rules require a typ of the header, so that check replaces the usual one. */
bool tc_jwt_rules_want_type(const tc_jwt_rules_t *rules, const tc_jwt_issuer_t *issuer);

/* ---- a token that was accepted under the rules of another child ---- */

/* What counted for the token there: numbers alone, for a parcel. */
typedef struct {
    unsigned char key_id[TC_JWT_KEY_ID_BYTES];
    uint64_t conditions; /* a hash of what the token had to say */
    uint64_t identity;   /* a hash of which claims say who the user is */
    int64_t leeway_s;
} tc_jwt_mark_t;

/* A hash of all that decides which tokens are accepted and whose they are. Never of a secret itself. At start-up. */
uint64_t tc_jwt_rules_hash(const tc_jwt_rules_t *rules);

typedef enum {
    TC_JWT_STAYS,
    TC_JWT_ENDS,      /* a newcomer with the token would be refused */
    TC_JWT_COMES_BACK /* the token must be read again: it has more facts than are kept, or others say now who the user is */
} tc_jwt_still_e;

/* Fills in *mark for a token of these facts that was signed with `key`. */
void tc_jwt_mark(const tc_jwt_rules_t *rules, const tc_jwt_key_t *key, const tc_facts_t *facts, tc_jwt_mark_t *mark);

/*
 * Would a newcomer with the token be let in under `rules`? The time is not looked at. *key is the key of TC_JWT_STAYS; *why
 * is a literal for the log otherwise.
 */
tc_jwt_still_e tc_jwt_still(const tc_jwt_rules_t *rules, const tc_jwt_mark_t *mark, const tc_facts_t *facts,
                            const tc_jwt_key_t **key, const char **why);

#endif
