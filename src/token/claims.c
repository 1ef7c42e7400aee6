/* What the claims of a token say about its user. See claims.h. */
#include "token/claims.h"

#include <apr_strings.h>
#include <string.h>

/* The name itself counts before a path, because the names of some identity providers are URLs. */
json_object *tc_claims_find(json_object *object, const char *name, apr_pool_t *pool)
{
    json_object *value = NULL;

    while (!json_object_object_get_ex(object, name, &value)) {
        const char *dot = strchr(name, '.');

        if (dot == NULL
            || !json_object_object_get_ex(object, apr_pstrmemdup(pool, name, (apr_size_t)(dot - name)), &value)
            || !json_object_is_type(value, json_type_object)) {
            return NULL;
        }
        object = value;
        name = dot + 1;
    }
    return value;
}

static const char *wrong(const char *name, const char *what, apr_pool_t *pool)
{
    return apr_psprintf(pool, "the claim %s %s", name, what);
}

/* The text of a key: a string, or a whole number. Returns NULL and sets *text, which is the value's, or what is wrong. */
static const char *read_key(json_object *value, const char **text)
{
    *text = json_object_get_string(value);
    switch (json_object_get_type(value)) {
    case json_type_int:
        return NULL;
    case json_type_string:
        return **text == '\0' || strlen(*text) != (size_t)json_object_get_string_len(value)
                   ? "has an empty text, or a text with a NUL"
                   : NULL;
    default:
        return "has a value that is no string and no whole number";
    }
}

const char *tc_claims_read_user(json_object *claims, const char *name, size_t max_bytes, const char **user_id,
                                apr_pool_t *pool)
{
    json_object *value = tc_claims_find(claims, name, pool);
    const char *text = NULL, *what = value ? read_key(value, &text) : "is missing";

    if (what == NULL && max_bytes > 0 && strlen(text) > max_bytes) {
        what = apr_psprintf(pool, "has more than %" APR_SIZE_T_FMT " bytes", max_bytes);
    }
    if (what != NULL) {
        return wrong(name, what, pool);
    }
    *user_id = apr_pstrdup(pool, text);
    return NULL;
}

static const char *read_name(json_object *claims, const char *name, const char **out, apr_pool_t *pool)
{
    json_object *value = tc_claims_find(claims, name, pool);

    *out = NULL;
    if (value == NULL) {
        return NULL; /* missing, or null */
    }
    if (!json_object_is_type(value, json_type_string)) {
        return wrong(name, "has a value that is no string", pool);
    }
    *out = apr_pstrdup(pool, json_object_get_string(value));
    return strlen(*out) == (size_t)json_object_get_string_len(value) ? NULL : wrong(name, "has a text with a NUL", pool);
}

static const char *read_trip(json_object *value, const tc_claim_names_t *names, const char **out, apr_pool_t *pool)
{
    const char *text, *what = read_key(value, &text);
    tc_trip_t trip;

    if (what == NULL && !tc_trip_parse(text, strlen(text), names->trip_form, &trip)) {
        what = apr_psprintf(pool, "has an id that is not %s, which TripChatTripKey wants",
                            tc_trip_form_words(names->trip_form));
    }
    if (what != NULL) {
        return wrong(names->trips, what, pool);
    }
    *out = apr_pstrdup(pool, trip.text);
    return NULL;
}

/* The number of values in a token is bounded, and so is the list. */
static const char *read_trips(json_object *claims, const tc_claim_names_t *names, tc_claimed_t *out, apr_pool_t *pool)
{
    json_object *value = tc_claims_find(claims, names->trips, pool);
    size_t count = json_object_is_type(value, json_type_array) ? json_object_array_length(value) : 1, i;
    const char **trips, *why = NULL;

    if (value == NULL) {
        return wrong(names->trips, "is missing", pool);
    }
    out->trips = trips = apr_pcalloc(pool, (count + 1) * sizeof(*trips));
    if (!json_object_is_type(value, json_type_array)) {
        return read_trip(value, names, trips, pool);
    }
    for (i = 0; i < count && why == NULL; i++) {
        why = read_trip(json_object_array_get_idx(value, i), names, trips + i, pool);
    }
    return why;
}

const char *tc_claims_read(json_object *claims, const tc_claim_names_t *names, tc_claimed_t *out, apr_pool_t *pool)
{
    const char *why = read_name(claims, names->email, &out->email, pool);

    if (why == NULL) {
        why = read_name(claims, names->username, &out->username, pool);
    }
    if (why == NULL) {
        why = read_name(claims, names->full_name, &out->full_name, pool);
    }
    return why ? why : read_trips(claims, names, out, pool);
}

bool tc_claims_have_trip(const tc_claimed_t *claimed, const tc_trip_t *trip)
{
    const char *const *id;

    for (id = claimed->trips; *id != NULL; id++) {
        if (strcmp(*id, trip->text) == 0) {
            return true;
        }
    }
    return false;
}
