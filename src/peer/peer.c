/* Sockets that the loop holds. See peer.h. */
#include "peer/peer.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/thread.h"
#include "base/weight.h"
#include "codec/close.h"
#include "engine/system.h"
#include "peer/parcel.h"
#include "peer/record.h"

#include <stdlib.h>
#include <unistd.h>

#define BRIDGED_BYTES INT64_C(131072) /* that may stand between a bridge and its client: the pair and the socket of the worker */

static const char *const state_names[] = {"open", "closing", "draining", "ending", "dead"};

int64_t tc_peer_now_us(const tc_peer_t *peer)
{
    return tc_loop_now_us(peer->peers->loop);
}

void tc_peer_ask_to_settle(tc_peer_t *peer)
{
    tc_loop_defer(peer->peers->loop, &peer->settle);
}

bool tc_peer_can_move(const tc_peer_t *peer)
{
    return peer->transport.ssl == NULL && !peer->bridged && !peer->stays && peer->parting == NULL && peer->member.room != NULL
           && peer->kind->is_portable != NULL && peer->kind->is_portable(peer);
}

/* ---- counting ---- */

/* Adds the peer to the count of its state, or takes it out. */
static void count(const tc_peer_t *peer, bool is_in)
{
    if (peer->state != TC_PEER_DEAD) {
        tc_record_state(peer->site, peer->counted_as, peer->state == TC_PEER_OPEN ? TC_L_STATE_OPEN : TC_L_STATE_CLOSING,
                        peer->transport.ssl != NULL, is_in);
    }
}

/* Once. */
static void tell_of_end(tc_peer_t *peer)
{
    static const char *const kinds[] = {"websocket", "events", "poll"}; /* TC_L_TRANSPORT_… */
    tc_usage_subject_t subject = {
        .site = peer->site->name,
        .over = kinds[peer->counted_as],
        .user_id = peer->member.user ? peer->member.user->id : "",
        .child = (int)getpid(),
        .id = peer->member.id,
        .is_tls = peer->transport.ssl != NULL,
        .is_bridged = peer->bridged,
    };

    tc_record_end(peer->usage, &subject, peer->site, peer->peers, tc_peer_now_us(peer));
    peer->usage = NULL;
}

/* ---- time ---- */

int64_t tc_peer_patience_us(const tc_peer_t *peer)
{
    return peer->site->pong_timeout_us + (peer->bridged ? BRIDGED_BYTES * TC_US_PER_S / TC_SLOWEST_BYTES_S : 0);
}

/* When to look whether the first frame of the queue takes too long to leave; INT64_MAX: it is not stuck. */
static int64_t slow_us(const tc_peer_t *peer)
{
    return tc_outq_deadline_us(&peer->queue, tc_peer_patience_us(peer));
}

/* Whatever is heard from the client: bytes must leave. */
static bool is_too_slow(tc_peer_t *peer, int64_t now_us)
{
    return now_us >= slow_us(peer)
           && tc_outq_is_too_slow(&peer->queue, now_us, tc_peer_patience_us(peer), tc_system_unsent(peer->io.fd));
}

/* The answer to a poll may take longer than a client has to answer a Close. */
static bool is_answering(tc_peer_t *peer, int64_t now_us)
{
    return peer->state == TC_PEER_DRAINING && peer->counted_as == TC_L_TRANSPORT_POLL
           && !tc_outq_is_empty(&peer->queue) && !is_too_slow(peer, now_us);
}

/* The timer fires late rather than often: when it fires, it is set anew; here it is only set to an earlier time. */
void tc_peer_arm(tc_peer_t *peer)
{
    int64_t due_us = peer->closing_us + peer->site->close_timeout_us;

    if (peer->state == TC_PEER_OPEN) {
        int64_t lease_due_us = tc_lease_deadline_us(&peer->lease, &peer->member,
                                                    peer->site->token_warning_us,
                                                    tc_peer_now_us(peer));

        due_us = peer->kind->next_deadline(peer);
        due_us = lease_due_us < due_us ? lease_due_us : due_us;
        due_us = slow_us(peer) < due_us ? slow_us(peer) : due_us;
    }

    if (peer->timer.link == NULL || due_us < peer->timer.due_us) {
        tc_timer_set(tc_loop_timers(peer->peers->loop), &peer->timer, due_us);
    }
}

