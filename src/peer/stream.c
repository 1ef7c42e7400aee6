/* Streams of events and long polls. See stream.h. */
#include "peer/stream.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/units.h"
#include "codec/close.h"
#include "codec/page.h"
#include "codec/wire.h"
#include "engine/system.h"
#include "peer/parcel.h"
#include "peer/record.h"
#include "peer/peer.h"

#include <apr_time.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct {
    tc_peer_t peer; /* stands first */
    tc_stream_request_t *request;
    int64_t since_us; /* when the connection was taken over; events: or when a sign of life was not needed */
    bool ready;       /* poll: there is something to answer */
    unsigned dropped; /* bytes that came behind the request */
} stream_t;

static bool is_poll(const tc_peer_t *peer)
{
    return ((const stream_t *)peer)->request->is_poll;
}

static tc_blob_t *to_blob(tc_buf_t *buf)
{
    tc_blob_t *blob = tc_blob_create(buf->len);

    memcpy(blob->data, buf->data, buf->len);
    tc_buf_free(buf);
    return blob;
}

static void finish(tc_peer_t *peer, tc_blob_t *last)
{
    tc_peer_push_always(peer, last);
    tc_blob_unref(last);
    tc_peer_enter(peer, TC_PEER_DRAINING);
}

/* ---- server-sent events ---- */

/*
 * A frame as a server-sent event, encoded once for all streams and owned by the frame. The event's id is the seq that
 * the client has reached with it, and the seq's epoch. An ephemeral frame has no id.
 */
static tc_blob_t *as_event(tc_blob_t *frame, const tc_member_t *member)
{
    size_t header = tc_wire_frame_header_len(frame);
    tc_buf_t buf = TC_BUF_INIT;

    if (frame->other != NULL) {
        return frame->other;
    }
    if (!frame->droppable) {
        TC_BUF_LIT(&buf, "id: ");
        tc_buf_append_int(&buf, member->cursor);
        TC_BUF_LIT(&buf, "-");
        tc_buf_append_int(&buf, member->epoch);
        TC_BUF_LIT(&buf, "\n");
    }
    TC_BUF_LIT(&buf, "data: ");
    tc_buf_append(&buf, frame->data + header, frame->len - header); /* JSON without line ends */
    TC_BUF_LIT(&buf, "\n\n");
    frame->other = to_blob(&buf);
    frame->other->droppable = frame->droppable;
    frame->other->flight = tc_flight_ref(frame->flight);
    return frame->other;
}

static void send_alive(tc_peer_t *peer)
{
    tc_buf_t buf = TC_BUF_INIT;
    tc_blob_t *blob;

    TC_BUF_LIT(&buf, ":\n\n");
    blob = to_blob(&buf);
    tc_peer_push_always(peer, blob);
    tc_blob_unref(blob);
}

static void close_events(tc_peer_t *peer, unsigned code, const char *reason)
{
    tc_buf_t buf = TC_BUF_INIT;

    TC_BUF_LIT(&buf, "event: close\ndata: {\"code\":");
    tc_buf_append_int(&buf, code);
    TC_BUF_LIT(&buf, ",\"reason\":\"");
    tc_buf_append_str(&buf, reason);
    TC_BUF_LIT(&buf, "\"}\n\n");
    finish(peer, to_blob(&buf));
}

/* ---- long poll ---- */

/* An answer of status `well` or not. `more` are header lines of this answer, with CRLF. */
typedef struct {
    const char *status;
    bool well;
    const char *more;
} reply_t;

/* The worker has composed the header lines. The date is that of the answer (RFC 9110, 6.6.1). */
static void append_head(tc_buf_t *buf, const stream_t *stream, const reply_t *reply, size_t body_len)
{
    char date[APR_RFC822_DATE_LEN];

    (void)apr_rfc822_date(date, tc_clock_wall_us());
    TC_BUF_LIT(buf, "HTTP/1.1 ");
    tc_buf_append_str(buf, reply->status);
    TC_BUF_LIT(buf, "\r\nDate: ");
    tc_buf_append_str(buf, date);
    TC_BUF_LIT(buf, "\r\n");
    tc_buf_append_str(buf, reply->well ? stream->request->fields : stream->request->error_fields);
    tc_buf_append_str(buf, reply->more);
    TC_BUF_LIT(buf, "Content-Length: ");
    tc_buf_append_int(buf, (int64_t)body_len);
    TC_BUF_LIT(buf, "\r\n\r\n");
}

