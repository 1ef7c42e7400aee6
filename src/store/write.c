/*
 * Stores POST and EDIT jobs of one site: by one call of the database's function or, where there is none, by statements.
 * See jobs.h.
 */
#include "store/jobs.h"

#include "base/clock.h"
#include "base/limits.h"
#include "store/batch.h"

static void settle_failed(tc_job_t *const *jobs, int count, tc_job_status_e status, tc_chat_error_e error)
{
    int i;

    for (i = 0; i < count; i++) {
        jobs[i]->status = status;
        jobs[i]->error = error;
    }
}

/*
 * Whatever becomes of a job later is told by what the database has. The server may not have noticed yet that the connection
 * is lost, so a job may meet its own lock, and be put off until its first try has committed.
 */
static void note_doubt(tc_job_t *const *jobs, int count)
{
    int i;

    for (i = 0; i < count; i++) {
        jobs[i]->in_doubt = true;
    }
}

/*
 * Calls chat_store(), over another connection if one is lost. If a call fails as a whole, it is made once more: over
 * another connection if this one cannot write, because the address may lead to another server by now, and strictly,
 * because a constraint of one job may have failed as the call was committed. If this fails, too, it is the server's
 * fault: a full disk, for example. A call that fails of a value is not repeated: the database read no job of it.
 */
static tc_try_e call(tc_work_t *work, tc_job_t *const *jobs, int count, bool patient)
{
    tc_try_e outcome = TC_TRY_FAILED;
    int tries;

    for (tries = 0; tries < TC_STORE_TRIES && work->sql.handle != NULL; tries++) {
        outcome = tc_batch_call(work, jobs, count, patient, tries > 0);
        if (outcome == TC_TRY_IN_DOUBT) {
            note_doubt(jobs, count);
        }
        if (outcome == TC_TRY_DONE
            || (outcome == TC_TRY_FAILED && (tries > 0 || work->sql.fault == TC_SQL_FAULT_VALUE))) {
            break;
        }
        if (outcome == TC_TRY_FAILED) {
            (void)tc_dbd_renew(work->store, &work->sql, work->pool);
        }
        if (outcome == TC_TRY_IN_DOUBT && !tc_dbd_reopen(work->store, &work->sql, work->pool)) {
            break;
        }
    }
    return outcome;
}

/*
 * The arguments of a call are one text. If the encoding of the database lacks a character of it, the whole call fails.
 * So it is made in halves, and each half that fails in halves again, until `until_us`: a job alone is at fault itself, unless
 * the character stands in the names of its sender. Then question marks are stored for the characters that are not ASCII's.
 */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as a batch can be halved */
static void call_parts(tc_work_t *work, tc_job_t *const *jobs, int count, bool patient, int64_t until_us)
{
    tc_try_e outcome = call(work, jobs, count, patient);
    bool is_value = outcome == TC_TRY_FAILED && work->sql.fault == TC_SQL_FAULT_VALUE;

    if (is_value && count == 1 && !work->plain_names && tc_batch_has_odd_names(work, jobs[0])) {
        work->plain_names = true;
        call_parts(work, jobs, count, patient, until_us);
        work->plain_names = false;
    }
    else if (is_value && count == 1) {
        settle_failed(jobs, count, TC_JOB_REFUSED, TC_CHAT_INTERNAL);
    }
    else if (is_value && tc_clock_monotonic_us() < until_us) {
        call_parts(work, jobs, count / 2, patient, until_us);
        call_parts(work, jobs + count / 2, count - count / 2, patient, until_us);
    }
    else if (outcome != TC_TRY_DONE) {
        settle_failed(jobs, count, TC_JOB_UNAVAILABLE, TC_CHAT_UNAVAILABLE);
    }
}

/* Jobs that met a lock before are tried apart from the others, and do not wait for it once more. */
static void call_for_all(tc_work_t *work, tc_job_t *const *jobs, int count)
{
    int64_t until_us = tc_clock_monotonic_us() + TC_STORE_PARTS_S * TC_US_PER_S;
    tc_job_t *sorted[TC_STORE_BATCH_JOBS];
    int fresh = 0, total, i;

    for (i = 0; i < count; i++) {
        if (!jobs[i]->was_busy) {
            sorted[fresh++] = jobs[i];
        }
    }
    for (i = 0, total = fresh; i < count; i++) {
        if (jobs[i]->was_busy) {
            sorted[total++] = jobs[i];
        }
    }
    if (fresh > 0) {
        call_parts(work, sorted, fresh, true, until_us);
    }
    if (total > fresh) {
        call_parts(work, sorted + fresh, total - fresh, false, until_us);
    }
}

/* Settles jobs that could not be stored. Their rooms are there, so a foreign key without a row is the sender's. */
static void settle_after(tc_job_t *const *jobs, int count, tc_try_e outcome, const tc_sql_t *sql)
{
    if (outcome == TC_TRY_FAILED && sql->fault == TC_SQL_FAULT_PARENT) {
        settle_failed(jobs, count, TC_JOB_REFUSED, TC_CHAT_FORBIDDEN);
    }
    else if (outcome == TC_TRY_FAILED && sql->fault == TC_SQL_FAULT_VALUE) {
        settle_failed(jobs, count, TC_JOB_REFUSED, TC_CHAT_INTERNAL);
    }
    else {
        settle_failed(jobs, count, TC_JOB_UNAVAILABLE, TC_CHAT_UNAVAILABLE);
    }
}

/*
 * A bad job must not make the others fail: a batch that fails is stored in halves, and each half that fails in halves
 * again, until `until_us`.
 */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as a batch can be halved */
static void store_parts(tc_work_t *work, tc_job_t *const *jobs, int count, int64_t until_us)
{
    tc_try_e outcome = TC_TRY_BUSY;

    if (tc_clock_monotonic_us() < until_us) {
        outcome = tc_batch_statements(work, jobs, count);
    }
    if (outcome == TC_TRY_FAILED && count == 1) {
        outcome = tc_batch_statements(work, jobs, count); /* the statement was perhaps older than the schema */
    }
    if (outcome == TC_TRY_FAILED && count > 1) {
        store_parts(work, jobs, count / 2, until_us);
        store_parts(work, jobs + count / 2, count - count / 2, until_us);
    }
    else if (outcome != TC_TRY_DONE) {
        settle_after(jobs, count, outcome, &work->sql);
    }
}

void tc_store_write(tc_work_t *work, tc_job_t *const *jobs, int count)
{
    if (work->sql.dialect->store != NULL) {
        call_for_all(work, jobs, count);
    }
    else {
        store_parts(work, jobs, count, tc_clock_monotonic_us() + TC_STORE_PARTS_S * TC_US_PER_S);
    }
}
