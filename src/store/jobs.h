/*
 * What a db thread does with the jobs it has taken. Each function sets the status and the results of its jobs. None of
 * them touches a room or a member. Db, unless a comment says otherwise.
 */
#ifndef TC_STORE_JOBS_H
#define TC_STORE_JOBS_H

#include "store/stored.h"

/* Stores POST and EDIT jobs of one site in their order, in one transaction if that succeeds (write.c). */
void tc_store_write(tc_work_t *work, tc_job_t *const *jobs, int count);

/*
 * Reads at most `limit` events after the seq `from` or, if not `forward`, messages before it: as many as have
 * TC_STORE_READ_BYTES together, or a single one. *events is a list of *count, ascending by seq; its references are the
 * caller's. *full: there may be more. On failure none of them is set. Worker, too.
 */
apr_status_t tc_store_read_page(tc_work_t *work, const tc_uuid_t *room_id, int64_t from,
                                bool forward, int limit, tc_event_t **events, int *count, bool *full);

/* Replaces the seqs of rooms that have a greater one. `heads` are ascending by room_id (read.c). */
apr_status_t tc_store_read_heads(tc_work_t *work, tc_head_t *heads, int count);

/* Answers an ACCESS job. Returns a failure, and leaves the job's status alone then (access.c). */
apr_status_t tc_store_read_access(tc_work_t *work, tc_job_t *job);

/* Answers one job of any kind but POST and EDIT: those that read, and MEND (read.c). */
void tc_store_read(tc_work_t *work, tc_job_t *job);

#endif
