/*
 * What the claims of a verified token say about its user: an id and, where the site's database is not asked, names and
 * trips. A claim is named as in the token; a name with dots may also lead into objects (`app.trips`). Any thread.
 */
#ifndef TC_TOKEN_CLAIMS_H
#define TC_TOKEN_CLAIMS_H

#include "codec/json.h"
#include "codec/trip.h"

#include <apr_pools.h>

/* Names of the claims that describe a user. Const after start-up. */
typedef struct {
    const char *email;
    const char *username;
    const char *full_name;
    const char *trips;
    tc_trip_form_e trip_form;
} tc_claim_names_t;

/* The user whom a token describes. All texts are on a pool. */
typedef struct {
    const char *email, *username, *full_name; /* NULL: the token does not have it */
    const char *const *trips;                 /* ids in canonical form, NULL-terminated */
} tc_claimed_t;

/* The value of the claim `name`, which the claims own. NULL: it is missing, or null. */
json_object *tc_claims_find(json_object *claims, const char *name, apr_pool_t *pool);

/*
 * Reads the claim `name`, which names the user: a string, or a whole number as its decimal text. `max_bytes` bounds the
 * id; 0: no bound. Returns NULL and sets *user_id, which is on `pool`. Otherwise returns what is wrong, for the log.
 */
const char *tc_claims_read_user(json_object *claims, const char *name, size_t max_bytes, const char **user_id,
                                apr_pool_t *pool);

/*
 * Reads names and trips. A name is a string; missing or null: there is none. The trips are a string, a whole number, or
 * a list of these, each of the form `names->trip_form`; the list may be empty. Returns as above.
 */
const char *tc_claims_read(json_object *claims, const tc_claim_names_t *names, tc_claimed_t *out, apr_pool_t *pool);

/* True if the trip is one of those that the token names. */
bool tc_claims_have_trip(const tc_claimed_t *claimed, const tc_trip_t *trip);

#endif
