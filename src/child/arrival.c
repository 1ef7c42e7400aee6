/* How connections come to a child. See arrival.h. */
#include "child/arrival.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/units.h"
#include "child/child.h"
#include "codec/close.h"
#include "codec/wire.h"
#include "engine/system.h"
#include "peer/parcel.h"
#include "peer/peer.h"
#include "peer/session.h"
#include "peer/stream.h"

#include <apr_strings.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define TURN 32                      /* connections taken before other events have their turn */
#define LEAD 64                      /* connections that a child may hold more than another, besides a quarter */
#define AGAIN_US (20 * TC_US_PER_MS) /* after this a child takes a connection even if another has fewer */

static const tc_passage_t *passage_of(const tc_child_t *child)
{
    return &child->succession.handover->passage;
}

/* ---- what cannot be taken ---- */

static void refuse(int fd, const tc_parcel_prefix_t *prefix, unsigned code, const char *reason)
{
    unsigned char payload[TC_CONTROL_MAX_BYTES];

    tc_metrics_add(TC_METRICS_OTHER, TC_M_HANDOVERS + TC_L_HANDOVER_REFUSED, 1);
    if (fd < 0) {
        return;
    }
    if (prefix->closable) {
        tc_blob_t *frame = tc_wire_frame(TC_OPCODE_CLOSE, payload,
                                         tc_close_encode(code, reason, payload), 0);

        (void)send(fd, frame->data, frame->len, MSG_DONTWAIT | MSG_NOSIGNAL);
        tc_blob_unref(frame);
    }
    close(fd);
}

static void complain(tc_child_t *child, apr_status_t rv, const char *what)
{
    if (!child->arrival.complained) {
        child->arrival.complained = true;
        tc_log(TC_LOG_WARNING, rv, "TC0033: a connection from another child is closed: %s (logged once per child); "
               "its client reconnects", what);
    }
}

/* ---- taking ---- */

/* A stream's request; the fields that only a poll needs are empty. */
static tc_stream_request_t *make_stream_request(void)
{
    tc_stream_request_t *request = tc_alloc_zero(sizeof(*request) + 1);

    request->url = request->fields = request->error_fields = request->text;
    return request;
}

/* Makes an adoption from a parcel, and moves the parcel's contents into it. */
static tc_adoption_t *unpack(tc_child_t *child, tc_parcel_t *parcel, int fd, const tc_claim_t *claim)
{
    const tc_parcel_head_t *head = &parcel->head;
    tc_adoption_t *adoption = tc_alloc_zero(sizeof(*adoption));

    adoption->fd = fd;
    adoption->claim = *claim;
    adoption->parcel = memcpy(tc_alloc(sizeof(*parcel)), parcel, sizeof(*parcel));
    adoption->trip = head->trip;
    adoption->room_id = head->room_id;
    adoption->after = head->member.after;
    adoption->epoch = head->member.epoch;
    adoption->deflate = head->deflate;
    adoption->user = tc_user_restore(tc_parcel_text(parcel, TC_PARCEL_USER_ID),
                                     head->lens[TC_PARCEL_CLAIM] > 0 ? tc_parcel_text(parcel, TC_PARCEL_CLAIM) : NULL,
                                     tc_parcel_text(parcel, TC_PARCEL_USER_EMAIL),
                                     tc_parcel_text(parcel, TC_PARCEL_SENDER),
                                     head->lens[TC_PARCEL_SENDER]);
    apr_cpystrn(adoption->address, tc_parcel_text(parcel, TC_PARCEL_CLIENT), sizeof(adoption->address));
    adoption->lease.expires_us = head->lease_expires_us;
    adoption->lease.warned = head->lease_warned;
    adoption->lease.facts = tc_facts_copy(parcel->parts[TC_PARCEL_FACTS], head->lens[TC_PARCEL_FACTS]);
    adoption->input_len = head->lens[TC_PARCEL_INPUT];
    if (adoption->input_len > 0) {
        adoption->input = memcpy(tc_alloc(adoption->input_len), parcel->parts[TC_PARCEL_INPUT],
                                 adoption->input_len);
    }
    if (head->is_stream) {
        adoption->stream = make_stream_request();
    }
    (void)tc_child_count(child, head->address_key, UINT_MAX, &adoption->claim.address_key);
    (void)tc_child_count(child, head->user_key, UINT_MAX, &adoption->claim.user_key);
    return adoption;
}

