/* Connections that the loop holds. RFC 6455, 5 to 7. See session.h. */
#include "adapters/session.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/thread.h"
#include "codec/close.h"
#include "codec/reader.h"
#include "codec/wire.h"
#include "domain/typing.h"
#include "engine/outq.h"
#include "engine/transport.h"

#include <stdlib.h>

#define READS_A_TURN 4 /* of TC_READ_BUFFER_BYTES, then others have theirs */

typedef enum { STATE_OPEN, STATE_CLOSING, STATE_DRAINING, STATE_ENDING, STATE_DEAD } state_e;

static const char *const state_names[] = {"open", "closing", "draining", "ending", "dead"};

struct tc_session_t {
    tc_member_t member; /* stands first */
    tc_child_t *child;
    const tc_site_t *site;
    tc_session_t *next;
    tc_session_t **link; /* what points here */
    tc_transport_t transport;
    tc_io_t io;
    tc_reader_t reader;
    unsigned char *input; /* come, but not looked at; NULL: none */
    size_t input_len;
    tc_outq_t queue;
    tc_timer_t timer;
    tc_task_t settle;    /* end of the iteration: write, leave, free */
    tc_task_t read_more; /* next iteration: input that no poll tells of */
    tc_task_t paced;     /* the loop's beat: write what was in no hurry */
    state_e state;
    bool counted;        /* in the child's connections */
    bool watched;        /* by the loop, at least once */
    bool write_blocked;  /* the socket takes nothing now */
    bool urgent;         /* something in the queue is waited for */
    int64_t wrote_us;    /* when the queue was written last */
    int64_t heard_us;    /* when bytes came last */
    int64_t pinged_us;   /* when a ping went out for want of them; 0: none is open */
    int64_t begun_us;    /* when the message in the reader began; 0: none has */
    int64_t closing_us;  /* when the closing began */
};

static int64_t now(const tc_session_t *session)
{
    return tc_loop_now_us(session->child->loop);
}

static void ask_to_settle(tc_session_t *session)
{
    tc_loop_defer(session->child->loop, &session->settle);
}

static void enter(tc_session_t *session, state_e state)
{
    tc_log(TC_LOG_DEBUG, 0, "TC0020: connection %llu: %s -> %s",
           (unsigned long long)session->member.id, state_names[session->state],
           state_names[state]);
    session->state = state;
    ask_to_settle(session);
}

/* ---- deadlines ---- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The first moment at which something may have to be done. */
static int64_t next_deadline(const tc_session_t *session)
{
    const tc_site_t *site = session->site;
    int64_t due_us;

    if (session->state != STATE_OPEN) {
        return session->closing_us + site->close_timeout_us;
    }
    due_us = session->pinged_us ? session->pinged_us + site->pong_timeout_us
                                : session->heard_us + site->ping_interval_us;
    if (session->begun_us != 0) {
        due_us = earlier(due_us, session->begun_us + site->frame_timeout_us);
    }
    if (session->member.typing_due_us != 0) {
        due_us = earlier(due_us, session->member.typing_due_us);
    }
    return due_us;
}

/* The timer runs late rather than often: it is set anew when it fires, and here only for what comes
 * sooner than it would. */
static void arm(tc_session_t *session)
{
    int64_t due_us = next_deadline(session);

    if (session->timer.link == NULL || due_us < session->timer.due_us) {
        tc_timer_set(tc_loop_timers(session->child->loop), &session->timer, due_us);
    }
}

/* ---- sending ---- */

static void send_control(tc_session_t *session, tc_opcode_e opcode, const void *payload, size_t len)
{
    tc_blob_t *frame = tc_wire_frame(opcode, payload, len, 0);

    tc_outq_push_always(&session->queue, frame);
    tc_blob_unref(frame);
    session->urgent = true;
    ask_to_settle(session);
}

static void send_close(tc_session_t *session, unsigned code, const char *reason)
{
    unsigned char payload[TC_CONTROL_MAX_BYTES];

    send_control(session, TC_OPCODE_CLOSE, payload, tc_close_encode(code, reason, payload));
}

static void begin_closing(tc_session_t *session, state_e state)
{
    session->closing_us = now(session);
    enter(session, state);
    arm(session);
}