static void on_timer(tc_timer_t *timer, int64_t now_us)
{
    tc_peer_t *peer = (tc_peer_t *)((char *)timer - offsetof(tc_peer_t, timer));

    if (peer->state == TC_PEER_OPEN && is_too_slow(peer, now_us)) {
        tc_peer_give_up(peer);
    }
    if (peer->state == TC_PEER_OPEN) {
        peer->kind->on_timer(peer, now_us);
        tc_lease_check(&peer->lease, &peer->member, peer->site->token_warning_us, now_us);
    }
    else if (peer->state != TC_PEER_DEAD
             && now_us - peer->closing_us >= peer->site->close_timeout_us) {
        if (is_answering(peer, now_us)) {
            peer->closing_us = now_us;
        }
        else {
            tc_peer_enter(peer, TC_PEER_DEAD);
        }
    }
    if (peer->state != TC_PEER_DEAD) {
        tc_peer_arm(peer);
    }
}

void tc_peer_enter(tc_peer_t *peer, tc_peer_state_e state)
{
    tc_log_about(peer->member.subject, NULL, TC_LOG_DEBUG, 0, "TC0020: connection %llu: %s -> %s",
                 (unsigned long long)peer->member.id, state_names[peer->state], state_names[state]);
    if (state == TC_PEER_CLOSING || state == TC_PEER_DRAINING) {
        peer->closing_us = tc_peer_now_us(peer);
    }
    count(peer, false);
    peer->state = state;
    count(peer, true);
    tc_peer_ask_to_settle(peer);
    if (state == TC_PEER_CLOSING || state == TC_PEER_DRAINING) {
        tc_peer_arm(peer);
    }
}

/* ---- memory ---- */

/* Counts anew the received bytes that the peer keeps. */
static void weigh(tc_peer_t *peer)
{
    size_t held = (peer->input != NULL ? peer->input_len : 0) + (peer->kind->held != NULL ? peer->kind->held(peer) : 0);

    if (held != peer->held) {
        tc_weight_add(held);
        tc_weight_sub(peer->held);
        peer->held = (uint32_t)held;
        tc_peers_check(peer->peers);
    }
}

/* ---- sending ---- */

/* Writes until the queue is empty or the socket is full. */
static apr_status_t write_queue(tc_peer_t *peer)
{
    unsigned char *scratch = tc_loop_write_buffer(peer->peers->loop);
    struct iovec iov[TC_WRITE_BATCH_FRAMES];
    apr_status_t rv = APR_SUCCESS;
    size_t len, tried;

    while (rv == APR_SUCCESS && !tc_outq_is_empty(&peer->queue)) {
        int count = tc_outq_peek(&peer->queue, iov, TC_WRITE_BATCH_FRAMES);

        rv = tc_transport_write(&peer->transport, iov, count, scratch, &len, &tried);
        if (rv == APR_SUCCESS) {
            unsigned slot = peer->site->metrics_slot, before = peer->queue.count;

            peer->wrote_us = tc_clock_monotonic_us(); /* an iteration may take longer than a beat */
            tc_outq_consume(&peer->queue, len, peer->wrote_us);
            tc_metrics_add(slot, TC_M_SENT_BYTES, len);
            tc_metrics_add(slot, TC_M_FRAMES_SENT, before - peer->queue.count);
            if (peer->usage != NULL) {
                peer->usage->bytes_out += len;
            }
        }
        else if (tried > 0) {
            tc_outq_pin(&peer->queue, tried);
        }
    }
    peer->write_blocked = rv == APR_EAGAIN;
    if (rv == APR_EAGAIN && tc_outq_note_stuck(&peer->queue, tc_peer_now_us(peer), peer->site->frame_timeout_us,
                                               tc_system_unsent(peer->io.fd))) {
        tc_peer_arm(peer);
    }
    peer->urgent = false;
    return rv == APR_EAGAIN ? APR_SUCCESS : rv;
}

static apr_status_t push(tc_peer_t *peer, tc_blob_t *blob)
{
    return tc_outq_push(&peer->queue, blob, peer->site->send_queue_msgs,
                        peer->site->send_queue_bytes);
}

/* One iteration may bring more frames than a queue holds, so a full queue is written before a frame is refused. */
apr_status_t tc_peer_push(tc_peer_t *peer, tc_blob_t *blob, bool urgent)
{
    apr_status_t rv = push(peer, blob);

    if (rv != APR_SUCCESS && !peer->write_blocked && write_queue(peer) == APR_SUCCESS) {
        rv = push(peer, blob);
    }
    tc_peers_check(peer->peers);
    if (rv == APR_SUCCESS) {
        peer->urgent = peer->urgent || urgent;
        tc_peer_ask_to_settle(peer);
        if (peer->usage != NULL) {
            peer->usage->messages_out++;
        }
    }
    return rv;
}

void tc_peer_push_always(tc_peer_t *peer, tc_blob_t *blob)
{
    tc_outq_push_always(&peer->queue, blob);
    peer->urgent = true;
    tc_peer_ask_to_settle(peer);
}

