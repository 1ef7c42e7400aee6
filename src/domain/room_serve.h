/*
 * What a member of a room is brought, and from where: a history for one that comes, a resume for one that comes back,
 * the rest for one that fell behind; out of the timeline or by asking the store (room_fetch.h). The loop's.
 */
#ifndef TC_DOMAIN_ROOM_SERVE_H
#define TC_DOMAIN_ROOM_SERVE_H

#include "domain/room.h"

/* Adds a member and brings it its history, now or when the store has answered. */
void tc_room_join(tc_room_t *room, tc_member_t *member, int64_t after);

/*
 * Adds a member that was in this room of another child and has seen its events up to member->cursor: it gets
 * what follows, and no history again. While the store does not answer it waits.
 */
void tc_room_rejoin(tc_room_t *room, tc_member_t *member);

/* Takes back a LOAD or EVENTS job of this room; the caller destroys it. */
void tc_room_on_load(tc_room_t *room, tc_job_t *job);
void tc_room_on_events(tc_room_t *room, tc_job_t *job);

/* The store does not answer: turns those away who wait for their history. */
void tc_room_give_up_waiting(tc_room_t *room);

/* Asks the store again for what is missing, if something is and nothing is under way. */
void tc_room_retry(tc_room_t *room);

#endif
