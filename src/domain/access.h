/*
 * Checks whether the members of live rooms may still be there. The store is asked at intervals: one job asks for all
 * users of the rooms that are due. Users that the store no longer lets in are disconnected. Loop thread only; time is
 * passed in.
 */
#ifndef TC_DOMAIN_ACCESS_H
#define TC_DOMAIN_ACCESS_H

#include "domain/room.h"

/* The checks of one tick and one store, gathered into as few jobs as hold them. Set `store`; the rest is 0. */
typedef struct {
    tc_store_t *store;
    tc_job_t *job;              /* not submitted yet; NULL: there is none */
    int rooms_size, users_size; /* places in the job */
    int company;                /* the least check_company of the job's rooms */
} tc_access_round_t;

/*
 * If a check of the room is due, adds it to the round. A user who is removed is disconnected within the site's
 * recheck_us. Where tokens say who is on a trip, nobody is asked. _end_round() submits what is left. `now_us` is
 * monotonic.
 */
void tc_access_tick(tc_access_round_t *round, tc_room_t *room, int64_t now_us);
void tc_access_end_round(tc_access_round_t *round, int64_t now_us);

/* Takes the result of an ACCESS job of a round. The caller destroys the job. */
void tc_access_on_job(tc_job_t *job, int64_t now_us);

/*
 * Asks the store whether the member's user, who has sent a new token, may still be there. The answer goes to the sink's
 * `checked`, with `client_id`, which may be NULL. False: nobody can be asked, or the token alone counts at this site.
 * Then no answer follows.
 */
bool tc_access_ask_about(tc_member_t *member, const char *client_id);

/* Takes the result of an ACCESS job of one member. The caller destroys the job. */
void tc_access_on_member_job(const tc_room_t *room, const tc_job_t *job);

#endif
