/*
 * Group commit: POST and EDIT jobs of one site in one transaction. batch.c does it statement by statement, batch_call.c
 * by one call of a function in the database. write.c decides what to do with a batch that was not stored. Db.
 */
#ifndef TC_STORE_BATCH_H
#define TC_STORE_BATCH_H

#include "store/stored.h"

typedef enum {
    TC_TRY_DONE,
    TC_TRY_FAILED,  /* a statement failed: nothing of the batch is stored */
    TC_TRY_BUSY,    /* the database did not begin or commit: nothing is stored */
    TC_TRY_IN_DOUBT /* the connection was lost: the whole batch is stored, or nothing */
} tc_try_e;

/*
 * Tries once to store a batch. On DONE each job has its status and result; otherwise the jobs are as they were.
 * _statements() runs the dialect's statements in a transaction; it is never IN_DOUBT. _call() asks chat_store(), which
 * decides about each job for itself; it is never BUSY, but a job's status may be. `patient`: the call may wait a moment for
 * locks. `strict`: constraints that are checked when a transaction commits are checked with each job.
 */
tc_try_e tc_batch_statements(tc_work_t *work, tc_job_t *const *jobs, int count);
tc_try_e tc_batch_call(tc_work_t *work, tc_job_t *const *jobs, int count, bool patient, bool strict);

/* True if the job's sender has names with other characters than ASCII's, which the database may not have yet. */
bool tc_batch_has_odd_names(const tc_work_t *work, const tc_job_t *job);

/* Takes the results of a try back that did not succeed: the jobs are as they were. */
void tc_batch_drop_results(tc_job_t *const *jobs, int count);

/* Counts a batch that was stored, and notes the time of its events. */
void tc_batch_note_stored(tc_work_t *work, tc_job_t *const *jobs, int count);

#endif
