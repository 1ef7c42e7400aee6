/* Does the database answer? See probe.h. */
#include "store/probe.h"

#include "base/alloc.h"
#include "engine/semaphore.h"

#include <stdlib.h>

/* What the worker, which may be gone, and the job share. */
typedef struct {
    tc_mail_t mail; /* stands first */
    tc_store_t *store;
    atomic_uint refs;
    tc_semaphore_t answered;
    bool ok; /* the job's until `answered`, then the worker's */
} probe_t;

static void unref(probe_t *probe)
{
    if (atomic_fetch_sub(&probe->refs, 1) == 1) {
        tc_semaphore_destroy(&probe->answered);
        free(probe);
    }
}

/* Loop, or the db thread when the loop has ended. */
static void on_end(tc_job_t *job)
{
    probe_t *probe = job->asker;

    probe->ok = job->status == TC_JOB_DONE;
    tc_semaphore_post(&probe->answered);
    unref(probe);
}

/* Loop. */
static void deliver(tc_mail_t *mail, void *context)
{
    probe_t *probe = (probe_t *)mail;
    tc_job_t *job = tc_job_create(TC_JOB_PROBE, probe->store, NULL, 0, NULL);

    (void)context;
    job->on_end = on_end;
    job->asker = probe;
    if (probe->store->submit(probe->store, job) != APR_SUCCESS) {
        tc_job_destroy(job);
    }
}

tc_probe_e tc_probe_store(tc_loop_t *loop, tc_dbd_t *store, int64_t timeout_us)
{
    tc_probe_e result = TC_PROBE_SILENT;
    probe_t *probe;

    if (!tc_dbd_answers(store, 0)) {
        return TC_PROBE_SILENT; /* another request would wait, too */
    }
    probe = tc_alloc_zero(sizeof(*probe));
    atomic_init(&probe->refs, 2);
    tc_semaphore_init(&probe->answered);
    probe->mail.deliver = deliver;
    probe->store = &store->store;
    if (!tc_loop_post(loop, &probe->mail)) {
        (void)atomic_fetch_sub(&probe->refs, 1); /* nobody took it */
        result = TC_PROBE_DOWN;
    }
    else if (tc_semaphore_wait_for(&probe->answered, timeout_us)) {
        result = !probe->ok ? TC_PROBE_DOWN : tc_dbd_takes_writes(store) ? TC_PROBE_OK : TC_PROBE_UNWRITABLE;
    }
    else if (!tc_calls_are_silent(&store->pool->calls, timeout_us / 2)) {
        result = TC_PROBE_BUSY;
    }
    unref(probe);
    return result;
}
