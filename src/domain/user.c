/* User records of connections. See user.h. */
#include "domain/user.h"

#include "base/alloc.h"
#include "codec/chat.h"

#include <stdlib.h>
#include <string.h>

tc_user_t *tc_user_restore(const char *id, const char *claim, const char *email, const char *sender_json,
                           size_t json_len)
{
    size_t id_size = strlen(id) + 1, mail_size = strlen(email) + 1;
    size_t claim_size = claim != NULL && strcmp(claim, id) != 0 ? strlen(claim) + 1 : 0;
    tc_user_t *user = tc_alloc(sizeof(*user) + id_size + claim_size + mail_size + json_len + 1);
    char *at = user->text;

    atomic_init(&user->refs, 1);
    user->id = memcpy(at, id, id_size);
    at += id_size;
    user->claim = claim_size > 0 ? memcpy(at, claim, claim_size) : user->id;
    at += claim_size;
    user->email = memcpy(at, email, mail_size);
    at += mail_size;
    user->sender_json = at;
    memcpy(at, sender_json, json_len);
    at[json_len] = '\0';
    return user;
}

/* The first name that there is. */
static const char *first_of(const char *a, const char *b, const char *c)
{
    return a ? a : b ? b : c ? c : "";
}

tc_user_t *tc_user_create(const char *id, const char *email, const char *username,
                          const char *full_name)
{
    tc_buf_t json = TC_BUF_INIT;
    tc_user_t *user;

    tc_chat_encode_sender(&json, id, first_of(email, NULL, NULL), first_of(username, full_name, email),
                          first_of(full_name, username, email));
    user = tc_user_restore(id, NULL, email ? email : "", (const char *)json.data, json.len);
    tc_buf_free(&json);
    return user;
}

tc_user_t *tc_user_claimed(const tc_user_t *user, const char *claim)
{
    return tc_user_restore(user->id, claim, user->email, user->sender_json, strlen(user->sender_json));
}

tc_user_t *tc_user_ref(tc_user_t *user)
{
    atomic_fetch_add_explicit(&user->refs, 1, memory_order_relaxed);
    return user;
}

void tc_user_unref(tc_user_t *user)
{
    if (user != NULL && atomic_fetch_sub_explicit(&user->refs, 1, memory_order_acq_rel) == 1) {
        free(user);
    }
}
