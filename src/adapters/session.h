/*
 * A WebSocket client (RFC 6455): frames on one side, a member of a room on the other. Plain data besides
 * its socket, so that it can be handed on. Its states are peer.h's: our Close leads to CLOSING, the client's
 * and a broken rule to DRAINING.
 */
#ifndef TC_ADAPTERS_SESSION_H
#define TC_ADAPTERS_SESSION_H

#include "adapters/child.h"

/* Takes an adoption's contents over and frees it. Loop. */
void tc_session_create(tc_child_t *child, tc_adoption_t *adoption);

#endif
