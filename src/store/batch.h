/*
 * Group commit: POST and EDIT jobs of one site in one transaction. What to do with a batch that was not stored is
 * write.c's to decide. Db.
 */
#ifndef TC_STORE_BATCH_H
#define TC_STORE_BATCH_H

#include "store/stored.h"

typedef enum {
    TC_TRY_DONE,
    TC_TRY_FAILED,  /* a statement failed: nothing of the batch is stored */
    TC_TRY_BUSY,    /* the database is there and would not begin or end, or had us wait: nothing is stored */
    TC_TRY_LOST,    /* the connection went before the commit: nothing is stored */
    TC_TRY_IN_DOUBT /* it went in the commit: all is stored, or nothing */
} tc_try_e;

/*
 * Tries once to store a batch. On DONE each job has its status and result; otherwise the jobs are as they were.
 * `in_doubt`: an earlier try may have been committed, and its messages are looked for. `free_rooms`: rooms that
 * somebody else has locked are left out; their jobs become UNAVAILABLE.
 */
tc_try_e tc_batch_try(tc_work_t *work, tc_job_t *const *jobs, int count, bool in_doubt, bool free_rooms);

#endif
