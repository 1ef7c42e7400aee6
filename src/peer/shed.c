/* Keeps a child within its memory. See shed.h. */
#include "peer/shed.h"

#include "base/classes.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/units.h"
#include "base/weight.h"
#include "codec/close.h"
#include "peer/peer.h"

#define LIGHT    4096 /* bytes; connections that hold less are not ended */
#define PAUSE_US (10 * TC_US_PER_MS) /* between two looks at all rooms and connections, at least */
#define QUIET    20   /* as many times as long as a look took, the next one waits; as the thread worked, not as it stood still */

/* What the child would be rid of without this peer. Each of the queues in which a frame waits has a share of it. */
static size_t weight_of(const tc_peer_t *peer)
{
    if (peer->state == TC_PEER_DEAD || peer->held + peer->queue.bytes < LIGHT) {
        return 0;
    }
    return peer->held + tc_outq_share(&peer->queue);
}

/* Ends a connection with 1013, if nothing of its queue has begun to leave, and frees what it holds. */
static void end(tc_peer_t *peer)
{
    bool has_begun = peer->state != TC_PEER_OPEN || peer->queue.head_sent > 0 || peer->queue.pinned > 0;

    if (peer->state == TC_PEER_OPEN) {
        tc_outq_drop_unsent(&peer->queue);
        peer->kind->close(peer, TC_CLOSE_TRY_LATER, "server has too little memory, resume later");
    }
    tc_peer_drop_input(peer);
    if (has_begun) {
        tc_peer_enter(peer, TC_PEER_DEAD); /* a Close would stand behind what holds the memory */
    }
    else if (peer->state == TC_PEER_CLOSING) {
        tc_peer_enter(peer, TC_PEER_DRAINING);
    }
}

/* Ends connections from the heaviest down, until they have had `bytes` together. Returns their number. */
static unsigned end_heaviest(tc_peers_t *peers, size_t bytes)
{
    tc_classes_t classes = {{0}};
    unsigned ended = 0, least;
    tc_peer_t *peer;
    int turn;

    for (peer = peers->first; peer != NULL; peer = peer->next) {
        tc_classes_add(&classes, weight_of(peer));
    }
    least = tc_classes_needed(&classes, bytes);
    for (turn = 0; turn < 2; turn++) { /* first the classes above that one, then as many of that one as it takes */
        for (peer = peers->first; peer != NULL && bytes > 0; peer = peer->next) {
            size_t weight = weight_of(peer);
            unsigned class = tc_class_of(weight);

            if (weight >= LIGHT && (turn == 0 ? class > least : class >= least)) {
                end(peer);
                bytes -= weight < bytes ? weight : bytes;
                ended++;
            }
        }
    }
    return ended;
}

static void shed(tc_task_t *task)
{
    tc_peers_t *peers = (tc_peers_t *)((char *)task - offsetof(tc_peers_t, shed));
    static tc_log_limit_t limit = TC_LOG_LIMIT(1);
    size_t before = tc_weight_get(), goal = tc_weight_limit() / 8 * 7, now;
    int64_t worked_us = tc_clock_thread_us(), quiet_us;
    unsigned rooms, ended = 0;

    if (!tc_weight_is_over()) {
        return;
    }
    rooms = tc_hub_shed(peers->hub, before - goal);
    now = tc_weight_get();
    if (now > tc_weight_limit()) {
        ended = end_heaviest(peers, now - goal);
    }
    quiet_us = (tc_clock_thread_us() - worked_us) * QUIET;
    peers->shed_due_us = tc_clock_monotonic_us() + (quiet_us > PAUSE_US ? quiet_us : PAUSE_US);
    tc_metrics_add(TC_METRICS_CHILD, TC_M_SHED + TC_L_BURDEN_ROOM, rooms);
    tc_metrics_add(TC_METRICS_CHILD, TC_M_SHED + TC_L_BURDEN_CONNECTION, ended);
    tc_log_about(NULL, &limit, TC_LOG_WARNING, 0, "TC0110: clients make this child hold %zu MB, more than TripChatMemory allows "
                 "(%zu MB): the caches of %u rooms were dropped, and %u connections that held most were ended; see who reads "
                 "too slowly in TripChatConnectionLog, or allow more", before >> 20, tc_weight_limit() >> 20, rooms, ended);
}

void tc_shed_init(tc_peers_t *peers)
{
    peers->shed.run = shed;
}
