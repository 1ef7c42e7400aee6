/*
 * A message or an edit that comes in a request: a worker waits while the loop has it stored like any other,
 * so that there is one way in. Belongs to both, and goes with the last of them: a worker that gives up
 * leaves it to the loop.
 */
#ifndef TC_PEER_POST_H
#define TC_PEER_POST_H

#include "peer/peers.h"

typedef struct tc_post_t tc_post_t;

/* What became of it; meaningful once tc_post_wait() has said true. */
typedef struct {
    tc_chat_error_e error; /* TC_CHAT_OK: stored */
    int retry_after_s;     /* with TC_CHAT_RATE_LIMITED */
    bool repeated;         /* it had been stored before under its client_id */
    tc_uuid_t message_id;
    const char *object;    /* the message object, in the post; not NUL-terminated */
    size_t object_len;
} tc_post_result_t;

/*
 * Makes one, with a reference of the caller's. Takes the contents of `in` over, and a reference to `user` of
 * its own.
 */
tc_post_t *tc_post_create(tc_peers_t *peers, tc_store_t *store, tc_bus_t *bus, tc_user_t *user,
                          const tc_uuid_t *trip_id, const tc_uuid_t *room_id, tc_chat_in_t *in);

/* Gives it to the loop and waits; false when that has ended or nothing was heard for `timeout_us`. Worker. */
bool tc_post_wait(tc_post_t *post, int64_t timeout_us, tc_post_result_t *result);

void tc_post_unref(tc_post_t *post);

#endif
