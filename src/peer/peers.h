/*
 * All peers of a child, and what they share. The two callbacks are all that src/peer knows of src/child: one takes a
 * connection out of the counts, the other writes the connection log. The child fills them in (child/child.h).
 */
#ifndef TC_PEER_PEERS_H
#define TC_PEER_PEERS_H

#include "base/buf.h"
#include "codec/deflate.h"
#include "domain/hub.h"
#include "engine/loop.h"

#define TC_FAREWELL_REASON "server stops, reconnect"

struct tc_peer_t;

/* The counts that a connection is part of. The claim goes along with the connection. Zeroed: none. */
typedef struct {
    bool by_child;        /* among the child's connections */
    uint64_t address_key; /* in the tally (shared/tally.h); 0: not counted */
    uint64_t user_key;
} tc_claim_t;

typedef struct tc_peers_t {
    tc_loop_t *loop;           /* const */
    tc_hub_t *hub;             /* loop */
    apr_pool_t *scratch;       /* loop; empty except during a call */
    int64_t write_interval_us; /* const; between two writes of what is not urgent */
    struct tc_peer_t *first;   /* loop; list of all peers */
    _Atomic uint64_t last_id;  /* atomic; of the last connection */
    unsigned farewell_code;    /* loop; newcomers are closed with it; 0: they may stay */
    tc_task_t shed;            /* loop; see shed.h */
    int64_t shed_due_us;       /* loop; it does not run before this time */
    int64_t turn_ends_us;      /* loop; monotonic; until then the peer that is read may go on */
    bool moving;               /* loop; peers that can move to another child are about to, and are not read */
    tc_inflater_t *inflater;   /* loop; NULL until it is needed */
    tc_deflater_t *deflater;   /* loop; the same */
    /* Takes a connection out of all counts that its claim names, and zeroes the claim. Any thread. */
    void (*release)(struct tc_peers_t *peers, tc_claim_t *claim);
    /* Writes a line, which stays the caller's, into a site's connection log. Loop. */
    void (*tell)(struct tc_peers_t *peers, const tc_site_t *site, const tc_buf_t *line);
} tc_peers_t;

/* The number of a new connection: unique in the child, never 0. Any thread. */
uint64_t tc_peers_next_id(tc_peers_t *peers);

/* If the child holds too much, has the loop run `shed` in its next iteration. Cheap; call it wherever something has grown. Loop. */
void tc_peers_check(tc_peers_t *peers);

/*
 * The time in which one peer is read (TC_PEER_TURN_US). A number of bytes or messages would not do: a message may be much
 * work, because of a signature, or of a thousand values. _begin_turn() starts it; _has_time(): it is not over. Loop.
 */
void tc_peers_begin_turn(tc_peers_t *peers);
bool tc_peers_has_time(const tc_peers_t *peers);

/* The deflater and the inflater of all clients, made when first needed; they are the peers'. NULL: no memory. Loop. */
tc_deflater_t *tc_peers_deflater(tc_peers_t *peers);
tc_inflater_t *tc_peers_inflater(tc_peers_t *peers);

#endif
