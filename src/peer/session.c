/* WebSocket clients. RFC 6455, sections 5 to 7. See session.h. */
#include "peer/session.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/metrics.h"
#include "codec/close.h"
#include "codec/wire.h"
#include "domain/access.h"
#include "domain/speak.h"
#include "domain/typing.h"
#include "engine/system.h"
#include "peer/parcel.h"
#include "peer/record.h"

#include <stdlib.h>

typedef struct {
    tc_peer_t peer; /* stands first */
    const tc_application_t *application;
    tc_reader_t reader;
    int64_t pinged_us; /* when a ping went out because nothing came; 0: no ping is unanswered */
    int64_t begun_us;  /* when the message in the reader began; 0: none has */
    tc_bucket_t control; /* for control frames and empty fragments */
    uint32_t unsent; /* bytes in the socket when the ping was queued, or when they were last fewer */
    tc_deflate_terms_t deflate;
    tc_inflater_t *inflater; /* own, if the client's messages refer to earlier ones; NULL: the child's is used */
} session_t;

/* ---- sending ---- */

static void send_control(tc_peer_t *peer, tc_opcode_e opcode, const void *payload, size_t len)
{
    tc_blob_t *frame = tc_wire_frame(opcode, payload, len, 0);

    tc_peer_push_always(peer, frame);
    tc_blob_unref(frame);
}

static void send_close(tc_peer_t *peer, unsigned code, const char *reason)
{
    unsigned char payload[TC_CONTROL_MAX_BYTES];

    send_control(peer, TC_OPCODE_CLOSE, payload, tc_close_encode(code, reason, payload));
}

static void close_session(tc_peer_t *peer, unsigned code, const char *reason)
{
    if (peer->state != TC_PEER_OPEN) {
        return;
    }
    TC_LOG_ABOUT(peer->member.subject, TC_LOG_INFO, 0, "TC0021: connection %llu: closed with %u (%s)",
                 (unsigned long long)peer->member.id, code, reason);
    tc_record_close(peer->site, peer->usage, code, TC_L_SIDE_SERVER);
    send_close(peer, code, reason);
    tc_peer_enter(peer, TC_PEER_CLOSING);
}

/* Fails the connection (RFC 6455, 7.1.7): tells the client why, and takes no more input. */
static void fail(tc_peer_t *peer, unsigned code, const char *why)
{
    TC_LOG_ABOUT(peer->member.subject, TC_LOG_INFO, 0, "TC0022: connection %llu: failed with %u (%s)",
                 (unsigned long long)peer->member.id, code, why);
    if (peer->state == TC_PEER_OPEN) {
        tc_record_close(peer->site, peer->usage, code, TC_L_SIDE_SERVER);
        send_close(peer, code, why);
    }
    tc_peer_enter(peer, TC_PEER_DRAINING);
}

tc_blob_t *tc_session_form(tc_peer_t *peer, tc_blob_t *frame)
{
    const session_t *session = (const session_t *)peer;

    if (session->deflate.server_bits == 0 || tc_peers_deflater(peer->peers) == NULL) {
        return frame;
    }
    return tc_wire_deflated(frame, &session->deflate, tc_peers_deflater(peer->peers));
}

/* A client that does not read may fill its send queue. If the queue overflows, the connection is closed with 1013. */
static void on_member_send(tc_member_t *member, tc_blob_t *frame, bool urgent)
{
    tc_peer_t *peer = (tc_peer_t *)member;

    if (peer->state == TC_PEER_OPEN
        && tc_peer_push(peer, tc_session_form(peer, frame), urgent) != APR_SUCCESS) {
        tc_peer_give_up(peer);
    }
}

static void on_member_close(tc_member_t *member, unsigned code, const char *reason)
{
    tc_peer_part((tc_peer_t *)member, code, reason);
}

static void on_member_wake(tc_member_t *member, int64_t due_us)
{
    (void)due_us;
    tc_peer_arm((tc_peer_t *)member);
}

static void on_member_settled(tc_member_t *member)
{
    tc_peer_ask_to_settle((tc_peer_t *)member);
}

/* The lease is renewed at once: the old token may expire before the store answers. The client hears of it afterwards. */
static void on_member_authenticate(tc_member_t *member, const char *token, const char *client_id)
{
    tc_peer_t *peer = (tc_peer_t *)member;

    if (tc_lease_renew(&peer->lease, member, token, strlen(token), client_id, peer->peers->scratch)
        && !tc_access_ask_about(member, client_id)) {
        tc_lease_confirm(&peer->lease, member, client_id, tc_peer_now_us(peer));
    }
    tc_peer_arm(peer);
}

