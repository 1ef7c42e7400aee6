/* Does the database answer? See probe.h. */
#include "store/probe.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <time.h>

/* What the worker, who may be gone, and the job have in common. */
typedef struct {
    tc_mail_t mail; /* stands first */
    tc_store_t *store;
    atomic_uint refs;
    sem_t answered;
    bool ok; /* the job's until `answered`, then the worker's */
} probe_t;

static void unref(probe_t *probe)
{
    if (atomic_fetch_sub(&probe->refs, 1) == 1) {
        sem_destroy(&probe->answered);
        free(probe);
    }
}

/* Loop, or the db thread when the loop has ended. */
static void on_end(tc_job_t *job)
{
    probe_t *probe = job->asker;

    probe->ok = job->status == TC_JOB_DONE;
    sem_post(&probe->answered);
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

static bool wait_for(probe_t *probe, int64_t timeout_us)
{
    int64_t until_us = tc_clock_wall_us() + timeout_us;
    struct timespec until;
    int rc;

    until.tv_sec = (time_t)(until_us / TC_US_PER_S);
    until.tv_nsec = (long)(until_us % TC_US_PER_S * 1000);
    do {
        rc = sem_timedwait(&probe->answered, &until);
    } while (rc != 0 && errno == EINTR);
    return rc == 0;
}

tc_probe_e tc_probe_store(tc_loop_t *loop, tc_dbd_t *store, int64_t timeout_us)
{
    tc_probe_e result = TC_PROBE_SILENT;
    probe_t *probe;

    if (!tc_dbd_answers(store, 0)) {
        return TC_PROBE_SILENT; /* one more that asks is one more that waits */
    }
    probe = tc_alloc_zero(sizeof(*probe));
    atomic_init(&probe->refs, 2);
    sem_init(&probe->answered, 0, 0);
    probe->mail.deliver = deliver;
    probe->store = &store->store;
    if (!tc_loop_post(loop, &probe->mail)) {
        (void)atomic_fetch_sub(&probe->refs, 1); /* nobody took it */
        result = TC_PROBE_DOWN;
    }
    else if (wait_for(probe, timeout_us)) {
        result = probe->ok ? TC_PROBE_OK : TC_PROBE_DOWN;
    }
    unref(probe);
    return result;
}
