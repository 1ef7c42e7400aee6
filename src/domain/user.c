/* User records of connections. See user.h. */
#include "domain/user.h"

#include "base/alloc.h"
#include "codec/chat.h"

#include <stdlib.h>

tc_user_t *tc_user_restore(const char *id, const char *email, const char *sender_json, size_t json_len)
{
    size_t id_size = strlen(id) + 1, mail_size = strlen(email) + 1;
    tc_user_t *user = tc_alloc(sizeof(*user) + id_size + mail_size + json_len + 1);
    char *at = user->text;

    atomic_init(&user->refs, 1);
    user->id = memcpy(at, id, id_size);
    user->email = memcpy(at + id_size, email, mail_size);
    user->sender_json = at + id_size + mail_size;
    memcpy(at + id_size + mail_size, sender_json, json_len);
    at[id_size + mail_size + json_len] = '\0';
    return user;
}

tc_user_t *tc_user_create(const char *id, const char *email, const char *username,
                          const char *full_name)
{
    tc_buf_t json = TC_BUF_INIT;
    tc_user_t *user;

    tc_chat_encode_sender(&json, id, email, username, full_name);
    user = tc_user_restore(id, email ? email : "", (const char *)json.data, json.len);
    tc_buf_free(&json);
    return user;
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
