/* How connections leave a child that ends. See departure.h. */
#include "child/departure.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/thread.h"
#include "base/units.h"
#include "child/child.h"
#include "codec/close.h"
#include "peer/parcel.h"
#include "peer/peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PASS 64                          /* connections that move before other events have their turn */
#define LOOK_US (20 * TC_US_PER_MS)
#define OTHERS_US TC_US_PER_S            /* wait for more children after the first one receives */
#define RECYCLED_US (500 * TC_US_PER_MS) /* a server that has not ended by then goes on */
#define CROWDED_US TC_US_PER_S           /* to close what cannot move, if new children wait for this one */
#define STEADY_US (150 * TC_US_PER_MS)   /* if no slot is free for so long, that is no passing state */
#define STRAGGLERS_US (2 * TC_US_PER_S)  /* after CROWDED_US, for clients to answer the Close */
#define RETRY_MS 2000                    /* a client that was closed is told to wait a part of this */

static int64_t now_us_of(const tc_child_t *child)
{
    return tc_loop_now_us(child->peers.loop);
}

/* A part of `whole` that differs from connection to connection, but is always the same for one connection. */
static int64_t share_of(const tc_peer_t *peer, int64_t whole)
{
    uint64_t mixed = peer->member.id * UINT64_C(0x9e3779b97f4a7c15);

    return whole / 1024 * (int64_t)(mixed >> 54);
}

/* ---- moving ---- */

static void fill_head(const tc_peer_t *peer, tc_parcel_head_t *head)
{
    const tc_room_t *room = peer->member.room;

    head->pid = getpid();
    head->trip = room->trip_key.trip;
    head->room_id = room->room_id;
    head->member = peer->member;
    head->lease_expires_us = peer->lease.expires_us;
    head->lease_warned = peer->lease.warned;
    tc_jwt_mark(peer->lease.rules, peer->lease.key, peer->lease.facts, &head->lease_mark);
    head->address_key = peer->claim.address_key;
    head->user_key = peer->claim.user_key;
    head->heard_us = peer->heard_us;
    head->wrote_us = peer->wrote_us;
    head->has_usage = peer->usage != NULL;
    if (head->has_usage) {
        head->usage = *peer->usage;
    }
}

static void add_text(tc_parcel_t *parcel, tc_parcel_part_e part, const char *text)
{
    tc_parcel_add(parcel, part, text, text ? strlen(text) : 0);
}

static void pack(const tc_peer_t *peer, tc_parcel_t *parcel)
{
    const tc_user_t *user = peer->member.user;
    tc_buf_t queue = TC_BUF_INIT;

    tc_parcel_begin(parcel);
    fill_head(peer, &parcel->head);
    add_text(parcel, TC_PARCEL_SITE, peer->site->name);
    add_text(parcel, TC_PARCEL_USER_ID, user->id);
    add_text(parcel, TC_PARCEL_USER_EMAIL, user->email);
    add_text(parcel, TC_PARCEL_SENDER, user->sender_json);
    add_text(parcel, TC_PARCEL_CLAIM, user->claim == user->id ? NULL : user->claim);
    tc_parcel_add(parcel, TC_PARCEL_FACTS, peer->lease.facts, tc_facts_size(peer->lease.facts));
    tc_outq_copy(&peer->queue, &queue);
    tc_parcel_add(parcel, TC_PARCEL_QUEUE, queue.data, queue.len);
    tc_buf_free(&queue);
    tc_parcel_add(parcel, TC_PARCEL_INPUT, peer->input, peer->input ? peer->input_len : 0);
    peer->kind->pack(peer, parcel);
    add_text(parcel, TC_PARCEL_CLIENT, peer->member.subject->client);
    tc_parcel_end(parcel);
}

/* True when the client has received every answer that only this child knows of. */
static bool is_ready(const tc_peer_t *peer)
{
    return !tc_room_owes(peer->member.room, &peer->member);
}

