/*
 * All peers of a child, what they share, and all that they know of the child: where they are counted, and who writes
 * down that they have ended. The child makes it (child/child.h), and has no other way in here.
 */
#ifndef TC_PEER_PEERS_H
#define TC_PEER_PEERS_H

#include "base/buf.h"
#include "codec/deflate.h"
#include "domain/hub.h"
#include "engine/loop.h"

#define TC_FAREWELL_REASON "server stops, reconnect"

struct tc_peer_t;

/* What a connection is counted as, and goes with it. Zeroed: as nothing. */
typedef struct {
    bool by_child;        /* among the child's connections */
    uint64_t address_key; /* in the tally; 0: not */
    uint64_t user_key;
} tc_claim_t;

typedef struct tc_peers_t {
    tc_loop_t *loop;           /* const */
    tc_hub_t *hub;             /* loop */
    apr_pool_t *scratch;       /* loop; empty but within a call */
    int64_t write_interval_us; /* const; between two writes of what is in no hurry */
    struct tc_peer_t *first;   /* loop; all of them, by their next */
    uint64_t last_id;          /* loop */
    unsigned farewell_code;    /* loop; 0, or what newcomers are closed with */
    bool moving;               /* loop; what can move to another child is about to: it is not read any more */
    tc_inflater_t *inflater;   /* loop; NULL until it is needed */
    tc_deflater_t *deflater;   /* loop; the same */
    /* A connection leaves all counts that its claim names. Any thread. */
    void (*release)(struct tc_peers_t *peers, tc_claim_t *claim);
    /* Writes a line, which stays the caller's, into a site's connection log. Loop. */
    void (*tell)(struct tc_peers_t *peers, const tc_site_t *site, const tc_buf_t *line);
} tc_peers_t;

/* What compresses and inflates for all clients, made when first needed; NULL: no memory. Loop. */
tc_deflater_t *tc_peers_deflater(tc_peers_t *peers);
tc_inflater_t *tc_peers_inflater(tc_peers_t *peers);

#endif
