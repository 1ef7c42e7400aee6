/*
 * Stores POST and EDIT jobs of one site. A batch that fails is tried over another connection, without locked rooms, or
 * in halves. See jobs.h.
 */
#include "store/jobs.h"

#include "base/clock.h"
#include "base/limits.h"
#include "store/batch.h"

static void settle_failed(tc_job_t *const *jobs, int count, tc_job_status_e status)
{
    int i;

    for (i = 0; i < count; i++) {
        jobs[i]->status = status;
        jobs[i]->error = TC_CHAT_INTERNAL;
    }
}

/*
 * Takes the edits out of the batch and calls them UNAVAILABLE. A second try finds out by a message's id whether the
 * first one stored the message. An edit has no such id.
 */
static void drop_edits(tc_job_t **jobs, int *count)
{
    int i, kept = 0;

    for (i = 0; i < *count; i++) {
        if (jobs[i]->kind == TC_JOB_EDIT) {
            settle_failed(&jobs[i], 1, TC_JOB_UNAVAILABLE);
        }
        else {
            jobs[kept++] = jobs[i];
        }
    }
    *count = kept;
}

/*
 * Stores a batch, over another connection if one is lost. After TC_TRY_IN_DOUBT, jobs that cannot be repeated leave the
 * batch.
 */
static tc_try_e store_batch(tc_work_t *work, tc_job_t **jobs, int *count, bool free_rooms)
{
    tc_try_e outcome = TC_TRY_LOST;
    bool in_doubt = false;
    int tries;

    for (tries = 0; tries < TC_STORE_TRIES; tries++) {
        outcome = tc_batch_try(work, jobs, *count, in_doubt, free_rooms);
        tc_dbd_note_answer(work->store);
        if (outcome != TC_TRY_LOST && outcome != TC_TRY_IN_DOUBT) {
            return outcome;
        }
        if (outcome == TC_TRY_IN_DOUBT) {
            in_doubt = true;
            drop_edits(jobs, count);
        }
        if (!tc_dbd_reopen(work->store, &work->sql, work->pool) || *count == 0) {
            break;
        }
    }
    return outcome;
}

/*
 * A bad job must not make the others fail: a batch that fails is stored in halves, and each half that fails in halves
 * again, until `until_us`. A single job that fails is tried once more, because the cause may be a deadlock with the
 * site's own programs. If a locked room holds up the batch, the batch is stored without it.
 */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as a batch can be halved */
static void store_parts(tc_work_t *work, tc_job_t **jobs, int count, int64_t until_us)
{
    tc_try_e outcome = TC_TRY_LOST;

    if (work->sql.handle != NULL && tc_clock_monotonic_us() < until_us) {
        outcome = store_batch(work, jobs, &count, false);
    }
    if (outcome == TC_TRY_FAILED && count == 1) {
        outcome = store_batch(work, jobs, &count, false); /* it may have been a deadlock */
    }
    if (outcome == TC_TRY_BUSY && work->sql.dialect->lock_free_rooms != NULL) {
        outcome = store_batch(work, jobs, &count, true);
    }
    if (outcome == TC_TRY_FAILED && count > 1) {
        store_parts(work, jobs, count / 2, until_us);
        store_parts(work, jobs + count / 2, count - count / 2, until_us);
    }
    else if (outcome != TC_TRY_DONE) {
        settle_failed(jobs, count, outcome == TC_TRY_FAILED ? TC_JOB_REFUSED : TC_JOB_UNAVAILABLE);
    }
}

void tc_store_write(tc_work_t *work, tc_job_t *const *all, int count)
{
    tc_job_t *jobs[TC_STORE_BATCH_JOBS];

    memcpy(jobs, all, (size_t)count * sizeof(*jobs));
    store_parts(work, jobs, count, tc_clock_monotonic_us() + TC_STORE_PARTS_S * TC_US_PER_S);
}