/* Once the parcel is sent, the connection is another child's and ends here without a Close. Else it stays. */
static apr_status_t move(const tc_child_t *child, tc_peer_t *peer)
{
    tc_parcel_t parcel;
    apr_status_t rv;

    memset(&parcel, 0, sizeof(parcel));
    pack(peer, &parcel);
    rv = tc_passage_send(&child->succession.handover->passage, parcel.bytes.data,
                         parcel.bytes.len, peer->io.fd);
    tc_parcel_free(&parcel);
    if (rv == APR_SUCCESS) {
        TC_LOG_ABOUT(peer->member.subject, TC_LOG_INFO, 0, "TC0028: connection %llu: moves to another child",
                     (unsigned long long)peer->member.id);
        tc_metrics_add(peer->site->metrics_slot, TC_M_HANDOVERS + TC_L_HANDOVER_OUT, 1);
        free(peer->usage); /* the parcel has the counts */
        peer->usage = NULL;
        tc_peer_enter(peer, TC_PEER_DEAD);
    }
    else if (rv != APR_EAGAIN) {
        peer->stays = true;
        TC_LOG_ABOUT(peer->member.subject, TC_LOG_INFO, rv, "TC0029: connection %llu: cannot be moved to another child, "
                     "so it will be closed with 1012", (unsigned long long)peer->member.id);
        tc_peer_ask_to_settle(peer);
    }
    return rv;
}

static void close_for_reload(tc_peer_t *peer)
{
    char reason[64];

    snprintf(reason, sizeof(reason), "server reloads, retry after %d ms",
             (int)share_of(peer, RETRY_MS));
    peer->kind->close(peer, TC_CLOSE_RESTART, reason);
}

/* ---- when ---- */

/* True if connections are left that cannot move. While they keep this child, the others are served better here. */
static bool others_remain(const tc_child_t *child)
{
    const tc_peer_t *peer;

    for (peer = child->peers.first; peer != NULL; peer = peer->next) {
        if (peer->state != TC_PEER_DEAD && (peer->state != TC_PEER_OPEN || !tc_peer_can_move(peer))) {
            return true;
        }
    }
    return false;
}

/* If no new child can start before this one exits: how long unmovable connections may keep the others here. */
static int64_t patience_us(const tc_child_t *child)
{
    int64_t half_us = child->succession.drain_us / 2;

    return half_us < CROWDED_US + STRAGGLERS_US ? half_us : CROWDED_US + STRAGGLERS_US;
}

/* How long to wait for more children after the first one receives: OTHERS_US, or a quarter of a short drain time. */
static int64_t others_us(const tc_child_t *child)
{
    int64_t quarter_us = child->succession.drain_us / 4;

    return quarter_us < OTHERS_US ? quarter_us : OTHERS_US;
}

/* True when httpd's workers have ended: nothing but the chat keeps this child. */
static bool is_last(const tc_child_t *child)
{
    return child->quit_us != 0;
}

/*
 * True if connections may move now, because other children receive. In a reload, wait for as many new children as there
 * were old ones, so that they share the connections; but wait only for others_us(). If no new child can start before
 * this one exits, connections wait in the passage. They go there only when nothing else keeps this child.
 */
static bool may_move(tc_child_t *child, const tc_outlook_t *outlook, int64_t now_us)
{
    const tc_succession_t *succession = &child->succession;
    tc_departure_t *departure = &child->departure;
    unsigned wanted = outlook->is_reload ? tc_handover_children(succession->handover, succession->generation) : 1;
    unsigned found = outlook->is_reload
                         ? tc_handover_followers(succession->handover, child->place, wanted)
                         : tc_handover_receivers(succession->handover, child->place, wanted);

    if (found > 0) {
        departure->found_us = departure->found_us != 0 ? departure->found_us : now_us;
        return found >= wanted || now_us - departure->found_us >= others_us(child);
    }
    departure->found_us = 0;
    if (!outlook->crowded || !is_last(child)
        || (others_remain(child) && now_us - departure->began_us < patience_us(child))) {
        return false;
    }
    return outlook->is_reload ? outlook->has_successor
                              : now_us - departure->began_us >= RECYCLED_US;
}

/*
 * When a connection that cannot move is closed. It has less time if new children wait for this one to exit. But that
 * holds only if nothing but connections keeps this child, or if this connection holds a worker.
 */
static int64_t close_due_us(const tc_child_t *child, const tc_peer_t *peer, bool is_crowded)
{
    int64_t drain_us = child->succession.drain_us;

    if (is_crowded && (is_last(child) || peer->bridged) && drain_us > CROWDED_US) {
        drain_us = CROWDED_US;
    }
    return child->departure.began_us + share_of(peer, drain_us);
}