void tc_peer_give_up(tc_peer_t *peer)
{
    tc_outq_drop_unsent(&peer->queue);
    tc_metrics_add(peer->site->metrics_slot, TC_M_SLOW_READERS, 1);
    peer->kind->close(peer, TC_CLOSE_TRY_LATER, "too slow, resume later");
}

/*
 * If a connection was written to a moment ago, its queue waits for the loop's beat, unless the client waits for
 * something. So a busy room's events leave several in one system call, and a quiet room's events leave at once.
 */
static apr_status_t write_or_wait(tc_peer_t *peer)
{
    bool recent = tc_peer_now_us(peer) - peer->wrote_us < peer->peers->write_interval_us;

    if (!recent || peer->urgent || peer->state != TC_PEER_OPEN
        || peer->queue.count >= TC_WRITE_BATCH_FRAMES) {
        return write_queue(peer);
    }
    if (!tc_outq_is_empty(&peer->queue)) {
        tc_loop_pace(peer->peers->loop, &peer->paced);
    }
    return APR_SUCCESS;
}

static void on_paced(tc_task_t *task)
{
    tc_peer_t *peer = (tc_peer_t *)((char *)task - offsetof(tc_peer_t, paced));

    peer->urgent = true;
    tc_peer_ask_to_settle(peer);
}

/* ---- receiving ---- */

/* Hands bytes to the kind and keeps those that the kind did not take. */
static void give_input(tc_peer_t *peer, unsigned char *data, size_t len)
{
    size_t taken = peer->kind->take_input(peer, data, len);

    if (taken < len) {
        peer->input_len = len - taken;
        peer->input = memcpy(tc_alloc(peer->input_len), data + taken, peer->input_len);
    }
    weigh(peer);
}

/* Hands over the bytes that came right after the request, or before a pause. */
static void give_early_input(tc_peer_t *peer)
{
    unsigned char *input = peer->input;

    peer->input = NULL;
    if (input != NULL) {
        give_input(peer, input, peer->input_len);
    }
    free(input);
}

static void on_end(tc_peer_t *peer, apr_status_t rv)
{
    tc_log_about(peer->member.subject, NULL, TC_LOG_DEBUG, rv == APR_EOF ? 0 : rv,
                 "TC0024: connection %llu: the client is gone", (unsigned long long)peer->member.id);
    if (peer->state == TC_PEER_OPEN && peer->counted_as == TC_L_TRANSPORT_WEBSOCKET) {
        tc_record_close(peer->site, peer->usage, TC_CLOSE_ABNORMAL, TC_L_SIDE_CLIENT);
    }
    tc_peer_enter(peer, TC_PEER_DEAD);
}

static void read_socket(tc_peer_t *peer)
{
    unsigned char *buffer = tc_loop_read_buffer(peer->peers->loop);
    apr_status_t rv = APR_SUCCESS;

    peer->cut_short = false;
    tc_peers_begin_turn(peer->peers);
    if (!peer->kind->is_paused(peer)) {
        give_early_input(peer);
    }
    while (tc_peers_has_time(peer->peers)) {
        size_t len;

        if (peer->state == TC_PEER_DEAD || peer->input != NULL || peer->kind->is_paused(peer)) {
            peer->cut_short = true;
            return;
        }
        rv = tc_transport_read(&peer->transport, buffer, TC_READ_BUFFER_BYTES, &len);
        if (rv != APR_SUCCESS) {
            break;
        }
        peer->heard_us = tc_peer_now_us(peer);
        tc_metrics_add(peer->site->metrics_slot, TC_M_RECEIVED_BYTES, len);
        if (peer->usage != NULL) {
            peer->usage->bytes_in += len;
        }
        give_input(peer, buffer, len);
        if (len < TC_READ_BUFFER_BYTES && !tc_transport_has_pending(&peer->transport)) {
            return; /* most likely nothing is left; if there is more, poll tells */
        }
    }
    if (rv == APR_SUCCESS) {
        tc_loop_again(peer->peers->loop, &peer->read_more);
    }
    else if (rv != APR_EAGAIN) {
        on_end(peer, rv);
    }
}

static void on_ready(tc_io_t *io, unsigned events)
{
    tc_peer_t *peer = (tc_peer_t *)((char *)io - offsetof(tc_peer_t, io));

    if ((events & TC_POLL_HANGUP) && peer->kind->is_paused(peer)) {
        on_end(peer, APR_EOF); /* a paused peer is not read, so poll would tell of the end again and again */
        return;
    }
    if ((events & TC_POLL_OUT) || peer->transport.write_wants_read) {
        peer->write_blocked = false;
        tc_peer_ask_to_settle(peer);
    }
    if ((events & ~(unsigned)TC_POLL_OUT) || peer->transport.read_wants_write) {
        read_socket(peer);
        tc_peer_ask_to_settle(peer);
    }
}

