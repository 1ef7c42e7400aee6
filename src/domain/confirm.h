/*
 * Confirmations that a room owes. A member that stored an event gets its own copy of the event, with its client_id, in
 * the event's place. A confirmation remembers that copy until the member's cursor reaches the event. So the event may
 * come from the store's answer, over the bus, or by a fetch. Loop thread only.
 */
#ifndef TC_DOMAIN_CONFIRM_H
#define TC_DOMAIN_CONFIRM_H

#include "domain/member.h"

typedef struct tc_confirm_t {
    struct tc_confirm_t *next;
    int64_t seq;
    tc_member_t *member;
    tc_blob_t *frame; /* a reference to the copy; NULL: the frame for everybody serves */
} tc_confirm_t;

/* Adds a confirmation to a list, which ascends by seq. Takes its own reference to the frame, which may be NULL. */
void tc_confirms_add(tc_confirm_t **list, int64_t seq, tc_member_t *member, tc_blob_t *frame);

/* Removes and returns the confirmation for this event and member. The caller destroys it. NULL: there is none. */
tc_confirm_t *tc_confirms_take(tc_confirm_t **list, int64_t seq, const tc_member_t *member);

/* Removes and returns the member's first confirmation up to `seq`. The caller destroys it. NULL: there is none. */
tc_confirm_t *tc_confirms_take_until(tc_confirm_t **list, int64_t seq, const tc_member_t *member);

/* True if the list holds a confirmation for this member. */
bool tc_confirms_have(const tc_confirm_t *list, const tc_member_t *member);

/* Frees a confirmation that is in no list. */
void tc_confirm_destroy(tc_confirm_t *confirm);

#endif
