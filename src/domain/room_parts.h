/*
 * What the files of a room share among themselves: room.c (who is in it, delivery), room_serve.c (histories)
 * and room_fetch.c (what is missing). Nobody else includes it. The loop's.
 */
#ifndef TC_DOMAIN_ROOM_PARTS_H
#define TC_DOMAIN_ROOM_PARTS_H

#include "domain/room.h"

/* ---- room.c ---- */

/* Shows a member the event that follows its cursor; whom it answers gets its own copy in its place. */
void tc_room_hand_over(tc_room_t *room, tc_member_t *member, tc_event_t *event);

/* Gives a member what it is owed up to `seq`, events that it will not be shown any more. */
void tc_room_confirm_until(tc_room_t *room, tc_member_t *member, int64_t seq);

/* Adds the room's next event to its timeline and shows it to those who have seen all before it. */
void tc_room_deliver(tc_room_t *room, tc_event_t *event);

/* Delivers early events whose turn has come and drops those that have been seen. */
void tc_room_release_held(tc_room_t *room);

/* Takes an early event out of its list; the reference is the caller's. */
tc_event_t *tc_room_unhold(tc_room_t *room, tc_event_t **at);

/* ---- room_serve.c ---- */

/* Brings a member its history, now or when the store has answered; `load` is its answer, if at hand. */
void tc_room_serve(tc_room_t *room, tc_member_t *member, tc_job_t *load);

/* Has the store asked for the room's newest, if it is not being asked. */
void tc_room_start_load(tc_room_t *room);

/* Brings a member that has its history up to the room's present. */
void tc_room_advance(tc_room_t *room, tc_member_t *member);

/* Ends a member's connection that waits for what nobody knows. */
void tc_room_dismiss(tc_member_t *member, tc_job_status_e status);

/* Asks the store on behalf of all members that resume, if some do and it is not being asked. */
void tc_room_start_resume(tc_room_t *room);
void tc_room_on_resume(tc_room_t *room, tc_job_t *job);

/* ---- room_fetch.c ---- */

/* Submits a job that reads; false when the store's queue is full. */
bool tc_room_submit_read(tc_room_t *room, tc_member_t *member, tc_job_kind_e kind, int64_t after,
                         int limit, bool for_resumers);

/* Takes events out of the store that answer writes in flight for those answers. */
void tc_room_claim_own(tc_room_t *room, tc_event_t *events);

/* Asks for what a member lacks that has its history and fell behind the log. */
void tc_room_fetch_for(tc_room_t *room, tc_member_t *member);

#endif
