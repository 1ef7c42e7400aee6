/*
 * Confirmations that a room owes. A member that stored an event gets its own copy of the event, with its client_id, in
 * the event's place. A confirmation remembers the client_id until the member's cursor reaches the event. So the event
 * may come from the store's answer, over the bus, or by a fetch. A message that was sent twice under one client_id is
 * one event: then one confirmation answers both sends. Loop thread only.
 */
#ifndef TC_DOMAIN_CONFIRM_H
#define TC_DOMAIN_CONFIRM_H

#include "domain/event.h"
#include "domain/member.h"

typedef struct tc_confirm_t {
    struct tc_confirm_t *next;
    int64_t seq;
    tc_member_t *member;
    unsigned sends;    /* of this member, for which the event is the answer; 0: the member was told something already */
    tc_event_t *event; /* a reference: the event as the write, or a fetch, brought it */
    char client_id[];  /* "": there is none, and the frame for everybody serves */
} tc_confirm_t;

/*
 * Adds a confirmation to a list, which ascends by seq, or counts one more send in the confirmation of the same event and
 * member. `client_id` may be NULL. `is_awaited`: the member waits for the answer. Takes its own reference to the event.
 */
void tc_confirms_add(tc_confirm_t **list, tc_member_t *member, tc_event_t *event, const char *client_id,
                     bool is_awaited);

/*
 * Sends the confirmation's member its copy of the event: once for each send, and at least once. `event` is the event
 * as the room has it, which may show a later text than the confirmation's own.
 */
void tc_confirm_send(const tc_confirm_t *confirm, tc_event_t *event);

/* Removes and returns the confirmation for this event and member. The caller destroys it. NULL: there is none. */
tc_confirm_t *tc_confirms_take(tc_confirm_t **list, int64_t seq, const tc_member_t *member);

/* Removes and returns the member's first confirmation up to `seq`. The caller destroys it. NULL: there is none. */
tc_confirm_t *tc_confirms_take_until(tc_confirm_t **list, int64_t seq, const tc_member_t *member);

/* True if the list holds a confirmation for this member; _have_event(): and for this event. */
bool tc_confirms_have(const tc_confirm_t *list, const tc_member_t *member);
bool tc_confirms_have_event(const tc_confirm_t *list, int64_t seq, const tc_member_t *member);

/* Frees a confirmation that is in no list. */
void tc_confirm_destroy(tc_confirm_t *confirm);

#endif
