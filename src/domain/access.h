/*
 * Checks whether the members of a live room may still be there. The store is asked at intervals, for all users of a
 * room at once. Users that it no longer lets in are disconnected. Loop thread only; time is passed in.
 */
#ifndef TC_DOMAIN_ACCESS_H
#define TC_DOMAIN_ACCESS_H

#include "domain/room.h"

/*
 * If a check is due, asks the store. A user who is removed is disconnected within the site's recheck_us. Where tokens say
 * who is on a trip, nobody is asked. `now_us` is monotonic.
 */
void tc_access_tick(tc_room_t *room, int64_t now_us);

/* Takes the result of an ACCESS job of this room. The caller destroys the job. */
void tc_access_on_job(tc_room_t *room, const tc_job_t *job, int64_t now_us);

/*
 * Asks the store whether the site still has the member's user, who has sent a new token. The answer goes to the sink's
 * `checked`, with `client_id`, which may be NULL. False: nobody can be asked, or the token alone counts at this site.
 * Then no answer follows.
 */
bool tc_access_ask_about(tc_member_t *member, const char *client_id);

/* Takes the result of an ACCESS job of one member. The caller destroys the job. */
void tc_access_on_member_job(const tc_room_t *room, const tc_job_t *job);

#endif
