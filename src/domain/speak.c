/* Handles the messages of members. See speak.h. */
#include "domain/speak.h"

#include "base/metrics.h"
#include "base/units.h"
#include "codec/close.h"
#include "codec/wire.h"
#include "domain/typing.h"

/* ---- answers ---- */

void tc_speak_text(tc_member_t *member, tc_buf_t *buf, bool droppable)
{
    tc_blob_t *frame = tc_wire_frame(TC_OPCODE_TEXT, buf->data, buf->len, 0);

    frame->droppable = droppable;
    member->sink->send(member, frame, true);
    tc_blob_unref(frame);
    tc_buf_free(buf);
}

void tc_speak_error(tc_member_t *member, tc_chat_error_e error, const char *client_id,
                    const char *field, int retry_after_s)
{
    tc_buf_t buf = TC_BUF_INIT;

    if (retry_after_s == 0) {
        retry_after_s = tc_chat_retry_after_s(error);
    }
    if (member->sink->refused != NULL) {
        member->sink->refused(member, error, retry_after_s);
        return;
    }
    tc_metrics_add(member->room->site->metrics_slot, TC_M_ERRORS_SENT + (unsigned)error - 1, 1);
    tc_chat_encode_error(&buf, error, client_id, field, retry_after_s);
    tc_speak_text(member, &buf, false);
}

static void answer_ping(tc_member_t *member, const char *client_id)
{
    tc_buf_t buf = TC_BUF_INIT;

    tc_chat_encode_pong(&buf, client_id);
    tc_speak_text(member, &buf, false);
}

/* ---- rate limits ---- */

/* A client that is refused again and again is closed: no impatient person sends that often. */
static void refuse(tc_member_t *member, const char *client_id, int64_t wait_us, int64_t now_us)
{
    int64_t wait_s = (wait_us + TC_US_PER_S - 1) / TC_US_PER_S;

    if (member->sink->close != NULL && !tc_limits_forgive(member, member->room->site, now_us)) {
        member->sink->close(member, TC_CLOSE_POLICY, "too many messages");
        return;
    }
    tc_speak_error(member, TC_CHAT_RATE_LIMITED, client_id, NULL, (int)wait_s);
}

/* Takes a token for an action. If there is none, tells the member and returns false. */
static bool may(tc_member_t *member, tc_meter_t *meter, tc_action_e action, const char *client_id,
                int64_t now_us)
{
    tc_room_t *room = member->room;
    int64_t wait_us = tc_limits_take(member, room->site, meter, action, now_us);

    if (wait_us > 0) {
        tc_metrics_add(room->site->metrics_slot, TC_M_RATE_REFUSALS + (unsigned)action, 1);
        refuse(member, client_id, wait_us, now_us);
    }
    else if (room->site->user_rates[action].tokens > 0 && room->bus->state == TC_BUS_UP) {
        room->bus->spend(room->bus, action, member->user);
    }
    return wait_us == 0;
}

/*
 * A message is inflated and parsed before it is refused for its rate, so a refused message costs as much as another one.
 * After a long one, the connection is not read for a while. What the client sends meanwhile waits in the socket.
 */
static void rest(tc_member_t *member, size_t len, int64_t now_us)
{
    const size_t most = (size_t)TC_REFUSED_BYTES_S * TC_REFUSED_REST_S;

    if (len > TC_REFUSED_FREE_BYTES) {
        member->rest_until_us = now_us + (int64_t)(len < most ? len : most) * TC_US_PER_S / TC_REFUSED_BYTES_S;
    }
}

/* Every message that is neither an edit nor typing counts as a message, also a ping or an invalid one. */
static tc_action_e action_of(const tc_chat_in_t *in, tc_chat_error_e error)
{
    if (error == TC_CHAT_OK && in->kind == TC_CHAT_IN_EDIT) {
        return TC_ACTION_EDIT;
    }
    return error == TC_CHAT_OK && in->kind == TC_CHAT_IN_TYPING ? TC_ACTION_TYPING : TC_ACTION_MESSAGE;
}

