/*
 * Fetches the events that a room lacks from the store, and takes the answers into the room. room_serve.h decides which
 * members an answer serves. Loop thread only.
 */
#ifndef TC_DOMAIN_ROOM_FETCH_H
#define TC_DOMAIN_ROOM_FETCH_H

#include "domain/room.h"

/* Submits a LOAD or EVENTS job. Returns false if the store's queue is full. */
bool tc_room_submit_read(tc_room_t *room, tc_job_kind_e kind, int64_t after, int limit, tc_fetch_e fetch);

/*
 * Looks for fetched events that belong to POSTs in flight: the fetch was faster than the answer, or the answer was lost
 * after the commit. Their senders get their own copies when their cursors reach the events.
 */
void tc_room_claim_own(tc_room_t *room, tc_event_t *events);

/* True if events are missing and no fetch for them is under way. */
bool tc_room_is_behind(const tc_room_t *room);

/* If events are missing, asks the store for them. */
void tc_room_fetch_gap(tc_room_t *room);

/*
 * Delivers the events of a finished job that the room does not have. The store's answer is final. If an event after
 * job->after is not in the answer, the event was deleted with its user, and no member waits for it.
 */
void tc_room_take_fetched(tc_room_t *room, tc_job_t *job);

/* Notes that the job of tc_room_fetch_gap() has come back. */
void tc_room_end_fetch(tc_room_t *room, const tc_job_t *job);

#endif
