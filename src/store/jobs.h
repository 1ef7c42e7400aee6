/*
 * What a db thread does with the jobs it has taken. Each function settles its jobs' status and results;
 * none of them touches a room or a member. Db, but for what says otherwise.
 */
#ifndef TC_STORE_JOBS_H
#define TC_STORE_JOBS_H

#include "store/stored.h"

/* Stores POST and EDIT jobs of one site in one transaction, in their order (write.c). */
void tc_store_write(tc_work_t *work, tc_job_t *const *jobs, int count);

/*
 * At most `limit` events after `from` or, not forward, messages before it, ascending by seq: a list, the
 * caller's, of *count. Worker, too.
 */
apr_status_t tc_store_read_page(tc_work_t *work, const tc_uuid_t *room_id, int64_t from,
                                bool forward, int limit, tc_event_t **events, int *count);

/* Settles an ACCESS job but for a failure, which is returned (access.c). */
apr_status_t tc_store_read_access(tc_work_t *work, tc_job_t *job);

/* Answers one job of those that read (read.c). */
void tc_store_read(tc_work_t *work, tc_job_t *job);

#endif
