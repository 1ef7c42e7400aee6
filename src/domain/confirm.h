/*
 * Confirmations that a room owes: to which member an event that has not reached it yet is the answer, and
 * the copy, with its client_id, that it gets in the event's place. So it does not matter which way the event
 * comes: from the store's answer, over the bus, by a fetch. The loop's.
 */
#ifndef TC_DOMAIN_CONFIRM_H
#define TC_DOMAIN_CONFIRM_H

#include "domain/member.h"

typedef struct tc_confirm_t {
    struct tc_confirm_t *next;
    int64_t seq;
    tc_member_t *member;
    tc_blob_t *frame; /* a reference; NULL: the event's own frame serves */
} tc_confirm_t;

/* Adds one to a list that is ascending by seq. Takes a reference to the frame (NULL allowed). */
void tc_confirms_add(tc_confirm_t **list, int64_t seq, tc_member_t *member, tc_blob_t *frame);

/* Takes the one for this event and member out; the caller destroys it. NULL when there is none. */
tc_confirm_t *tc_confirms_take(tc_confirm_t **list, int64_t seq, const tc_member_t *member);

/* Takes the first of a member's out, up to `seq`. NULL when there is none. */
tc_confirm_t *tc_confirms_take_until(tc_confirm_t **list, int64_t seq, const tc_member_t *member);

/* True when one of them is a member's. */
bool tc_confirms_have(const tc_confirm_t *list, const tc_member_t *member);

void tc_confirm_destroy(tc_confirm_t *confirm);

#endif
