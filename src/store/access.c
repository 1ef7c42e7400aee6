/* ACCESS jobs: may these users still enter the trip? See jobs.h. */
#include "store/jobs.h"

#include "store/site.h"

apr_status_t tc_store_read_access(tc_work_t *work, tc_job_t *job)
{
    apr_status_t rv = tc_site_check_users(work->store, &work->sql, &job->trip, &job->room_id, job->users,
                                          job->user_count, &job->last_seq, work->pool);

    if (rv == APR_SUCCESS && job->last_seq < 0) {
        job->status = TC_JOB_GONE;
    }
    return rv;
}