void tc_session_close(tc_session_t *session, unsigned code, const char *reason)
{
    if (session->state != STATE_OPEN) {
        return;
    }
    tc_log(TC_LOG_INFO, 0, "TC0021: connection %llu: closed with %u (%s)",
           (unsigned long long)session->member.id, code, reason);
    send_close(session, code, reason);
    begin_closing(session, STATE_CLOSING);
}

/* The peer broke a rule: say which, read nothing more (RFC 6455, 7.1.7). */
static void fail(tc_session_t *session, unsigned code, const char *why)
{
    tc_log(TC_LOG_INFO, 0, "TC0022: connection %llu: failed with %u (%s)",
           (unsigned long long)session->member.id, code, why);
    if (session->state == STATE_OPEN) {
        send_close(session, code, why);
    }
    begin_closing(session, STATE_DRAINING);
}

/* Writes until the queue is empty or the socket full. */
static apr_status_t write_queue(tc_session_t *session)
{
    unsigned char *scratch = tc_loop_write_buffer(session->child->loop);
    struct iovec iov[TC_WRITE_BATCH_FRAMES];
    apr_status_t rv = APR_SUCCESS;
    size_t len, tried;

    while (rv == APR_SUCCESS && !tc_outq_is_empty(&session->queue)) {
        int count = tc_outq_peek(&session->queue, iov, TC_WRITE_BATCH_FRAMES);

        rv = tc_transport_write(&session->transport, iov, count, scratch, &len, &tried);
        if (rv == APR_SUCCESS) {
            tc_outq_consume(&session->queue, len);
            session->wrote_us = tc_clock_monotonic_us(); /* an iteration may take longer than a beat */
        }
        else if (tried > 0) {
            tc_outq_pin(&session->queue, tried);
        }
    }
    session->write_blocked = rv == APR_EAGAIN;
    session->urgent = false;
    return rv == APR_EAGAIN ? APR_SUCCESS : rv;
}

static apr_status_t push(tc_session_t *session, tc_blob_t *frame)
{
    return tc_outq_push(&session->queue, frame, session->site->send_queue_msgs,
                        session->site->send_queue_bytes);
}

/*
 * A reader that does not read costs what its queue holds, then its connection; but one iteration may
 * bring more than a queue holds, so the socket is tried first.
 */
static void on_member_send(tc_member_t *member, tc_blob_t *frame, bool urgent)
{
    tc_session_t *session = (tc_session_t *)member;
    apr_status_t rv;

    if (session->state != STATE_OPEN) {
        return;
    }
    rv = push(session, frame);
    if (rv != APR_SUCCESS && !session->write_blocked && write_queue(session) == APR_SUCCESS) {
        rv = push(session, frame);
    }
    if (rv != APR_SUCCESS) {
        tc_outq_drop_unsent(&session->queue);
        tc_session_close(session, TC_CLOSE_TRY_LATER, "too slow, resume later");
        return;
    }
    session->urgent = session->urgent || urgent;
    ask_to_settle(session);
}

static void on_member_close(tc_member_t *member, unsigned code, const char *reason)
{
    tc_session_close((tc_session_t *)member, code, reason);
}

static void on_member_wake(tc_member_t *member, int64_t due_us)
{
    (void)due_us;
    arm((tc_session_t *)member);
}

static void on_member_settled(tc_member_t *member)
{
    ask_to_settle((tc_session_t *)member);
}

static const tc_sink_t sink = {on_member_send, on_member_close, on_member_wake, on_member_settled};

/*
 * A connection that was written to a moment ago waits for the loop's beat, unless its client waits for
 * something: a busy room's events leave several to a system call, a quiet one's at once.
 */
static apr_status_t write_or_wait(tc_session_t *session)
{
    bool recent = now(session) - session->wrote_us < session->child->write_interval_us;

    if (!recent || session->urgent || session->state != STATE_OPEN
        || session->queue.count >= TC_WRITE_BATCH_FRAMES) {
        return write_queue(session);
    }
    if (!tc_outq_is_empty(&session->queue)) {
        tc_loop_pace(session->child->loop, &session->paced);
    }
    return APR_SUCCESS;
}

static void on_paced(tc_task_t *task)
{
    tc_session_t *session = (tc_session_t *)((char *)task - offsetof(tc_session_t, paced));

    session->urgent = true;
    ask_to_settle(session);
}

