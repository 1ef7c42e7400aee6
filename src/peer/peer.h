/*
 * A socket that the loop holds, with what every kind of client needs: when it is read and written, what
 * waits for it, its timer, its end. What is said over it is the kind's: session.h (WebSocket), stream.h
 * (server-sent events and long poll). Everything in it is the loop's.
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
    TC_PEER_CLOSING,  /* WebSocket: our Close went out, the client's is to come */
    TC_PEER_DRAINING, /* nothing more is read or queued */
    TC_PEER_ENDING,   /* all is sent, and our end; the client's is to come */
    TC_PEER_DEAD
} tc_peer_state_e;

struct tc_peer_t;

/* What makes one kind of client differ from another. */
typedef struct {
    /* Bytes have come. Says how many it took; the others are kept until it is not paused. */
    size_t (*take_input)(struct tc_peer_t *peer, unsigned char *data, size_t len);
    /* True while it must not be read. */
    bool (*is_paused)(const struct tc_peer_t *peer);
    /* While it is OPEN: the next moment at which on_timer() may have something to do. */
    int64_t (*next_deadline)(const struct tc_peer_t *peer);
    void (*on_timer)(struct tc_peer_t *peer, int64_t now_us);
    /* Queues what is to be said last of all in this iteration; NULL: nothing is. */
    void (*before_write)(struct tc_peer_t *peer);
    /* Says goodbye, for a reason that is a WebSocket close code and a literal; again is nothing. */
    void (*close)(struct tc_peer_t *peer, unsigned code, const char *reason);
    /*
     * What of it is another child's to go on with (departure.h): whether it can be, and the kind's own fields and the
     * parts from TC_PARCEL_MESSAGE on. NULL: it cannot.
     */
    bool (*is_portable)(const struct tc_peer_t *peer);
    void (*pack)(const struct tc_peer_t *peer, struct tc_parcel_t *parcel);
    /* Gives back what the kind has of its own, before the peer itself is freed. */
    void (*release)(struct tc_peer_t *peer);
} tc_peer_kind_t;

typedef struct tc_peer_t {
    tc_member_t member; /* stands first */
    const tc_peer_kind_t *kind;
    tc_peers_t *peers;
    const tc_site_t *site;
    tc_lease_t lease;
    struct tc_peer_t *next;
    struct tc_peer_t **link; /* what points here */
    tc_transport_t transport;
    tc_io_t io;
    unsigned char *input; /* come, but not looked at; NULL: none */
    size_t input_len;
    tc_outq_t queue;
    tc_timer_t timer;
    tc_task_t settle;    /* end of the iteration: write, leave, free */
    tc_task_t read_more; /* next iteration: input that no poll tells of */
    tc_task_t paced;     /* the loop's beat: write what was in no hurry */
    tc_peer_state_e state;
    uint8_t counted_as;  /* TC_L_TRANSPORT_…, base/metrics.h */
    tc_claim_t claim;
    tc_usage_t *usage;   /* NULL: nobody will be told of it */
    bool bridged;        /* a worker relays it, and goes with this child */
    bool stays;          /* it could not be moved to another child */
    bool cut_short;      /* reading ended at a pause: bytes may be left that no poll tells of */
    bool write_blocked;  /* the socket takes nothing now */
    bool urgent;         /* something in the queue is waited for */
    int64_t wrote_us;    /* when the queue was written last */
    int64_t heard_us;    /* when bytes came last */
    int64_t closing_us;  /* when it ceased to be OPEN */
} tc_peer_t;

/*
 * Fills in a zeroed peer with an adoption's socket, input, user and place in the count, which the
 * adoption has no more then, and adds it to the child's.
 */
void tc_peer_init(tc_peer_t *peer, const tc_peer_kind_t *kind, const tc_sink_t *sink,
                  tc_peers_t *peers, tc_adoption_t *adoption);

/* Puts it into its room: a newcomer, or one that comes from another child. */
void tc_peer_join(tc_peer_t *peer, const tc_adoption_t *adoption);

/* The last step of making one: reads what has come already, and settles. */
void tc_peer_start(tc_peer_t *peer);

/* Frees it whatever it waits for: the loop has ended. */
void tc_peer_destroy(tc_peer_t *peer);

int64_t tc_peer_now_us(const tc_peer_t *peer);

/* True when another child can go on with it; and when it is about to move there, and must not be read. */
bool tc_peer_can_move(const tc_peer_t *peer);
bool tc_peer_is_leaving(const tc_peer_t *peer);

/* Sets the timer anew where something is due sooner than it would fire. */
void tc_peer_arm(tc_peer_t *peer);

/* Has it looked after at the end of this iteration. */
void tc_peer_ask_to_settle(tc_peer_t *peer);

/* It ends with a close code, from this side (TC_L_SIDE_…). */
void tc_peer_count_close(const tc_peer_t *peer, unsigned code, unsigned side);

/* Notes for the connection log alone how it ends; the first word counts. */
void tc_peer_note_close(const tc_peer_t *peer, unsigned code, unsigned side);

/* Leaves OPEN for a later state, or any for DEAD. */
void tc_peer_enter(tc_peer_t *peer, tc_peer_state_e state);

/*
 * Queues a blob within the site's bounds; APR_ENOSPC when it does not fit even after the socket was tried.
 * `urgent`: the client waits for it.
 */
apr_status_t tc_peer_push(tc_peer_t *peer, tc_blob_t *blob, bool urgent);

/* Queues one whatever the bounds, urgently: a Close, an answer. */
void tc_peer_push_always(tc_peer_t *peer, tc_blob_t *blob);

#endif