/* A token may be good although its user was deleted, deactivated or taken off the trip after the site had made it. */
static void on_member_checked(tc_member_t *member, const char *client_id, tc_chat_error_e verdict)
{
    tc_peer_t *peer = (tc_peer_t *)member;

    if (verdict == TC_CHAT_OK) {
        tc_lease_confirm(&peer->lease, member, client_id, tc_peer_now_us(peer));
        return;
    }
    tc_speak_error(member, verdict, client_id, NULL, 0);
    if (verdict == TC_CHAT_FORBIDDEN) {
        on_member_close(member, TC_CLOSE_FORBIDDEN, "Forbidden");
    }
    else {
        on_member_close(member, TC_CLOSE_UNAUTHORIZED, "Unauthorized");
    }
}

static const tc_sink_t sink = {
    on_member_send, on_member_close, on_member_wake, on_member_settled,
    on_member_authenticate, on_member_checked, NULL, NULL,
};

/* ---- receiving ---- */

static void on_peer_close(tc_peer_t *peer, const tc_read_item_t *item)
{
    unsigned error = 0;
    unsigned code = tc_close_decode(item->data, item->len, &error);

    if (code == 0) {
        fail(peer, error, "invalid close frame");
        return;
    }
    if (peer->state == TC_PEER_OPEN) {
        tc_record_close(peer->site, peer->usage, code, TC_L_SIDE_CLIENT);
        send_close(peer, code, NULL);
        tc_log_about(peer->member.subject, NULL, TC_LOG_DEBUG, 0, "TC0023: connection %llu: the client closes with %u",
                     (unsigned long long)peer->member.id, code);
    }
    tc_peer_enter(peer, TC_PEER_DRAINING);
}

static void on_control(tc_peer_t *peer, const tc_read_item_t *item)
{
    if (item->opcode == TC_OPCODE_CLOSE) {
        on_peer_close(peer, item);
    }
    else if (item->opcode == TC_OPCODE_PING && peer->state == TC_PEER_OPEN) {
        tc_blob_t *pong = tc_wire_frame(TC_OPCODE_PONG, item->data, item->len, 0);

        on_member_send(&peer->member, pong, true);
        tc_blob_unref(pong);
    }
}

/* A client that refers to its earlier messages has an inflater of its own; all others share the child's. */
static tc_inflater_t *inflater_of(session_t *session)
{
    if (!session->deflate.client_keeps) {
        return tc_peers_inflater(session->peer.peers);
    }
    if (session->inflater == NULL) {
        session->inflater = tc_inflater_create();
    }
    return session->inflater;
}

/* Inflates a message (RFC 7692, 6.2). False: the message cannot be inflated, and the connection was failed. */
static bool inflate_message(session_t *session, const tc_read_item_t *item, tc_buf_t *message)
{
    tc_peer_t *peer = &session->peer;
    tc_inflater_t *inflater = inflater_of(session);
    tc_inflate_e result = TC_INFLATE_NO_MEMORY;

    if (inflater != NULL) {
        result = tc_inflate(inflater, session->deflate.client_keeps, item->data, item->len,
                            peer->site->max_message_bytes, peer->site->inflate_ratio, message);
    }
    switch (result) {
    case TC_INFLATE_OK:
        break;
    case TC_INFLATE_TOO_BIG:
        fail(peer, TC_CLOSE_TOO_BIG, "message too big when inflated");
        return false;
    case TC_INFLATE_BROKEN:
        fail(peer, TC_CLOSE_BAD_DATA, "compressed data is broken");
        return false;
    case TC_INFLATE_NO_MEMORY:
        fail(peer, TC_CLOSE_INTERNAL, "out of memory");
        return false;
    }
    if (item->opcode == TC_OPCODE_TEXT && !tc_utf8_is_valid(message->data, message->len)) {
        fail(peer, TC_CLOSE_BAD_DATA, "text is not UTF-8");
        return false;
    }
    return true;
}

static void take_deflated(session_t *session, const tc_read_item_t *item)
{
    tc_buf_t message = TC_BUF_INIT;
    tc_read_item_t inflated = *item;

    if (inflate_message(session, item, &message)) {
        inflated.data = message.data;
        inflated.len = message.len;
        session->application->take_message(&session->peer, &inflated);
    }
    tc_buf_free(&message);
}

static void on_message(session_t *session, const tc_read_item_t *item)
{
    if (session->peer.usage != NULL) {
        session->peer.usage->messages_in++;
    }
    if (session->peer.state != TC_PEER_OPEN) {
        return;
    }
    if (item->deflated) {
        take_deflated(session, item);
    }
    else {
        session->application->take_message(&session->peer, item);
    }
}

static bool parses(const tc_peer_t *peer)
{
    return peer->state == TC_PEER_OPEN || peer->state == TC_PEER_CLOSING;
}