/* A connection that can move is served until the child's time is over. Any other is closed in its turn. */
static bool is_close_due(const tc_child_t *child, const tc_peer_t *peer, bool is_crowded,
                         int64_t now_us)
{
    return tc_peer_can_move(peer) ? is_last(child) && now_us - child->quit_us >= child->succession.drain_us
                          : now_us >= close_due_us(child, peer, is_crowded);
}

/*
 * Moves and closes what is due. Returns how many connections moved. After PASS moves nothing is closed, because what is
 * left may move in the next turn.
 */
static int part(tc_child_t *child, bool is_crowded, int64_t now_us)
{
    bool blocked = !child->peers.moving;
    tc_peer_t *peer;
    int moved = 0;

    for (peer = child->peers.first; peer != NULL; peer = peer->next) { /* no peer is freed at once */
        bool stays = peer->state == TC_PEER_OPEN;

        if (stays && tc_peer_can_move(peer) && !blocked && moved < PASS && is_ready(peer)) {
            apr_status_t rv = move(child, peer);

            blocked = rv == APR_EAGAIN;
            stays = rv != APR_SUCCESS;
            moved += !stays;
        }
        if (stays && moved < PASS && is_close_due(child, peer, is_crowded, now_us)) {
            close_for_reload(peer);
        }
    }
    return moved;
}

/*
 * True if no slot has been free for STEADY_US. A child that is being started occupies its slot before its generation is
 * known, which looks crowded for a moment.
 */
static bool stays_crowded(tc_departure_t *departure, bool is_crowded, int64_t now_us)
{
    if (!is_crowded) {
        departure->crowded_us = 0;
    }
    else if (departure->crowded_us == 0) {
        departure->crowded_us = now_us;
    }
    return is_crowded && now_us - departure->crowded_us >= STEADY_US;
}

/* Peers that are about to move are not read. If no child receives any more, they settle and are read again. */
static void set_moving(tc_child_t *child, bool moving)
{
    bool was_moving = child->peers.moving;
    tc_peer_t *peer;

    child->peers.moving = moving;
    for (peer = was_moving && !moving ? child->peers.first : NULL; peer != NULL; peer = peer->next) {
        tc_peer_ask_to_settle(peer);
    }
}

static void look(tc_child_t *child)
{
    tc_departure_t *departure = &child->departure;
    tc_outlook_t outlook = child->succession.look_out();
    int64_t now_us = now_us_of(child);

    if (outlook.server_ends) {
        tc_child_close_all(child, TC_CLOSE_GOING_AWAY);
        return;
    }
    outlook.crowded = stays_crowded(departure, outlook.crowded, now_us);
    set_moving(child, may_move(child, &outlook, now_us));
    if (part(child, outlook.crowded, now_us) == PASS) {
        tc_loop_again(child->peers.loop, &departure->more);
    }
    else {
        tc_timer_set(tc_loop_timers(child->peers.loop), &departure->timer, now_us + LOOK_US);
    }
}

static void on_timer(tc_timer_t *timer, int64_t now_us)
{
    (void)now_us;
    look((tc_child_t *)((char *)timer - offsetof(tc_child_t, departure.timer)));
}

static void on_more(tc_task_t *task)
{
    look((tc_child_t *)((char *)task - offsetof(tc_child_t, departure.more)));
}

void tc_departure_begin(tc_child_t *child)
{
    tc_departure_t *departure = &child->departure;

    TC_ASSERT_THREAD(TC_THREAD_LOOP);
    if (departure->began_us == 0) {
        departure->began_us = now_us_of(child);
        departure->timer.fire = on_timer;
        departure->more.run = on_more;
        look(child);
    }
}

/* Children that end with the server may have sent connections that no child will take. The last child closes them. */
void tc_departure_end(tc_child_t *child)
{
    bool server_ends = atomic_load(&child->farewell) == TC_FAREWELL_STOP;

    tc_timer_clear(tc_loop_timers(child->peers.loop), &child->departure.timer);
    if (child->place == NULL) {
        return;
    }
    if (!server_ends && child->departure.began_us != 0) {
        server_ends = child->succession.look_out().server_ends;
    }
    if (server_ends && tc_handover_receivers(child->succession.handover, child->place, 1) == 0) {
        tc_arrival_turn_away(child, TC_CLOSE_GOING_AWAY, TC_FAREWELL_REASON);
    }
}
