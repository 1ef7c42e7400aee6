/*
 * A socket that the loop holds. This file has what every kind of client needs: reading and writing, the send queue, the
 * timer and the end. The kind of the client decides about the bytes: session.h (WebSocket) or stream.h (server-sent
 * events and long poll). Every field is the loop's, and every function runs on the loop.
 *
 *   OPEN ──> CLOSING ──> DRAINING ──all sent──> ENDING ──client's end──> DEAD
 *     └────────────────────┘
 * Any state becomes DEAD at once when the client goes away or a deadline passes.
 */
#ifndef TC_PEER_PEER_H
#define TC_PEER_PEER_H

#include "engine/outq.h"
#include "engine/transport.h"
#include "peer/adoption.h"
#include "token/lease.h"

typedef enum {
    TC_PEER_OPEN,
    TC_PEER_CLOSING,  /* WebSocket: our Close is queued, the client's Close is awaited */
    TC_PEER_DRAINING, /* input is dropped, nothing more is queued; what is queued still leaves */
    TC_PEER_ENDING,   /* everything is sent, with our FIN; the client's FIN is awaited */
    TC_PEER_DEAD
} tc_peer_state_e;

struct tc_peer_t;

/* What makes one kind of client differ from another. Each function is called on the loop. */
typedef struct {
    /* Takes received bytes and returns how many it took. The peer keeps the others until the kind is not paused. */
    size_t (*take_input)(struct tc_peer_t *peer, unsigned char *data, size_t len);
    /* True while the socket must not be read (backpressure). */
    bool (*is_paused)(const struct tc_peer_t *peer);
    /* Bytes that were received and are kept, besides the peer's own `input`. NULL: none. _drop() frees them for good. */
    size_t (*held)(const struct tc_peer_t *peer);
    void (*drop)(struct tc_peer_t *peer);
    /* While the peer is OPEN: the next time (monotonic) at which on_timer() may have something to do. */
    int64_t (*next_deadline)(const struct tc_peer_t *peer);
    void (*on_timer)(struct tc_peer_t *peer, int64_t now_us);
    /* Queues the last bytes of an iteration, just before the queue is written. NULL: the kind has none. */
    void (*before_write)(struct tc_peer_t *peer);
    /*
     * Ends the connection with a WebSocket close code and a reason, which is the caller's and needs no escapes in JSON.
     * A second call does nothing.
     */
    void (*close)(struct tc_peer_t *peer, unsigned code, const char *reason);
    /*
     * For a move to another child (child/departure.h). is_portable() says whether the connection can move now, NULL:
     * never. pack() fills in the kind's own fields of the parcel's head and adds the parts from TC_PARCEL_MESSAGE on.
     */
    bool (*is_portable)(const struct tc_peer_t *peer);
    void (*pack)(const struct tc_peer_t *peer, struct tc_parcel_t *parcel);
    /* Frees the kind's own memory, just before the peer itself is freed. */
    void (*release)(struct tc_peer_t *peer);
} tc_peer_kind_t;

typedef struct tc_peer_t {
    tc_member_t member; /* stands first */
    const tc_peer_kind_t *kind;
    tc_peers_t *peers;
    const tc_site_t *site;
    tc_lease_t lease;
    struct tc_peer_t *next;
    struct tc_peer_t **link; /* the pointer that points to this peer */
    tc_transport_t transport;
    tc_io_t io;
    unsigned char *input; /* received, but not looked at; malloc'ed; NULL: none */
    size_t input_len;
    tc_outq_t queue;
    tc_timer_t timer;
    tc_task_t settle;    /* end of the iteration: write, leave, free */
    tc_task_t read_more; /* next iteration: read input of which poll tells nothing */
    tc_task_t paced;     /* the loop's beat: write what is not urgent */
    tc_peer_state_e state;
    uint32_t held;       /* received bytes that are kept, and counted in the child's weight */
    tc_claim_t claim;
    tc_usage_t *usage;   /* for the connection log; malloc'ed; NULL: nothing will be logged */
    const char *parting; /* the reason with which an OPEN peer is about to be closed; a literal; NULL: it stays */
    uint16_t parting_code;
    uint8_t counted_as;  /* TC_L_TRANSPORT_…, base/metrics.h */
    bool bridged;        /* a worker relays it, and ends with this child */
    bool stays;          /* the peer could not be moved to another child */
    bool cut_short;      /* reading stopped at a pause: bytes may be left of which poll tells nothing */
    bool write_blocked;  /* the socket takes nothing now */
    bool urgent;         /* the client waits for something in the queue */
    int64_t wrote_us;    /* when the queue was written last */
    int64_t heard_us;    /* when bytes came last */
    int64_t closing_us;  /* when it entered CLOSING or DRAINING last */
} tc_peer_t;

