/*
 * The user of a connection: the site's user record as it was when the connection was made. Immutable. A user crosses
 * threads, so the reference count is atomic. Any thread.
 */
#ifndef TC_DOMAIN_USER_H
#define TC_DOMAIN_USER_H

#include <stdatomic.h>
#include <stddef.h>

typedef struct tc_user_t {
    atomic_uint refs;
    const char *id;          /* the database's */
    const char *claim;       /* the user as their token names them; often the id */
    const char *email;       /* "": the site has none */
    const char *sender_json; /* the sender object, encoded once */
    char text[];
} tc_user_t;

/*
 * Makes a user with copies of the strings. The caller owns the one reference. Only `id` must not be NULL. No name in the
 * sender object is null: a name that the site does not have is the next best, or "".
 */
tc_user_t *tc_user_create(const char *id, const char *email, const char *username,
                          const char *full_name);

/* Makes a copy of a user from its fields, for example those of a parcel. A `claim` of NULL is the id. */
tc_user_t *tc_user_restore(const char *id, const char *claim, const char *email, const char *sender_json,
                           size_t json_len);

/* Makes a copy of a user whom a token names by another name than their id. */
tc_user_t *tc_user_claimed(const tc_user_t *user, const char *claim);

/* Take and give back a reference; the last one frees the user. _unref() allows NULL. */
tc_user_t *tc_user_ref(tc_user_t *user);
void tc_user_unref(tc_user_t *user);

#endif