/* ---- receiving ---- */

static void on_peer_close(tc_session_t *session, const tc_read_item_t *item)
{
    unsigned error = 0;
    unsigned code = tc_close_decode(item->data, item->len, &error);

    if (code == 0) {
        fail(session, error, "invalid close frame");
        return;
    }
    if (session->state == STATE_OPEN) {
        send_close(session, code, NULL);
        tc_log(TC_LOG_DEBUG, 0, "TC0023: connection %llu: the peer closes with %u",
               (unsigned long long)session->member.id, code);
    }
    begin_closing(session, STATE_DRAINING);
}

static void on_control(tc_session_t *session, const tc_read_item_t *item)
{
    if (item->opcode == TC_OPCODE_CLOSE) {
        on_peer_close(session, item);
    }
    else if (item->opcode == TC_OPCODE_PING && session->state == STATE_OPEN) {
        tc_blob_t *pong = tc_wire_frame(TC_OPCODE_PONG, item->data, item->len, 0);

        on_member_send(&session->member, pong, true);
        tc_blob_unref(pong);
    }
}

static void on_message(tc_session_t *session, const tc_read_item_t *item)
{
    if (session->state != STATE_OPEN || session->member.room == NULL) {
        return;
    }
    if (item->opcode == TC_OPCODE_BINARY) {
        tc_session_close(session, TC_CLOSE_UNSUPPORTED, "text messages only");
        return;
    }
    tc_hub_on_text(session->child->hub, &session->member, (const char *)item->data, item->len,
                   now(session));
}

static bool parses(const tc_session_t *session)
{
    return session->state == STATE_OPEN || session->state == STATE_CLOSING;
}

/*
 * What a client says stays in its socket while it has as many jobs in flight as are allowed, and until
 * it has its history: its own message must not be in that and come again.
 */
static bool is_paused(const tc_session_t *session)
{
    return session->state == STATE_OPEN
           && (session->member.jobs >= session->site->max_pending || session->member.cursor < 0);
}

/* Keeps what a paused session has not looked at. */
static void keep_input(tc_session_t *session, const unsigned char *data, size_t len)
{
    session->input = memcpy(tc_alloc(len), data, len);
    session->input_len = len;
}

static void take_input(tc_session_t *session, unsigned char *data, size_t len)
{
    unsigned char *end = data + len;
    tc_read_item_t item;

    session->heard_us = now(session);
    session->pinged_us = 0;
    while (parses(session) && !is_paused(session)) {
        tc_read_e got = tc_reader_next(&session->reader, &data, end, &item);

        if (got == TC_READ_MORE) {
            break;
        }
        if (got == TC_READ_FAIL) {
            fail(session, item.close_code, item.why);
        }
        else if (got == TC_READ_CONTROL) {
            on_control(session, &item);
        }
        else {
            session->begun_us = 0;
            on_message(session, &item);
        }
    }
    if (is_paused(session) && data < end) {
        keep_input(session, data, (size_t)(end - data));
    }
    if (tc_reader_is_idle(&session->reader)) {
        session->begun_us = 0;
    }
    else if (session->begun_us == 0) {
        session->begun_us = now(session);
        arm(session);
    }
}

/* What came behind the handshake, or before a pause. */
static void take_early_input(tc_session_t *session)
{
    unsigned char *input = session->input;

    if (input != NULL) {
        session->input = NULL;
        take_input(session, input, session->input_len);
        free(input);
    }
}

static void on_end(tc_session_t *session, apr_status_t rv)
{
    tc_log(TC_LOG_DEBUG, rv == APR_EOF ? 0 : rv, "TC0024: connection %llu: the peer is gone",
           (unsigned long long)session->member.id);
    enter(session, STATE_DEAD);
}