static void answer(stream_t *stream, const reply_t *reply, tc_buf_t *body)
{
    tc_buf_t buf = TC_BUF_INIT;

    tc_record_note_close(stream->peer.usage, TC_CLOSE_NORMAL, TC_L_SIDE_SERVER);
    append_head(&buf, stream, reply, body->len);
    tc_buf_append(&buf, body->data, body->len);
    tc_buf_free(body);
    finish(&stream->peer, to_blob(&buf));
}

/*
 * Answers with the events that came since, or with an empty list if the room no longer has them. Then the client's next
 * request gets them from the database.
 */
static void answer_page(stream_t *stream)
{
    tc_member_t *member = &stream->peer.member;
    const tc_stream_request_t *request = stream->request;
    tc_page_t page = TC_PAGE_INIT;
    tc_buf_t body = TC_BUF_INIT;
    tc_blob_t *results = NULL;

    page.url = request->url;
    page.last_seq = member->after;
    page.epoch = member->epoch;
    if (member->room != NULL && member->room->loaded) {
        page.last_seq = member->room->timeline.last_seq;
        page.epoch = member->room->timeline.epoch;
        results = tc_timeline_page(&member->room->timeline, member->after, request->limit,
                                   &page.next_after);
    }
    if (member->after > 0) {
        page.previous_before = member->after + 1;
    }
    if (results == NULL) {
        page.next_after = member->after;
    }
    if (page.next_after >= page.last_seq) {
        page.next_after = TC_PAGE_NONE;
    }
    tc_page_encode(&body, &page, results ? (const char *)results->data : "[]",
                   results ? results->len : 2);
    answer(stream, &(reply_t){"200 OK", true, ""}, &body);
}

static void answer_error(stream_t *stream, const char *status, const char *more, tc_chat_error_e error)
{
    tc_buf_t body = TC_BUF_INIT;

    tc_metrics_add(stream->peer.site->metrics_slot, TC_M_ERRORS_SENT + (unsigned)error - 1, 1);
    tc_chat_encode_error(&body, error, NULL, NULL, tc_chat_retry_after_s(error));
    answer(stream, &(reply_t){status, false, more}, &body);
}

static void close_poll(stream_t *stream, unsigned code)
{
    char retry[64];

    if (code == TC_CLOSE_UNAUTHORIZED) {
        answer_error(stream, "401 Unauthorized", "WWW-Authenticate: Bearer\r\n", TC_CHAT_UNAUTHORIZED);
    }
    else if (code == TC_CLOSE_FORBIDDEN) {
        answer_error(stream, "403 Forbidden", "", TC_CHAT_FORBIDDEN);
    }
    else if (code == TC_CLOSE_TRY_LATER) {
        snprintf(retry, sizeof(retry), "Retry-After: %d\r\n", tc_chat_retry_after_s(TC_CHAT_UNAVAILABLE));
        answer_error(stream, "503 Service Unavailable", retry, TC_CHAT_UNAVAILABLE);
    }
    else {
        answer_page(stream); /* the child stops; the client's next poll goes to another child */
    }
}

/* ---- as a member ---- */

static void close_stream(tc_peer_t *peer, unsigned code, const char *reason)
{
    if (peer->state != TC_PEER_OPEN) {
        return;
    }
    TC_LOG_ABOUT(peer->member.subject, TC_LOG_INFO, 0, "TC0021: connection %llu: closed with %u (%s)",
                 (unsigned long long)peer->member.id, code, reason);
    if (is_poll(peer)) {
        close_poll((stream_t *)peer, code);
    }
    else {
        tc_record_close(peer->site, peer->usage, code, TC_L_SIDE_SERVER);
        close_events(peer, code, reason);
    }
}

static void on_member_send(tc_member_t *member, tc_blob_t *frame, bool urgent)
{
    tc_peer_t *peer = (tc_peer_t *)member;
    stream_t *stream = (stream_t *)peer;

    if (peer->state != TC_PEER_OPEN) {
        return;
    }
    if (is_poll(peer)) {
        /* A poll's first frame is the history, which may hold nothing new. */
        stream->ready = stream->ready || (!frame->droppable && member->cursor != member->after);
        tc_peer_ask_to_settle(peer);
    }
    else if (tc_peer_push(peer, as_event(frame, member), urgent) != APR_SUCCESS) {
        tc_peer_give_up(peer);
    }
}

