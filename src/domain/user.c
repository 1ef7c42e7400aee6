/* User records of connections. See user.h. */
#include "domain/user.h"

#include "base/alloc.h"
#include "codec/chat.h"

#include <stdlib.h>

tc_user_t *tc_user_create(const char *id, const char *email, const char *username,
                          const char *full_name)
{
    tc_buf_t json = TC_BUF_INIT;
    const char *mail = email ? email : "";
    size_t id_size = strlen(id) + 1, mail_size = strlen(mail) + 1;
    tc_user_t *user;
    char *at;

    tc_chat_encode_sender(&json, id, email, username, full_name);
    user = tc_alloc(sizeof(*user) + id_size + mail_size + json.len + 1);
    atomic_init(&user->refs, 1);
    at = user->text;
    user->id = memcpy(at, id, id_size);
    user->email = memcpy(at + id_size, mail, mail_size);
    user->sender_json = at + id_size + mail_size;
    memcpy(at + id_size + mail_size, json.data, json.len);
    at[id_size + mail_size + json.len] = '\0';
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