static void on_read_more(tc_task_t *task)
{
    tc_peer_t *peer = (tc_peer_t *)((char *)task - offsetof(tc_peer_t, read_more));

    read_socket(peer);
    tc_peer_ask_to_settle(peer);
}

/* ---- the end of an iteration ---- */

static unsigned wanted_events(const tc_peer_t *peer)
{
    const tc_transport_t *transport = &peer->transport;
    unsigned events = 0;

    /* A TLS read that waits until the socket can be written is not helped by input. */
    if ((!peer->kind->is_paused(peer) && !transport->read_wants_write) || transport->write_wants_read) {
        events |= TC_POLL_IN;
    }
    if ((peer->write_blocked && !transport->write_wants_read) || transport->read_wants_write) {
        events |= TC_POLL_OUT;
    }
    return events;
}

static void watch(tc_peer_t *peer)
{
    apr_status_t rv = tc_loop_watch(peer->peers->loop, &peer->io, wanted_events(peer));

    if (rv != APR_SUCCESS) {
        static tc_log_limit_t limit = TC_LOG_LIMIT(1);

        tc_log_about(peer->member.subject, &limit, TC_LOG_ERR, rv, "TC0025: connection %llu: closed, because its socket "
                     "cannot be watched; check the limits on memory and on epoll watches (fs.epoll.max_user_watches)",
                     (unsigned long long)peer->member.id);
        tc_peer_enter(peer, TC_PEER_DEAD);
    }
}

/* The peer itself may have to wait for its jobs, and weighs nothing meanwhile. */
static void hang_up(tc_peer_t *peer)
{
    tell_of_end(peer);
    (void)tc_loop_watch(peer->peers->loop, &peer->io, 0);
    tc_timer_clear(tc_loop_timers(peer->peers->loop), &peer->timer);
    tc_transport_close(&peer->transport);
    peer->peers->release(peer->peers, &peer->claim);
    tc_outq_free(&peer->queue);
    tc_peer_drop_input(peer);
}

static void free_peer(tc_peer_t *peer)
{
    *peer->link = peer->next;
    if (peer->next != NULL) {
        peer->next->link = peer->link;
    }
    peer->kind->release(peer);
    free(peer->usage);
    tc_lease_free(&peer->lease);
    tc_user_unref(peer->member.user);
    free(peer->member.subject);
    free(peer);
}

void tc_peer_drop_input(tc_peer_t *peer)
{
    if (peer->kind->drop != NULL) {
        peer->kind->drop(peer);
    }
    free(peer->input);
    peer->input = NULL;
    weigh(peer);
}

/* Closes the socket at once, and frees the memory when no job points to it and no task is queued. */
static void settle_dead(tc_peer_t *peer)
{
    hang_up(peer);
    if (tc_task_is_put_off(&peer->settle)) {
        return; /* it died in this run of settle(), which is queued once more */
    }
    if (tc_task_is_put_off(&peer->read_more) || tc_task_is_put_off(&peer->paced)) {
        tc_loop_pace(peer->peers->loop, &peer->settle);
    }
    else if (peer->member.jobs == 0) {
        free_peer(peer);
    }
}

static void settle(tc_peer_t *peer)
{
    apr_status_t rv = APR_SUCCESS;

    if (peer->parting != NULL) {
        peer->kind->close(peer, peer->parting_code, peer->parting); /* the first time */
    }
    if (peer->state == TC_PEER_OPEN && peer->kind->before_write != NULL) {
        peer->kind->before_write(peer);
    }
    if (peer->state != TC_PEER_DEAD && !peer->write_blocked) {
        rv = write_or_wait(peer);
    }
    if (rv != APR_SUCCESS) {
        on_end(peer, rv);
    }
    if (peer->state != TC_PEER_OPEN) {
        tc_hub_leave(peer->peers->hub, &peer->member, tc_peer_now_us(peer));
    }
    if (peer->state == TC_PEER_DRAINING && tc_outq_is_empty(&peer->queue)) {
        tc_transport_finish(&peer->transport);
        tc_peer_enter(peer, TC_PEER_ENDING);
    }
    if (peer->state == TC_PEER_DEAD) {
        settle_dead(peer);
        return;
    }
    watch(peer);
    if ((peer->cut_short || peer->input != NULL) && !peer->kind->is_paused(peer)) {
        tc_loop_again(peer->peers->loop, &peer->read_more);
    }
}

