/*
 * A message or an edit that comes in an HTTP request. The loop has it stored like any other, so that there is one way
 * in; the worker waits. The post belongs to both, with a reference each. A worker that gives up leaves it to the loop.
 */
#ifndef TC_PEER_POST_H
#define TC_PEER_POST_H

#include "peer/peers.h"

typedef struct tc_post_t tc_post_t;

/* What became of a post; meaningful after tc_post_wait() returned true. */
typedef struct {
    tc_chat_error_e error; /* TC_CHAT_OK: stored */
    int retry_after_s;     /* with TC_CHAT_RATE_LIMITED */
    bool repeated;         /* it was stored before under the same client_id (idempotency key) */
    tc_uuid_t message_id;
    const char *object;    /* the message object, in the post; not NUL-terminated */
    size_t object_len;
} tc_post_result_t;

/*
 * Makes a post with one reference, the caller's. The post takes over the contents of `in`, takes a reference of its own
 * to `user`, and borrows `peers`, `store` and `bus`. Worker.
 */
tc_post_t *tc_post_create(tc_peers_t *peers, tc_store_t *store, tc_bus_t *bus, tc_user_t *user,
                          const tc_trip_t *trip, const tc_uuid_t *room_id, tc_chat_in_t *in);

/*
 * Gives the post to the loop, once, and waits for the answer. False: the loop has ended, or there was no answer within
 * `timeout_us`; in the latter case the message may still be stored. Worker.
 */
bool tc_post_wait(tc_post_t *post, int64_t timeout_us, tc_post_result_t *result);

/* Gives a reference back; the last one frees the post. Any thread. */
void tc_post_unref(tc_post_t *post);

#endif
