/*
 * A WebSocket client (RFC 6455): frames on one side, an application on the other. That is the chat, where the
 * client is a member of a room, unless its adoption says otherwise. Plain data besides its socket, so that it
 * can be handed on. Its states are peer.h's: our Close leads to CLOSING, the client's and a broken rule to
 * DRAINING.
 */
#ifndef TC_PEER_SESSION_H
#define TC_PEER_SESSION_H

#include "codec/reader.h"
#include "peer/peer.h"

/* What the messages of a WebSocket client go to. Called while the peer is OPEN. Loop. */
typedef struct tc_application_t {
    /* A new client, before anything is read. The adoption stays the caller's. NULL: nothing is to be done. */
    void (*open)(tc_peer_t *peer, const tc_adoption_t *adoption);
    /* A whole message, text (valid UTF-8) or binary; its bytes are good until this returns. */
    void (*take_message)(tc_peer_t *peer, const tc_read_item_t *message);
    /* True while the client must not be read. Asked again whenever the peer settles. */
    bool (*is_paused)(const tc_peer_t *peer);
} tc_application_t;

/* Takes an adoption's contents over and frees it. Loop. */
void tc_session_create(tc_peers_t *peers, tc_adoption_t *adoption);

/* The form in which a data frame goes to this client: itself, or compressed where both sides agreed to; not a reference. */
tc_blob_t *tc_session_form(tc_peer_t *peer, tc_blob_t *frame);

#endif
