/* ACCESS jobs: may these users still enter the trips of their rooms? See jobs.h. */
#include "store/jobs.h"

#include "store/libpq.h"
#include "store/site.h"

#include <stdlib.h>

/* Finds the rooms' last seqs; a room that is not found no longer exists. */
static apr_status_t find_heads(tc_work_t *work, tc_job_t *job)
{
    tc_head_t *heads = apr_palloc(work->pool, (apr_size_t)job->room_count * sizeof(*heads));
    apr_status_t rv;
    int i;

    for (i = 0; i < job->room_count; i++) {
        heads[i] = (tc_head_t){.room_id = job->rooms[i].room_id, .last_seq = -1};
    }
    qsort(heads, (size_t)job->room_count, sizeof(*heads), tc_head_compare);
    rv = tc_store_read_heads(work, heads, job->room_count);
    for (i = 0; i < job->room_count && rv == APR_SUCCESS; i++) {
        tc_head_t key = {.room_id = job->rooms[i].room_id, .last_seq = -1};
        const tc_head_t *head = bsearch(&key, heads, (size_t)job->room_count, sizeof(key), tc_head_compare);

        job->rooms[i].last_seq = head ? head->last_seq : -1;
    }
    return rv;
}

/*
 * If the database is there, and a query fails or takes too long, one of the rooms may be the reason. The rooms have no
 * answer then, and the job is done: next time, each is asked for together with fewer others.
 */
static bool is_one_perhaps_bad(const tc_work_t *work, const tc_job_t *job)
{
    return job->room_count > 1 && work->sql.handle != NULL && work->sql.dialect->remote
           && tc_libpq_is_connected(&work->sql, work->pool);
}

apr_status_t tc_store_read_access(tc_work_t *work, tc_job_t *job)
{
    apr_status_t rv = tc_site_check_users(work->store, &work->sql, job->rooms, job->room_count, job->users, work->pool);
    int i;

    if (rv == APR_SUCCESS) {
        rv = find_heads(work, job);
    }
    if (rv != APR_SUCCESS && is_one_perhaps_bad(work, job)) {
        for (i = 0; i < job->room_count; i++) {
            job->rooms[i].answered = false;
        }
        return APR_SUCCESS;
    }
    return rv;
}