static void read_socket(tc_session_t *session)
{
    unsigned char *buffer = tc_loop_read_buffer(session->child->loop);
    apr_status_t rv = APR_SUCCESS;
    int turns;

    if (!is_paused(session)) {
        take_early_input(session);
    }
    for (turns = 0; turns < READS_A_TURN; turns++) {
        size_t len;

        if (session->state == STATE_DEAD || is_paused(session)) {
            return;
        }
        rv = tc_transport_read(&session->transport, buffer, TC_READ_BUFFER_BYTES, &len);
        if (rv != APR_SUCCESS) {
            break;
        }
        take_input(session, buffer, len);
        if (len < TC_READ_BUFFER_BYTES && !tc_transport_has_pending(&session->transport)) {
            return; /* most likely all there was; poll tells of more */
        }
    }
    if (rv == APR_SUCCESS) {
        tc_loop_again(session->child->loop, &session->read_more);
    }
    else if (rv != APR_EAGAIN) {
        on_end(session, rv);
    }
}

static void on_ready(tc_io_t *io, unsigned events)
{
    tc_session_t *session = (tc_session_t *)((char *)io - offsetof(tc_session_t, io));

    if ((events & TC_POLL_HANGUP) && is_paused(session)) {
        on_end(session, APR_EOF); /* nothing else would take the event away */
        return;
    }
    if ((events & TC_POLL_OUT) || session->transport.write_wants_read) {
        session->write_blocked = false;
        ask_to_settle(session);
    }
    if ((events & ~(unsigned)TC_POLL_OUT) || session->transport.read_wants_write) {
        read_socket(session);
        ask_to_settle(session);
    }
}

static void on_read_more(tc_task_t *task)
{
    tc_session_t *session = (tc_session_t *)((char *)task - offsetof(tc_session_t, read_more));

    read_socket(session);
    ask_to_settle(session);
}

/* ---- time ---- */

static void check_silence(tc_session_t *session, int64_t now_us)
{
    const tc_site_t *site = session->site;

    if (session->pinged_us != 0) {
        if (now_us - session->pinged_us >= site->pong_timeout_us) {
            tc_session_close(session, TC_CLOSE_GOING_AWAY, "no sign of life");
        }
    }
    else if (now_us - session->heard_us >= site->ping_interval_us) {
        session->pinged_us = now_us;
        send_control(session, TC_OPCODE_PING, NULL, 0);
    }
}

/* A client that we don't read cannot be heard. */
static void forgive_silence(tc_session_t *session, int64_t now_us)
{
    session->heard_us = now_us;
    session->pinged_us = 0;
    if (session->begun_us != 0) {
        session->begun_us = now_us;
    }
}

static void on_timer(tc_timer_t *timer, int64_t now_us)
{
    tc_session_t *session = (tc_session_t *)((char *)timer - offsetof(tc_session_t, timer));
    const tc_site_t *site = session->site;

    if (session->state == STATE_DEAD) {
        return;
    }
    if (session->state != STATE_OPEN) {
        if (now_us - session->closing_us >= site->close_timeout_us) {
            enter(session, STATE_DEAD);
            return;
        }
    }
    else {
        tc_typing_on_timer(&session->member, now_us);
        if (is_paused(session)) {
            forgive_silence(session, now_us);
        }
        if (session->begun_us != 0 && now_us - session->begun_us >= site->frame_timeout_us) {
            tc_session_close(session, TC_CLOSE_POLICY, "message not finished in time");
        }
        check_silence(session, now_us);
    }
    arm(session);
}

/* ---- the end of an iteration ---- */

static unsigned wanted_events(const tc_session_t *session)
{
    const tc_transport_t *transport = &session->transport;
    unsigned events = 0;

    if (!is_paused(session) || transport->write_wants_read) {
        events |= TC_POLL_IN;
    }
    if ((session->write_blocked && !transport->write_wants_read) || transport->read_wants_write) {
        events |= TC_POLL_OUT;
    }
    return events;
}

static void watch(tc_session_t *session)
{
    apr_status_t rv = tc_loop_watch(session->child->loop, &session->io, wanted_events(session));

    if (rv != APR_SUCCESS) {
        tc_log(TC_LOG_ERR, rv, "TC0025: connection %llu: cannot be watched",
               (unsigned long long)session->member.id);
        enter(session, STATE_DEAD);
    }
}

static void leave_room(tc_session_t *session)
{
    tc_hub_leave(session->child->hub, &session->member, now(session));
}

static void hang_up(tc_session_t *session)
{
    (void)tc_loop_watch(session->child->loop, &session->io, 0);
    tc_timer_clear(tc_loop_timers(session->child->loop), &session->timer);
    tc_transport_close(&session->transport);
    if (session->counted) {
        tc_child_release(session->child);
        session->counted = false;
    }
}