/*
 * Fills in a zeroed peer and adds it to the list of `peers`. The peer takes over the adoption's descriptor, SSL, input,
 * user, lease and claim; `kind`, `sink` and `peers` are borrowed.
 */
void tc_peer_init(tc_peer_t *peer, const tc_peer_kind_t *kind, const tc_sink_t *sink,
                  tc_peers_t *peers, tc_adoption_t *adoption);

/* Puts the peer into its room: a newcomer, a client that resumes, or one that comes from another child. */
void tc_peer_join(tc_peer_t *peer, const tc_adoption_t *adoption);

/* The last step of making a peer: has the input that came already read, and the peer settled. */
void tc_peer_start(tc_peer_t *peer);

/* Closes and frees a peer after the loop has ended, whatever the peer still waits for. */
void tc_peer_destroy(tc_peer_t *peer);

/* The time of this iteration, monotonic. */
int64_t tc_peer_now_us(const tc_peer_t *peer);

/* True if another child can go on with the peer. */
bool tc_peer_can_move(const tc_peer_t *peer);

/* True if the peer must not be read any more: it is about to move to another child, or to be closed. */
static inline bool tc_peer_is_leaving(const tc_peer_t *peer)
{
    return peer->state == TC_PEER_OPEN && (peer->parting != NULL || (peer->peers->moving && tc_peer_can_move(peer)));
}

/*
 * How long the client may give no sign, and no byte may leave. What a worker relays is not seen to leave its own socket,
 * so the client has the time that this takes as well.
 */
int64_t tc_peer_patience_us(const tc_peer_t *peer);

/* Sets the timer to an earlier time if something is due before the timer would fire. */
void tc_peer_arm(tc_peer_t *peer);

/* Has the peer written, watched or freed at the end of this iteration. */
void tc_peer_ask_to_settle(tc_peer_t *peer);

/*
 * Closes an OPEN peer when it is settled. Rooms close their members so: there may be thousands at once, and the loop settles
 * as many as it has time for. `reason` is a literal.
 */
static inline void tc_peer_part(tc_peer_t *peer, unsigned code, const char *reason)
{
    if (peer->parting == NULL) {
        peer->parting = reason;
        peer->parting_code = (uint16_t)code;
        tc_peer_ask_to_settle(peer);
    }
}

/* Enters a later state of the picture above. */
void tc_peer_enter(tc_peer_t *peer, tc_peer_state_e state);

/*
 * Queues a blob, with a reference of the queue's own, within the site's bounds. APR_ENOSPC: the blob does not fit, even
 * after the socket was tried. A droppable blob that does not fit is left out: APR_SUCCESS. `urgent`: the client waits
 * for the blob, so the queue is written in this iteration.
 */
apr_status_t tc_peer_push(tc_peer_t *peer, tc_blob_t *blob, bool urgent);

/* Closes a peer that reads too slowly, with 1013: drops what has not begun to leave, and counts a slow reader. */
void tc_peer_give_up(tc_peer_t *peer);

/* Frees what has come and was not used. Nothing more is read from the client. */
void tc_peer_drop_input(tc_peer_t *peer);

/* Queues a blob whatever the bounds, as urgent: a Close, an answer. The queue takes a reference of its own. */
void tc_peer_push_always(tc_peer_t *peer, tc_blob_t *blob);

#endif
