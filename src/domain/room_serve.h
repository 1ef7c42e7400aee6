/*
 * Decides what a member of a room gets, and from where. A newcomer gets a history, a returning client a resume, and a
 * member that fell behind the events it lacks. They come from the timeline, or from the store (room_fetch.h). Loop
 * thread only.
 */
#ifndef TC_DOMAIN_ROOM_SERVE_H
#define TC_DOMAIN_ROOM_SERVE_H

#include "domain/room.h"

/* Adds a member and sends its history, now or when the store has answered. `after`: as in tc_hub_join(). */
void tc_room_join(tc_room_t *room, tc_member_t *member, int64_t after);

/*
 * Adds a member that moved here from another child, where it has seen the room's events up to member->cursor. It gets
 * the events that follow, and no second history. If the store does not answer, the member waits.
 */
void tc_room_rejoin(tc_room_t *room, tc_member_t *member);

/*
 * Hands a member the events that waited for one of its own edits. Call this when the edit has come back, or its sender
 * was told that it takes too long. Does nothing for a member that waits for something else.
 */
void tc_room_advance(tc_room_t *room, tc_member_t *member);

/*
 * Serves a portion of room->unserved, about room->portion members or events. If there were new events meanwhile, all
 * members have another turn afterwards.
 */
void tc_room_serve_on(tc_room_t *room);

/* Take the result of a LOAD or EVENTS job of this room. The caller destroys the job. */
void tc_room_on_load(tc_room_t *room, tc_job_t *job);
void tc_room_on_events(tc_room_t *room, tc_job_t *job);

/* Called if the store does not answer: closes the members that wait for their history, with 1013. */
void tc_room_give_up_waiting(tc_room_t *room);

/* If members wait for the room's LOAD and none is under way, asks the store for it. */
void tc_room_load_again(tc_room_t *room);

/* If the room or a member lacks events and nothing is under way to bring them, asks the store again. */
void tc_room_retry(tc_room_t *room);

#endif