static bool is_paused(const tc_peer_t *peer)
{
    return peer->state == TC_PEER_OPEN
           && (((const session_t *)peer)->application->is_paused(peer) || tc_peer_is_leaving(peer));
}

static void note_message_begun(session_t *session)
{
    if (tc_reader_is_idle(&session->reader)) {
        session->begun_us = 0;
    }
    else if (session->begun_us == 0) {
        session->begun_us = tc_peer_now_us(&session->peer);
        tc_peer_arm(&session->peer);
    }
}

/* Frames that carry nothing cost as much as others. False: there were too many, and the connection was failed. */
static bool pay_for_control(session_t *session)
{
    const tc_rate_t *rate = &session->peer.site->control_rate;
    int64_t now_us = tc_peer_now_us(&session->peer);

    for (; session->reader.empty_frames > 0; session->reader.empty_frames--) {
        if (tc_bucket_wait_us(session->control, rate, now_us) > 0) {
            fail(&session->peer, TC_CLOSE_POLICY, "too many control frames");
            return false;
        }
        session->control = tc_bucket_less(session->control, rate, now_us);
    }
    return true;
}

static size_t take_input(tc_peer_t *peer, unsigned char *data, size_t len)
{
    session_t *session = (session_t *)peer;
    unsigned char *at = data, *end = data + len;
    tc_read_item_t item;
    bool is_over = false; /* the turn; some of the input may be left */

    session->pinged_us = 0;
    while (parses(peer) && !is_paused(peer) && !is_over) {
        tc_read_e got = tc_reader_next(&session->reader, &at, end, &item);

        if (!pay_for_control(session) || got == TC_READ_MORE) {
            break;
        }
        if (got == TC_READ_FAIL) {
            fail(peer, item.close_code, item.why);
        }
        else if (got == TC_READ_CONTROL) {
            on_control(peer, &item);
        }
        else {
            session->begun_us = 0;
            on_message(session, &item);
        }
        is_over = !tc_peers_has_time(peer->peers);
    }
    tc_metrics_add(peer->site->metrics_slot, TC_M_FRAMES_RECEIVED, session->reader.frames);
    session->reader.frames = 0;
    note_message_begun(session);
    return is_paused(peer) || is_over ? (size_t)(at - data) : len;
}

/* ---- time ---- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t next_deadline(const tc_peer_t *peer)
{
    const session_t *session = (const session_t *)peer;
    const tc_site_t *site = peer->site;
    int64_t due_us = session->pinged_us ? session->pinged_us + tc_peer_patience_us(peer)
                                        : peer->heard_us + site->ping_interval_us;

    if (session->begun_us != 0) {
        due_us = earlier(due_us, session->begun_us + site->frame_timeout_us);
    }
    if (peer->member.typing_due_us != 0) {
        due_us = earlier(due_us, peer->member.typing_due_us);
    }
    if (peer->member.rest_until_us != 0) {
        due_us = earlier(due_us, peer->member.rest_until_us);
    }
    return due_us;
}

/* True if the ping may not have reached the client yet, which takes what was sent before. Then the client is there. */
static bool is_moving(session_t *session)
{
    uint32_t before = session->unsent;

    if (session->peer.write_blocked) {
        return true; /* and tc_outq_is_too_slow() says how long it may be */
    }
    session->unsent = (uint32_t)tc_system_unsent(session->peer.io.fd);
    return session->unsent > 0 && session->unsent < before;
}

static void check_silence(session_t *session, int64_t now_us)
{
    const tc_site_t *site = session->peer.site;

    if (session->pinged_us != 0) {
        if (now_us - session->pinged_us < tc_peer_patience_us(&session->peer)) {
            return;
        }
        if (is_moving(session)) {
            session->pinged_us = now_us;
            return;
        }
        close_session(&session->peer, TC_CLOSE_GOING_AWAY, "no sign of life");
    }
    else if (now_us - session->peer.heard_us >= site->ping_interval_us) {
        session->pinged_us = now_us;
        session->unsent = (uint32_t)tc_system_unsent(session->peer.io.fd);
        send_control(&session->peer, TC_OPCODE_PING, NULL, 0);
    }
}

/* A paused client is not read, so its silence does not count. */
static void forgive_silence(session_t *session, int64_t now_us)
{
    session->peer.heard_us = now_us;
    session->pinged_us = 0;
    if (session->begun_us != 0) {
        session->begun_us = now_us;
    }
}

