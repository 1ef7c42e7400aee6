/*
 * Who of a live room's members may still be there: the store is asked every now and then, once a room, and
 * whom it no longer lets in is shown out. The loop's; time is passed in.
 */
#ifndef TC_DOMAIN_ACCESS_H
#define TC_DOMAIN_ACCESS_H

#include "domain/room.h"

/* Asks when it is time to: often enough that nobody stays longer than the site's recheck_us. */
void tc_access_tick(tc_room_t *room, int64_t now_us);

/* An ACCESS job of this room has come back; the caller destroys it. */
void tc_access_on_job(tc_room_t *room, const tc_job_t *job, int64_t now_us);

#endif