/* ---- messages ---- */

/*
 * A client whose jobs are overdue is read again, so that its pings are answered. Its messages make no further jobs then:
 * so many wait for the store already.
 */
static bool is_stuck(const tc_member_t *member)
{
    return member->told > 0 && member->jobs >= member->room->site->max_pending;
}

static tc_job_t *make_write(tc_member_t *member, const tc_chat_in_t *in)
{
    tc_room_t *room = member->room;
    tc_job_t *job = tc_job_create(in->kind == TC_CHAT_IN_MESSAGE ? TC_JOB_POST : TC_JOB_EDIT,
                                  room->store, in->content, in->content_len, in->client_id);

    job->room = room;
    job->member = member;
    job->room_id = room->room_id;
    job->known_seq = room->timeline.last_seq;
    job->user = tc_user_ref(member->user);
    job->message_type = in->message_type;
    job->has_reply = in->has_reply;
    job->reply_to = in->reply_to;
    job->message_id = in->message_id;
    if (job->kind == TC_JOB_POST) {
        tc_uuid_make_v7(&job->message_id);
    }
    else {
        job->after = room->timeline.last_seq > member->cursor ? room->timeline.last_seq : member->cursor;
    }
    return job;
}

static void submit_write(tc_member_t *member, const tc_chat_in_t *in)
{
    tc_room_t *room = member->room;
    tc_job_t *job;

    if (is_stuck(member)) {
        tc_speak_error(member, TC_CHAT_UNAVAILABLE, in->client_id, NULL, 0);
        return;
    }
    job = make_write(member, in);
    if (room->store->submit(room->store, job) != APR_SUCCESS) {
        tc_speak_error(member, TC_CHAT_OVERLOADED, in->client_id, NULL, 0);
        tc_job_destroy(job);
        return;
    }
    room->jobs++;
    member->jobs++;
    tc_room_add_write(room, job);
}

static void obey(tc_member_t *member, const tc_chat_in_t *in, int64_t now_us)
{
    switch (in->kind) {
    case TC_CHAT_IN_MESSAGE:
    case TC_CHAT_IN_EDIT:
        submit_write(member, in);
        break;
    case TC_CHAT_IN_TYPING:
        tc_typing_on_message(member, in->is_typing, now_us);
        break;
    case TC_CHAT_IN_AUTHENTICATE:
        member->sink->authenticate(member, in->token, in->client_id);
        break;
    case TC_CHAT_IN_PING:
        answer_ping(member, in->client_id);
        break;
    }
}

/* `type` is a tc_chat_in_e or TC_L_TYPE_INVALID. A test checks that the enum and the label have the same order. */
static void note_message(const tc_member_t *member, unsigned type)
{
    tc_metrics_add(member->room->site->metrics_slot, TC_M_MESSAGES_RECEIVED + type, 1);
}

void tc_speak_on_text(tc_member_t *member, tc_meter_t *meter, const char *text, size_t len,
                      int64_t now_us)
{
    tc_chat_in_t in;
    tc_chat_error_e error = tc_chat_decode(text, len, &member->room->site->rules, &in);

    note_message(member, error == TC_CHAT_OK ? (unsigned)in.kind : TC_L_TYPE_INVALID);
    if (may(member, meter, action_of(&in, error), in.client_id, now_us)) {
        if (error == TC_CHAT_OK) {
            obey(member, &in, now_us);
        }
        else {
            tc_speak_error(member, error, in.client_id, in.bad_field, 0);
        }
    }
    else {
        rest(member, len, now_us);
    }
    tc_chat_in_free(&in);
}

void tc_speak_write(tc_member_t *member, tc_meter_t *meter, const tc_chat_in_t *in, int64_t now_us)
{
    note_message(member, (unsigned)in->kind);
    if (may(member, meter, action_of(in, TC_CHAT_OK), in->client_id, now_us)) {
        submit_write(member, in);
    }
}