static void on_member_close(tc_member_t *member, unsigned code, const char *reason)
{
    tc_peer_part((tc_peer_t *)member, code, reason);
}

static void on_member_wake(tc_member_t *member, int64_t due_us)
{
    (void)member;
    (void)due_us; /* such a client does not type */
}

static void on_member_settled(tc_member_t *member)
{
    tc_peer_ask_to_settle((tc_peer_t *)member);
}

static const tc_sink_t sink = {
    on_member_send, on_member_close, on_member_wake, on_member_settled, NULL, NULL, NULL, NULL,
};

/* ---- as a peer ---- */

/* The client has nothing more to say, so its input is dropped, and only its end matters. Who goes on writing is closed. */
static size_t take_input(tc_peer_t *peer, unsigned char *data, size_t len)
{
    stream_t *stream = (stream_t *)peer;

    (void)data;
    if (stream->dropped <= TC_STREAM_INPUT_BYTES) {
        stream->dropped += (unsigned)len;
    }
    if (stream->dropped > TC_STREAM_INPUT_BYTES) {
        close_stream(peer, TC_CLOSE_POLICY, "the client sends more than its request");
    }
    return len;
}

static bool is_paused(const tc_peer_t *peer)
{
    (void)peer;
    return false;
}

static int64_t next_deadline(const tc_peer_t *peer)
{
    const stream_t *stream = (const stream_t *)peer;
    int64_t last_us = peer->wrote_us > stream->since_us ? peer->wrote_us : stream->since_us;

    return is_poll(peer) ? stream->since_us + stream->request->wait_us
                         : last_us + peer->site->ping_interval_us;
}

static void on_timer(tc_peer_t *peer, int64_t now_us)
{
    if (now_us < next_deadline(peer)) {
        return;
    }
    if (is_poll(peer)) {
        answer_page((stream_t *)peer);
    }
    else if (!tc_outq_is_empty(&peer->queue)) {
        ((stream_t *)peer)->since_us = now_us; /* what waits will say that the server is there */
    }
    else {
        send_alive(peer);
    }
}

static void before_write(tc_peer_t *peer)
{
    if (((stream_t *)peer)->ready) {
        answer_page((stream_t *)peer);
    }
}

/* Only a stream can move. A poll is answered at once instead. */
static bool is_portable(const tc_peer_t *peer)
{
    return !is_poll(peer);
}

static void pack(const tc_peer_t *peer, tc_parcel_t *parcel)
{
    (void)peer;
    parcel->head.is_stream = true;
    tc_parcel_add(parcel, TC_PARCEL_MESSAGE, NULL, 0);
    tc_parcel_add(parcel, TC_PARCEL_CONTROL, NULL, 0);
}

static void release(tc_peer_t *peer)
{
    free(((stream_t *)peer)->request);
}

static const tc_peer_kind_t kind = {take_input, is_paused, NULL, NULL, next_deadline, on_timer, before_write,
                                    close_stream, is_portable, pack, release};

/* ---- life ---- */

/* A stream has no pongs, so the kernel watches whether sent bytes are acknowledged (tcp(7), TCP_USER_TIMEOUT). */
static void watch_for_loss(const tc_peer_t *peer)
{
    unsigned timeout_ms =
        (unsigned)((peer->site->ping_interval_us + peer->site->pong_timeout_us) / TC_US_PER_MS);

    tc_system_limit_unacknowledged(peer->io.fd, timeout_ms);
}

void tc_stream_create(tc_peers_t *peers, tc_adoption_t *adoption)
{
    stream_t *stream = tc_alloc_zero(sizeof(*stream));
    tc_peer_t *peer = &stream->peer;

    stream->request = adoption->stream;
    tc_peer_init(peer, &kind, &sink, peers, adoption);
    stream->since_us = tc_peer_now_us(peer);
    watch_for_loss(peer);
    if (adoption->parcel != NULL) {
        stream->since_us = peer->wrote_us;
    }
    peer->member.after = adoption->after; /* a poll's answer begins here, even if the poll gets into no room */
    if (peers->farewell_code != 0) {
        close_stream(peer, peers->farewell_code, TC_FAREWELL_REASON);
    }
    else if (adoption->reject_code != 0) {
        close_stream(peer, adoption->reject_code, adoption->reject_reason);
    }
    else {
        tc_peer_join(peer, adoption);
    }
    tc_adoption_free(adoption);
    tc_peer_start(peer);
}
