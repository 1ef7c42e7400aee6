/*
 * Group commit: POST and EDIT jobs of one site in one transaction. write.c decides what to do with a batch that was not
 * stored. Db.
 */
#ifndef TC_STORE_BATCH_H
#define TC_STORE_BATCH_H

#include "store/stored.h"

typedef enum {
    TC_TRY_DONE,
    TC_TRY_FAILED,  /* a statement failed: nothing of the batch is stored */
    TC_TRY_BUSY,    /* the database did not begin or commit, or a lock wait timed out: nothing is stored */
    TC_TRY_LOST,    /* the connection was lost before the commit: nothing is stored */
    TC_TRY_IN_DOUBT /* the connection was lost in the commit: the whole batch is stored, or nothing */
} tc_try_e;

/*
 * Tries once to store a batch. On DONE each job has its status and result; otherwise the jobs are as they were.
 * `in_doubt`: an earlier try may have been committed, so its messages are looked for. `free_rooms`: rooms that
 * somebody else has locked are left out, and their jobs become UNAVAILABLE.
 */
tc_try_e tc_batch_try(tc_work_t *work, tc_job_t *const *jobs, int count, bool in_doubt, bool free_rooms);

#endif
