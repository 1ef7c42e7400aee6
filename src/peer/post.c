/* Messages that come in requests. See post.h. */
#include "peer/post.h"

#include "base/alloc.h"
#include "engine/semaphore.h"

#include <stdlib.h>

struct tc_post_t {
    tc_mail_t mail;     /* stands first */
    tc_member_t member; /* loop */
    atomic_uint refs;
    tc_semaphore_t answered;
    tc_peers_t *peers;
    tc_store_t *store;
    tc_bus_t *bus;
    tc_trip_t trip;
    tc_uuid_t room_id;
    tc_chat_in_t in;
    tc_post_result_t result; /* the loop's until `answered`, then the worker's */
    char *object;
};

void tc_post_unref(tc_post_t *post)
{
    if (atomic_fetch_sub(&post->refs, 1) != 1) {
        return;
    }
    tc_chat_in_free(&post->in);
    tc_user_unref(post->member.user);
    tc_semaphore_destroy(&post->answered);
    free(post->object);
    free(post);
}

/* ---- loop ---- */

static tc_post_t *post_of(tc_member_t *member)
{
    return (tc_post_t *)((char *)member - offsetof(tc_post_t, member));
}

static void on_stored(tc_member_t *member, const tc_job_t *job)
{
    tc_post_t *post = post_of(member);
    const tc_event_t *event = job->events;
    tc_buf_t object = TC_BUF_INIT;

    tc_buf_append(&object, event->wire->data + event->object_at, event->object_len);
    tc_chat_encode_object_end(&object, event->seq);
    post->object = (char *)object.data;
    post->result.error = TC_CHAT_OK;
    post->result.repeated = job->repeated;
    post->result.message_id = event->message_id;
    post->result.object = post->object;
    post->result.object_len = object.len;
    tc_semaphore_post(&post->answered);
}

static void on_refused(tc_member_t *member, tc_chat_error_e error, int retry_after_s)
{
    post_of(member)->result.error = error;
    post_of(member)->result.retry_after_s = retry_after_s;
    tc_semaphore_post(&post_of(member)->answered);
}

static void let_go(tc_post_t *post)
{
    post->member.room = NULL;
    tc_post_unref(post);
}

static void on_settled(tc_member_t *member)
{
    if (member->jobs == 0) {
        let_go(post_of(member));
    }
}

static const tc_sink_t sink = {NULL, NULL, NULL, on_settled, NULL, NULL, on_stored, on_refused};

static void deliver(tc_mail_t *mail, void *context)
{
    tc_post_t *post = (tc_post_t *)mail;

    (void)context;
    tc_hub_write(post->peers->hub, &post->member, post->store, post->bus, &post->trip, &post->room_id,
                 &post->in, tc_loop_now_us(post->peers->loop));
    if (post->member.jobs == 0) {
        let_go(post); /* it was refused at once */
    }
}

/* ---- worker ---- */

tc_post_t *tc_post_create(tc_peers_t *peers, tc_store_t *store, tc_bus_t *bus, tc_user_t *user,
                          const tc_trip_t *trip, const tc_uuid_t *room_id, tc_chat_in_t *in)
{
    tc_post_t *post = tc_alloc_zero(sizeof(*post));

    atomic_init(&post->refs, 1);
    tc_semaphore_init(&post->answered);
    post->mail.deliver = deliver;
    post->member.sink = &sink;
    post->member.user = tc_user_ref(user);
    post->peers = peers;
    post->store = store;
    post->bus = bus;
    post->trip = *trip;
    post->room_id = *room_id;
    post->in = *in;
    in->doc = NULL;
    return post;
}

bool tc_post_wait(tc_post_t *post, int64_t timeout_us, tc_post_result_t *result)
{
    atomic_fetch_add(&post->refs, 1); /* the loop's */
    if (!tc_loop_post(post->peers->loop, &post->mail)) {
        tc_post_unref(post);
        return false;
    }
    if (!tc_semaphore_wait_for(&post->answered, timeout_us)) {
        return false;
    }
    *result = post->result;
    return true;
}
