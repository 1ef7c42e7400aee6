/*
 * What a room lacks and the store knows: how it is asked for, and what the answer does to the room. Whom the answer
 * serves is room_serve.h's to decide. The loop's.
 */
#ifndef TC_DOMAIN_ROOM_FETCH_H
#define TC_DOMAIN_ROOM_FETCH_H

#include "domain/room.h"

/* Submits a job that reads, for a member or (NULL) for the room; false when the store's queue is full. */
bool tc_room_submit_read(tc_room_t *room, tc_member_t *member, tc_job_kind_e kind, int64_t after,
                         int limit, bool for_resumers);

/* Takes fetched events that answer writes in flight for those answers: their senders get their own copies. */
void tc_room_claim_own(tc_room_t *room, tc_event_t *events);

/* True when something is missing and nothing is under way that brings it. */
bool tc_room_is_behind(const tc_room_t *room);

/* Asks the store for what the room is behind by, if it is. */
void tc_room_fetch_gap(tc_room_t *room);

/*
 * Delivers what a job brought and the room has not. The store's word on what follows job->after is final: what it
 * leaves out was deleted with its user, and nobody may wait for it.
 */
void tc_room_take_fetched(tc_room_t *room, tc_job_t *job);

/* The question of tc_room_fetch_gap() is answered. */
void tc_room_end_fetch(tc_room_t *room, const tc_job_t *job);

#endif
