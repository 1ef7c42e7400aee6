/*
 * A connection that the loop holds: WebSocket on one side, a member of a room on the other. Everything
 * in it is the loop's. Plain data besides its socket, so that it can be handed on.
 *
 *   OPEN ──our close──> CLOSING ──peer's close──> DRAINING ──all sent──> ENDING ──peer's end──> DEAD
 *     └────────────peer's close, or a broken rule────┘
 * Any state becomes DEAD at once when the peer goes away or a deadline passes.
 */
#ifndef TC_ADAPTERS_SESSION_H
#define TC_ADAPTERS_SESSION_H

#include "adapters/child.h"

typedef struct tc_session_t tc_session_t;

/* Takes an adoption's contents over and frees it. Loop. */
void tc_session_create(tc_child_t *child, tc_adoption_t *adoption);

/* Starts the closing handshake with a literal reason; again is nothing. Loop. */
void tc_session_close(tc_session_t *session, unsigned code, const char *reason);

/* The next one of the child's, in no order. Loop. */
tc_session_t *tc_session_next(tc_session_t *session);

/* Frees it whatever it waits for: the loop has ended. Loop. */
void tc_session_destroy(tc_session_t *session);

#endif