/* The line goes where those about the connection go. The peer, which has a subject of its own, does not exist yet. */
static void tell_end(tc_child_t *child, tc_adoption_t *adoption, const char *why)
{
    tc_log_subject_t *subject = tc_log_subject_create(adoption->log_server ? adoption->log_server : adoption->site->log_server,
                                                      adoption->address);

    adoption->id = tc_peers_next_id(&child->peers);
    TC_LOG_ABOUT(subject, TC_LOG_INFO, 0, "TC0059: connection %llu: does not outlive the reload: %s; its user is %s",
                 (unsigned long long)adoption->id, why, adoption->user->id);
    free(subject);
}

/* A reload may have taken away the key of the connection's token, or changed what a token or an id must be. */
static void judge(tc_child_t *child, tc_adoption_t *adoption)
{
    const char *why;

    adoption->reject_code = tc_lease_resume(&adoption->lease, &adoption->parcel->head.lease_mark, &why);
    if (adoption->reject_code != 0) {
        adoption->reject_reason = adoption->reject_code == TC_CLOSE_UNAUTHORIZED ? "Unauthorized"
                                                                                 : "server reloads, reconnect";
        tell_end(child, adoption, why);
    }
    else if (!tc_parcel_fits(adoption->parcel, adoption->site)) {
        adoption->reject_code = TC_CLOSE_RESTART;
        adoption->reject_reason = "site has changed, reconnect";
    }
}

static void adopt(tc_child_t *child, tc_parcel_t *parcel, int fd, const tc_claim_t *claim)
{
    tc_adoption_t *adoption = unpack(child, parcel, fd, claim);

    if (!child->succession.find_site(tc_parcel_text(parcel, TC_PARCEL_SITE), adoption)) {
        refuse(dup(fd), &parcel->head.prefix, TC_CLOSE_RESTART, "site is gone");
        tc_adoption_drop(adoption, &child->peers);
        return;
    }
    judge(child, adoption);
    if (adoption->stream != NULL) {
        tc_stream_create(&child->peers, adoption);
    }
    else {
        tc_session_create(&child->peers, adoption);
    }
}

/*
 * Whoever was forked from httpd's parent and does not exec has the passage's ends: daemons of other modules, which may run
 * other people's programs. Only a child of this httpd, with our user, may say who a connection's user is.
 */
static bool is_child(void *context, const tc_system_sender_t *sender)
{
    const tc_child_t *child = context;

    return sender->uid == geteuid() && tc_handover_knows(child->succession.handover, sender->pid);
}

/* Takes the next connection. APR_EAGAIN: none waits, or this child is full and another one has room. */
static apr_status_t take_one(tc_child_t *child)
{
    tc_claim_t claim = {false, 0, 0};
    tc_buf_t bytes = TC_BUF_INIT;
    tc_parcel_t parcel;
    apr_status_t rv;
    int fd;

    if (!tc_child_reserve(child, &claim)
        && tc_handover_has_room(child->succession.handover, child->place)) {
        return APR_EAGAIN;
    }
    rv = tc_passage_receive(passage_of(child), &bytes, &fd, is_child, child);
    if (rv != APR_SUCCESS) {
        tc_child_release(child, &claim);
        if (rv != APR_EAGAIN) {
            complain(child, rv, APR_STATUS_IS_EACCES(rv) ? "a process that is no child of this httpd sent it"
                                                         : "it could not be received");
            rv = APR_SUCCESS;
        }
        return rv;
    }
    if (!tc_parcel_read(&parcel, &bytes)) {
        complain(child, 0, "a child with another version of mod_tripchat sent it");
        refuse(fd, &parcel.head.prefix, TC_CLOSE_RESTART, "server reloads, reconnect");
    }
    else if (!claim.by_child) {
        refuse(fd, &parcel.head.prefix, TC_CLOSE_TRY_LATER, "too many connections, try again later");
    }
    else {
        adopt(child, &parcel, fd, &claim);
        return APR_SUCCESS;
    }
    tc_parcel_free(&parcel);
    tc_child_release(child, &claim);
    return APR_SUCCESS;
}

