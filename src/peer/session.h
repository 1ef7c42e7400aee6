/*
 * A WebSocket client (RFC 6455): frames on one side, an application on the other. The application is the chat, where
 * the client is a member of a room, unless the adoption names another. Besides its socket a session is plain data, so
 * that another child can go on with it. Its states are those of peer.h: our Close leads to CLOSING, the client's Close
 * or a broken rule leads to DRAINING.
 */
#ifndef TC_PEER_SESSION_H
#define TC_PEER_SESSION_H

#include "codec/reader.h"
#include "peer/peer.h"

/* Where the messages of a WebSocket client go. Each function is called on the loop, while the peer is OPEN. */
typedef struct tc_application_t {
    /* Takes a new client, before anything is read. The adoption stays the caller's. NULL: nothing is to be done. */
    void (*open)(tc_peer_t *peer, const tc_adoption_t *adoption);
    /* Takes a whole message, text (valid UTF-8) or binary. Its bytes are valid until the function returns. */
    void (*take_message)(tc_peer_t *peer, const tc_read_item_t *message);
    /* True while the client must not be read (backpressure). Asked again whenever the peer settles. */
    bool (*is_paused)(const tc_peer_t *peer);
} tc_application_t;

/* Makes a WebSocket client from an adoption: takes the contents over and frees the adoption. Loop. */
void tc_session_create(tc_peers_t *peers, tc_adoption_t *adoption);

/*
 * The form in which a data frame goes to this client: the frame itself or, if both sides agreed to compress (RFC 7692),
 * the frame's compressed form. The frame owns that form; the caller gets no reference. Loop.
 */
tc_blob_t *tc_session_form(tc_peer_t *peer, tc_blob_t *frame);

#endif
