/*
 * Who a connection speaks for: the site's user record as it was when the connection was made.
 * Immutable; crosses threads, so its count is atomic.
 */
#ifndef TC_DOMAIN_USER_H
#define TC_DOMAIN_USER_H

#include <stdatomic.h>
#include <stddef.h>

typedef struct tc_user_t {
    atomic_uint refs;
    const char *id;
    const char *email;       /* "" when the site has none */
    const char *sender_json; /* the sender object, encoded once */
    char text[];
} tc_user_t;

/* One reference, the caller's. NULL names become null in the sender object. Any thread. */
tc_user_t *tc_user_create(const char *id, const char *email, const char *username,
                          const char *full_name);
/* The same of the fields of another record. */
tc_user_t *tc_user_restore(const char *id, const char *email, const char *sender_json, size_t json_len);
tc_user_t *tc_user_ref(tc_user_t *user);
void tc_user_unref(tc_user_t *user);

#endif