static void free_session(tc_session_t *session)
{
    *session->link = session->next;
    if (session->next != NULL) {
        session->next->link = session->link;
    }
    tc_reader_free(&session->reader);
    free(session->input);
    tc_outq_free(&session->queue);
    tc_user_unref(session->member.user);
    free(session);
}

/* The socket goes at once; the memory when no job points at it and no task is queued. */
static void settle_dead(tc_session_t *session)
{
    hang_up(session);
    if (session->settle.queued) {
        return; /* it died of this very run and comes by once more */
    }
    if (session->read_more.queued || session->paced.queued) {
        tc_loop_pace(session->child->loop, &session->settle);
    }
    else if (session->member.jobs == 0) {
        free_session(session);
    }
}

static void settle(tc_session_t *session)
{
    bool was_paused = session->watched && !(session->io.events & TC_POLL_IN);
    apr_status_t rv = APR_SUCCESS;

    if (session->state != STATE_DEAD && !session->write_blocked) {
        rv = write_or_wait(session);
    }
    if (rv != APR_SUCCESS) {
        on_end(session, rv);
    }
    if (session->state != STATE_OPEN) {
        leave_room(session);
    }
    if (session->state == STATE_DRAINING && tc_outq_is_empty(&session->queue)) {
        tc_transport_finish(&session->transport);
        enter(session, STATE_ENDING);
    }
    if (session->state == STATE_DEAD) {
        settle_dead(session);
        return;
    }
    watch(session);
    session->watched = true;
    if (was_paused && !is_paused(session)) {
        tc_loop_again(session->child->loop, &session->read_more);
    }
}

static void on_settle(tc_task_t *task)
{
    settle((tc_session_t *)((char *)task - offsetof(tc_session_t, settle)));
}

/* ---- life ---- */

tc_session_t *tc_session_next(tc_session_t *session)
{
    return session->next;
}

static tc_session_t *make_session(tc_child_t *child, tc_adoption_t *adoption)
{
    tc_session_t *session = tc_alloc_zero(sizeof(*session));

    session->member.sink = &sink;
    session->member.id = ++child->last_session_id;
    session->member.user = adoption->user;
    session->member.cursor = -1;
    session->child = child;
    session->site = adoption->site;
    session->counted = adoption->counted;
    session->io.on_ready = on_ready;
    session->timer.fire = on_timer;
    session->settle.run = on_settle;
    session->read_more.run = on_read_more;
    session->paced.run = on_paced;
    session->io.fd = adoption->fd;
    session->input = adoption->input;
    session->input_len = adoption->input_len;
    session->heard_us = now(session);
    tc_transport_init(&session->transport, adoption->fd, adoption->ssl);
    tc_reader_init(&session->reader, adoption->site->max_message_bytes);
    tc_outq_init(&session->queue);
    session->next = child->sessions;
    session->link = &child->sessions;
    if (session->next != NULL) {
        session->next->link = &session->next;
    }
    child->sessions = session;
    return session;
}

void tc_session_create(tc_child_t *child, tc_adoption_t *adoption)
{
    tc_session_t *session = make_session(child, adoption);

    TC_ASSERT_THREAD(TC_THREAD_LOOP);
    tc_log(TC_LOG_INFO, 0, "TC0026: connection %llu: taken over for %s",
           (unsigned long long)session->member.id, adoption->site->name);
    arm(session);
    if (child->farewell_code != 0) {
        tc_session_close(session, child->farewell_code, "server stops, reconnect");
    }
    else if (adoption->reject_code != 0) {
        tc_session_close(session, adoption->reject_code, adoption->reject_reason);
    }
    else {
        tc_hub_join(child->hub, &session->member, adoption->store, adoption->bus,
                    &adoption->trip_id,
                    &adoption->room_id, adoption->after);
    }
    free(adoption);
    /* Bytes may lie with us or in the SSL already. */
    tc_loop_again(child->loop, &session->read_more);
    ask_to_settle(session);
}

void tc_session_destroy(tc_session_t *session)
{
    leave_room(session);
    hang_up(session);
    free_session(session);
}
