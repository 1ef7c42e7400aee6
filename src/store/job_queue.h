/*
 * The jobs of a site that wait for its db threads. Each room has a lane for its writes and lanes for its reads. Lanes
 * take turns, so a room with thousands of jobs delays the jobs of another room by one batch. A lane is with one thread
 * at a time, so the jobs of a lane are run in order.
 *
 * A job that comes back BUSY is parked in its lane and tried again later. Jobs of the same lane that need the same lock
 * are parked behind it. All other jobs go on.
 *
 * The queue has no lock and no clock: the caller holds one lock around each call, and passes the monotonic time in.
 */
#ifndef TC_STORE_JOB_QUEUE_H
#define TC_STORE_JOB_QUEUE_H

#include "base/limits.h"
#include "store/job_lane.h"

typedef struct tc_job_queue_t tc_job_queue_t;

/* What a thread may take. A batch holds either writes, or one read. */
enum {
    TC_TAKE_WRITES = 1,
    TC_TAKE_URGENT = 2, /* LOAD, EVENTS, PROBE: somebody waits for the answer */
    TC_TAKE_CHECKS = 4, /* HEADS, ACCESS */
    TC_TAKE_READS = TC_TAKE_URGENT | TC_TAKE_CHECKS
};

/* The jobs that a thread has taken. */
typedef struct {
    tc_job_t *jobs[TC_STORE_BATCH_JOBS]; /* PENDING, in order */
    int count;
    size_t bytes;             /* of their contents */
    int64_t oldest_us;        /* when the oldest of them was submitted */
    tc_job_lane_t *lanes;     /* the queue's */
    tc_job_list_t finished;   /* jobs that the caller gives back to the loop */
} tc_job_batch_t;

tc_job_queue_t *tc_job_queue_create(void);

/* Destroys the queue and the jobs in it. No thread may have a batch. */
void tc_job_queue_destroy(tc_job_queue_t *queue);

/* Appends a job and takes it over. False: the queue or the room's lane is full, and the job stays the caller's. */
bool tc_job_queue_push(tc_job_queue_t *queue, tc_job_t *job, int64_t now_us);

/* True when a thread that may `take` these jobs finds one. */
bool tc_job_queue_has(const tc_job_queue_t *queue, unsigned take);

/*
 * Fills *batch with jobs that the thread may `take`: writes of all lanes in turn, bounded in number and bytes, or one
 * read. A thread that may take both gets them alternately. False: there are none. `finished` gets the jobs that have
 * waited for a lock for too long. `closing`: parked jobs are tried at once, and `finished` gets all reads. After true,
 * the caller runs the jobs, and calls tc_job_queue_settle() and tc_job_queue_release().
 */
bool tc_job_queue_take(tc_job_queue_t *queue, unsigned take, int64_t now_us, bool closing,
                       tc_job_batch_t *batch);

/*
 * Takes a batch back that was run. `finished` gets the jobs in order, without those that are BUSY. If the queue is
 * `closing`, or the job has waited for TC_STORE_BUSY_S, a BUSY job becomes UNAVAILABLE.
 */
void tc_job_queue_settle(tc_job_queue_t *queue, tc_job_batch_t *batch, int64_t now_us, bool closing);

/* Lets other threads have the lanes of a batch. The caller has given its jobs back, so the next ones come back later. */
void tc_job_queue_release(tc_job_queue_t *queue, tc_job_batch_t *batch);

/* When the next parked job is tried again; INT64_MAX: there is none. */
int64_t tc_job_queue_due_us(const tc_job_queue_t *queue);

/* When the oldest job that waits was submitted; INT64_MAX: none waits. *parked: the jobs that wait for a lock. */
int64_t tc_job_queue_oldest_us(const tc_job_queue_t *queue, unsigned *parked);

/* Makes urgent reads that have waited for TC_STORE_READ_S UNAVAILABLE, and appends them to *finished. */
void tc_job_queue_expire(tc_job_queue_t *queue, int64_t now_us, tc_job_list_t *finished);

#endif