/* ---- when ---- */

static bool is_my_turn(const tc_child_t *child)
{
    unsigned held = atomic_load(&child->connections);
    unsigned fewest = tc_handover_fewest(child->succession.handover, child->place);

    return fewest == UINT_MAX || held <= fewest + LEAD + held / 4;
}

static void watch(tc_child_t *child)
{
    apr_status_t rv = tc_loop_watch(child->peers.loop, &child->arrival.io, TC_POLL_IN);

    if (rv != APR_SUCCESS) {
        tc_log(TC_LOG_ERR, rv, "TC0034: this child cannot take connections from children that end; check the limits on "
               "memory and on epoll watches (fs.epoll.max_user_watches)");
        tc_arrival_end(child);
    }
}

static void let_others(tc_child_t *child)
{
    (void)tc_loop_watch(child->peers.loop, &child->arrival.io, 0);
    tc_timer_set(tc_loop_timers(child->peers.loop), &child->arrival.again,
                 tc_loop_now_us(child->peers.loop) + AGAIN_US);
}

static void on_ready(tc_io_t *io, unsigned events)
{
    tc_child_t *child = (tc_child_t *)((char *)io - offsetof(tc_child_t, arrival.io));
    apr_status_t rv = APR_SUCCESS;
    int i;

    (void)events;
    for (i = 0; i < TURN && rv == APR_SUCCESS; i++) {
        if (!is_my_turn(child)) {
            let_others(child);
            return;
        }
        rv = take_one(child);
    }
    if (atomic_load(&child->connections) >= child->max_connections) {
        let_others(child);
    }
}

static void on_again(tc_timer_t *timer, int64_t now_us)
{
    tc_child_t *child = (tc_child_t *)((char *)timer - offsetof(tc_child_t, arrival.again));

    (void)now_us;
    (void)take_one(child);
    watch(child);
}

void tc_arrival_begin(tc_child_t *child)
{
    child->arrival.io.fd = passage_of(child)->in;
    child->arrival.io.on_ready = on_ready;
    child->arrival.again.fire = on_again;
    atomic_store(&child->place->receives, true);
    watch(child);
}

void tc_arrival_end(tc_child_t *child)
{
    if (child->place == NULL) {
        return;
    }
    atomic_store(&child->place->receives, false);
    (void)tc_loop_watch(child->peers.loop, &child->arrival.io, 0);
    tc_timer_clear(tc_loop_timers(child->peers.loop), &child->arrival.again);
}

void tc_arrival_turn_away(tc_child_t *child, unsigned code, const char *reason)
{
    tc_buf_t bytes = TC_BUF_INIT;
    tc_parcel_t parcel;
    int fd;

    apr_status_t rv;

    do {
        rv = tc_passage_receive(passage_of(child), &bytes, &fd, is_child, child);
        if (rv == APR_SUCCESS) {
            (void)tc_parcel_read(&parcel, &bytes);
            refuse(fd, &parcel.head.prefix, code, reason);
            tc_parcel_free(&parcel);
        }
    } while (rv == APR_SUCCESS || APR_STATUS_IS_EACCES(rv));
}