static void on_timer(tc_peer_t *peer, int64_t now_us)
{
    session_t *session = (session_t *)peer;

    tc_typing_on_timer(&peer->member, now_us);
    if (peer->member.rest_until_us != 0 && now_us >= peer->member.rest_until_us) {
        peer->member.rest_until_us = 0;
        tc_peer_ask_to_settle(peer); /* which reads on */
    }
    if (is_paused(peer)) {
        forgive_silence(session, now_us);
    }
    if (session->begun_us != 0 && now_us - session->begun_us >= peer->site->frame_timeout_us) {
        close_session(peer, TC_CLOSE_POLICY, "message not finished in time");
    }
    check_silence(session, now_us);
}

/* ---- the chat ---- */

static void take_chat_message(tc_peer_t *peer, const tc_read_item_t *message)
{
    if (peer->member.room == NULL) {
        return;
    }
    if (message->opcode == TC_OPCODE_BINARY) {
        close_session(peer, TC_CLOSE_UNSUPPORTED, "text messages only");
        return;
    }
    tc_hub_on_text(peer->peers->hub, &peer->member, (const char *)message->data, message->len,
                   tc_peer_now_us(peer));
    if (peer->member.rest_until_us != 0) {
        tc_peer_arm(peer);
    }
}

/*
 * Backpressure: a client with TripChatMaxPending jobs in flight is not read, until it was told that the store takes too
 * long. Then it is read again, since its pings need no store; see is_stuck() in domain/speak.c. A client that has no
 * history yet is not read either: otherwise its own message could be in its history and come a second time. Nor is one that
 * rests, see rest() in domain/speak.c.
 */
static bool is_chat_paused(const tc_peer_t *peer)
{
    const tc_member_t *member = &peer->member;

    return member->jobs - member->told >= peer->site->max_pending || member->cursor < 0 || member->rest_until_us != 0;
}

static const tc_application_t chat = {tc_peer_join, take_chat_message, is_chat_paused};

/* ---- from child to child ---- */

/* An inflater that remembers earlier messages cannot move to another child. */
static bool is_portable(const tc_peer_t *peer)
{
    const session_t *session = (const session_t *)peer;

    return session->application == &chat && !session->deflate.client_keeps;
}

static void pack(const tc_peer_t *peer, tc_parcel_t *parcel)
{
    const session_t *session = (const session_t *)peer;
    const tc_reader_t *reader = &session->reader;

    parcel->head.prefix.closable = peer->queue.head_sent == 0;
    parcel->head.pinged_us = session->pinged_us;
    parcel->head.begun_us = session->begun_us;
    parcel->head.deflate = session->deflate;
    parcel->head.reader = *reader;
    tc_parcel_add(parcel, TC_PARCEL_MESSAGE, reader->message.data,
                  reader->drained ? 0 : reader->message.len);
    tc_parcel_add(parcel, TC_PARCEL_CONTROL, reader->control.data, reader->control.len);
}

/* False: the client's unfinished message has more bytes than the site allows by now. */
static bool restore(session_t *session, const tc_parcel_t *parcel)
{
    session->pinged_us = parcel->head.pinged_us;
    session->begun_us = parcel->head.begun_us;
    return tc_parcel_restore_reader(parcel, &session->reader);
}

/* ---- life ---- */

static size_t held(const tc_peer_t *peer)
{
    return ((const session_t *)peer)->reader.message.size;
}

/* The connection ends, and parses() is false from now on. */
static void drop(tc_peer_t *peer)
{
    tc_reader_free(&((session_t *)peer)->reader);
}

static void release(tc_peer_t *peer)
{
    tc_inflater_destroy(((session_t *)peer)->inflater);
}

static const tc_peer_kind_t kind = {take_input, is_paused, held, drop, next_deadline, on_timer, NULL,
                                    close_session, is_portable, pack, release};

void tc_session_create(tc_peers_t *peers, tc_adoption_t *adoption)
{
    session_t *session = tc_alloc_zero(sizeof(*session));
    tc_peer_t *peer = &session->peer;
    bool fits;

    session->application = adoption->application ? adoption->application : &chat;
    tc_reader_init(&session->reader, adoption->site->max_message_bytes);
    session->deflate = adoption->deflate;
    session->reader.takes_deflated = session->deflate.server_bits > 0;
    fits = adoption->parcel == NULL || restore(session, adoption->parcel);
    tc_peer_init(peer, &kind, &sink, peers, adoption);
    if (!fits) {
        fail(peer, TC_CLOSE_TOO_BIG, "message too big");
    }
    else if (peers->farewell_code != 0) {
        close_session(peer, peers->farewell_code, TC_FAREWELL_REASON);
    }
    else if (adoption->reject_code != 0) {
        close_session(peer, adoption->reject_code, adoption->reject_reason);
    }
    else if (session->application->open != NULL) {
        session->application->open(peer, adoption);
    }
    tc_adoption_free(adoption);
    tc_peer_start(peer);
}