static void on_settle(tc_task_t *task)
{
    settle((tc_peer_t *)((char *)task - offsetof(tc_peer_t, settle)));
}

/* ---- life ---- */

/* Restores what the peer had in the child that it comes from. Bytes that did not leave there go first. */
static void restore(tc_peer_t *peer, const tc_parcel_t *parcel)
{
    const tc_parcel_head_t *head = &parcel->head;
    tc_member_t *member = &peer->member;
    tc_blob_t *blob = tc_parcel_queue(parcel);

    tc_parcel_restore_member(parcel, member);
    peer->heard_us = head->heard_us;
    peer->wrote_us = head->wrote_us;
    if (blob != NULL) {
        tc_peer_push_always(peer, blob);
        if (!head->prefix.closable) {
            tc_outq_pin(&peer->queue, 1); /* it begins inside a frame */
        }
        tc_blob_unref(blob);
    }
    TC_LOG_ABOUT(member->subject, TC_LOG_INFO, 0, "TC0035: connection %llu: comes from child %d, where its number was "
                 "%llu, for %s", (unsigned long long)member->id, (int)head->pid, (unsigned long long)head->member.id,
                 peer->site->name);
}

void tc_peer_init(tc_peer_t *peer, const tc_peer_kind_t *kind, const tc_sink_t *sink,
                  tc_peers_t *peers, tc_adoption_t *adoption)
{
    TC_ASSERT_THREAD(TC_THREAD_LOOP);
    peer->kind = kind;
    peer->member.sink = sink;
    peer->member.id = adoption->id != 0 ? adoption->id : tc_peers_next_id(peers);
    peer->member.subject = tc_log_subject_create(adoption->log_server ? adoption->log_server : adoption->site->log_server,
                                                 adoption->address);
    peer->member.user = adoption->user;
    peer->member.cursor = -1;
    peer->peers = peers;
    peer->site = adoption->site;
    peer->lease = adoption->lease;
    peer->claim = adoption->claim;
    peer->bridged = adoption->bridged;
    peer->io.on_ready = on_ready;
    peer->timer.fire = on_timer;
    peer->settle.run = on_settle;
    peer->read_more.run = on_read_more;
    peer->paced.run = on_paced;
    peer->io.fd = adoption->fd;
    peer->input = adoption->input;
    peer->input_len = adoption->input_len;
    peer->heard_us = tc_peer_now_us(peer);
    tc_transport_init(&peer->transport, adoption->fd, adoption->ssl);
    peer->counted_as = (uint8_t)tc_record_transport(adoption);
    count(peer, true);
    tc_outq_init(&peer->queue);
    peer->next = peers->first;
    peer->link = &peers->first;
    if (peer->next != NULL) {
        peer->next->link = &peer->next;
    }
    peers->first = peer;
    peer->usage = tc_record_begin(adoption, tc_peer_now_us(peer));
    if (adoption->parcel != NULL) {
        restore(peer, adoption->parcel);
        tc_metrics_add(peer->site->metrics_slot, TC_M_HANDOVERS + TC_L_HANDOVER_IN, 1);
    }
    else {
        tc_metrics_add(peer->site->metrics_slot, TC_M_RECEIVED_BYTES, adoption->input_len);
        TC_LOG_ABOUT(peer->member.subject, TC_LOG_INFO, 0, "TC0026: connection %llu: taken over for %s",
                     (unsigned long long)peer->member.id, adoption->site->name);
    }
}

void tc_peer_join(tc_peer_t *peer, const tc_adoption_t *adoption)
{
    tc_hub_t *hub = peer->peers->hub;

    peer->member.epoch = adoption->epoch;
    if (peer->member.cursor >= 0) {
        tc_hub_rejoin(hub, &peer->member, adoption->store, adoption->bus, &adoption->trip,
                      &adoption->room_id);
    }
    else {
        tc_hub_join(hub, &peer->member, adoption->store, adoption->bus, &adoption->trip,
                    &adoption->room_id, adoption->after);
    }
}

/* Bytes may already lie in `input` or in the SSL, where poll does not see them. */
void tc_peer_start(tc_peer_t *peer)
{
    weigh(peer);
    tc_peer_arm(peer);
    tc_loop_again(peer->peers->loop, &peer->read_more);
    tc_peer_ask_to_settle(peer);
}

void tc_peer_destroy(tc_peer_t *peer)
{
    tc_hub_leave(peer->peers->hub, &peer->member, tc_peer_now_us(peer));
    count(peer, false);
    hang_up(peer);
    free_peer(peer);
}
