/* Jobs that wait for db threads, and take turns by room. See job_queue.h. */
#include "store/job_queue.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

#define PATIENCE_US (TC_STORE_BUSY_S * TC_US_PER_S)

/* Lanes with a job that can be run, in the order of their turns. */
typedef struct {
    tc_job_lane_t *first;
    tc_job_lane_t *last;
} ring_t;

struct tc_job_queue_t {
    ring_t rings[TC_LANE_KINDS];
    tc_knot_t *due_first; /* ascending by due_us, because each knot waits equally long */
    tc_knot_t *due_last;
    tc_lane_table_t lanes;
    unsigned count;
    size_t bytes;
    bool wrote;            /* the last batch held writes */
    unsigned urgent_turns; /* urgent reads since the last check */
};

static void push_lane(tc_job_queue_t *queue, tc_job_lane_t *lane)
{
    ring_t *ring = &queue->rings[lane->kind];

    lane->next = NULL;
    lane->in_ring = true;
    if (ring->first == NULL) {
        ring->first = lane;
    }
    else {
        ring->last->next = lane;
    }
    ring->last = lane;
}

static tc_job_lane_t *pop_lane(ring_t *ring)
{
    tc_job_lane_t *lane = ring->first;

    ring->first = lane->next;
    lane->in_ring = false;
    return lane;
}

/* Lets the lane take its turn, if it has a job that can be run and no thread has the lane. */
static void offer_lane(tc_job_queue_t *queue, tc_job_lane_t *lane)
{
    if (!lane->out && !lane->in_ring
        && (lane->again.first != NULL || (lane->jobs.first != NULL && !tc_lane_is_locked(lane)))) {
        push_lane(queue, lane);
    }
}

/* Takes a job out of the books and appends it to *finished. */
static void finish(tc_job_queue_t *queue, tc_job_lane_t *lane, tc_job_t *job, tc_job_list_t *finished)
{
    queue->count--;
    queue->bytes -= job->content_len;
    lane->count--;
    lane->bytes -= job->content_len;
    tc_job_list_append(finished, job);
}

/* Makes the oldest jobs of a list UNAVAILABLE, if they were submitted before `since_us`. */
static void expire_list(tc_job_queue_t *queue, tc_job_lane_t *lane, tc_job_list_t *list, int64_t since_us,
                        tc_job_list_t *finished)
{
    while (list->first != NULL && ((tc_job_t *)list->first)->queued_us <= since_us) {
        tc_job_t *job = tc_job_list_pop(list);

        job->status = TC_JOB_UNAVAILABLE;
        finish(queue, lane, job, finished);
    }
}

/* The same for all lanes of a kind that no thread has. */
static void expire_lanes(tc_job_queue_t *queue, tc_lane_kind_e kind, int64_t since_us, tc_job_list_t *finished)
{
    ring_t all = queue->rings[kind];

    memset(&queue->rings[kind], 0, sizeof(ring_t));
    while (all.first != NULL) {
        tc_job_lane_t *lane = pop_lane(&all);

        expire_list(queue, lane, &lane->jobs, since_us, finished);
        if (lane->count == 0) {
            tc_lane_free(&queue->lanes, lane);
        }
        else {
            offer_lane(queue, lane);
        }
    }
}

/* ---- parked jobs ---- */

static void wait_for_lock(tc_job_queue_t *queue, tc_knot_t *knot, int64_t now_us)
{
    knot->due_us = now_us + TC_STORE_BUSY_MS * TC_US_PER_MS;
    knot->next_due = NULL;
    if (queue->due_first == NULL) {
        queue->due_first = knot;
    }
    else {
        queue->due_last->next_due = knot;
    }
    queue->due_last = knot;
}

/* Parks a job that came back BUSY. */
static void park(tc_job_queue_t *queue, tc_job_lane_t *lane, tc_job_t *job, int64_t now_us)
{
    tc_knot_t *knot = *tc_lane_knot_of(lane, job);

    if (knot == NULL) {
        knot = tc_lane_find_knot(lane, job);
        if (knot != NULL) {
            tc_job_list_append(&knot->behind, job);
            return;
        }
        knot = tc_alloc_zero(sizeof(*knot));
        knot->lane = lane;
        knot->job = job;
        knot->key = job->busy_key;
        knot->next = lane->knots;
        lane->knots = knot;
    }
    else if (knot->key != job->busy_key) { /* what waits behind it may go on, or will be parked again */
        tc_job_list_prepend_all(&lane->jobs, &knot->behind);
        knot->key = job->busy_key;
    }
    wait_for_lock(queue, knot, now_us);
}

/* If the job was parked, lets the jobs behind it go on. */
static void untie(tc_job_lane_t *lane, const tc_job_t *job)
{
    tc_knot_t **at = tc_lane_knot_of(lane, job), *knot = *at;

    if (knot != NULL) {
        *at = knot->next;
        tc_job_list_prepend_all(&lane->jobs, &knot->behind);
        free(knot);
    }
}

/* Lets parked jobs whose time has come take their turn. Jobs behind them that have waited for too long are finished. */
static void wake_parked(tc_job_queue_t *queue, int64_t now_us, bool closing, tc_job_list_t *finished)
{
    while (queue->due_first != NULL && (closing || queue->due_first->due_us <= now_us)) {
        tc_knot_t *knot = queue->due_first;
        tc_job_lane_t *lane = knot->lane;

        queue->due_first = knot->next_due;
        expire_list(queue, lane, &knot->behind, now_us - PATIENCE_US, finished);
        if (knot->key == TC_BUSY_ROOM) {
            expire_list(queue, lane, &lane->jobs, now_us - PATIENCE_US, finished);
        }
        tc_job_list_append(&lane->again, knot->job);
        offer_lane(queue, lane);
    }
}

/* ---- taking turns ---- */

typedef enum { TOOK, NOTHING, FULL } turn_e;

/* Takes the next job of a lane into the batch. Jobs that need a lock for which an earlier one waits are parked. */
static turn_e take_turn(tc_job_lane_t *lane, tc_job_batch_t *batch)
{
    tc_job_list_t *list = &lane->again;
    tc_job_t *job;

    if (list->first == NULL) {
        list = &lane->jobs;
        if (lane->knots != NULL && tc_lane_is_locked(lane)) {
            return NOTHING;
        }
        while (lane->knots != NULL && list->first != NULL) {
            tc_knot_t *knot = tc_lane_find_knot(lane, (tc_job_t *)list->first);

            if (knot == NULL) {
                break;
            }
            tc_job_list_append(&knot->behind, tc_job_list_pop(list));
        }
    }
    job = (tc_job_t *)list->first;
    if (job == NULL) {
        return NOTHING;
    }
    if (batch->count > 0 && batch->bytes + job->content_len > TC_STORE_BATCH_BYTES) {
        return FULL;
    }
    (void)tc_job_list_pop(list);
    job->status = TC_JOB_PENDING;
    batch->jobs[batch->count++] = job;
    batch->bytes += job->content_len;
    if (job->queued_us < batch->oldest_us) {
        batch->oldest_us = job->queued_us;
    }
    return TOOK;
}

/* Takes a job of each lane in turn, then a second one of each, and so on. */
static void fill(tc_job_queue_t *queue, tc_lane_kind_e kind, int max, tc_job_batch_t *batch)
{
    ring_t *ring = &queue->rings[kind];
    tc_job_lane_t *lane, **end = &batch->lanes;
    bool more = true;

    while (batch->count < max && ring->first != NULL) {
        turn_e turn = take_turn(ring->first, batch);

        if (turn == FULL) {
            return;
        }
        lane = pop_lane(ring);
        if (turn == TOOK) {
            lane->out = true;
            lane->next = NULL;
            *end = lane;
            end = &lane->next;
        }
    }
    while (more && batch->count < max) {
        more = false;
        for (lane = batch->lanes; lane != NULL && batch->count < max; lane = lane->next) {
            turn_e turn = take_turn(lane, batch);

            if (turn == FULL) {
                return;
            }
            more = more || turn == TOOK;
        }
    }
}

/* Which kind of read comes next. Checks get every ninth turn while both wait. */
static tc_lane_kind_e next_read(tc_job_queue_t *queue, unsigned take)
{
    bool urgent = (take & TC_TAKE_URGENT) != 0 && queue->rings[TC_LANE_URGENT].first != NULL;
    bool checks = (take & TC_TAKE_CHECKS) != 0 && queue->rings[TC_LANE_CHECKS].first != NULL;

    if (urgent && (!checks || queue->urgent_turns < TC_STORE_TURNS)) {
        queue->urgent_turns++;
        return TC_LANE_URGENT;
    }
    if (checks) {
        queue->urgent_turns = 0;
    }
    return checks ? TC_LANE_CHECKS : TC_LANE_KINDS;
}

bool tc_job_queue_has(const tc_job_queue_t *queue, unsigned take)
{
    return ((take & TC_TAKE_WRITES) != 0 && queue->rings[TC_LANE_WRITES].first != NULL)
           || ((take & TC_TAKE_URGENT) != 0 && queue->rings[TC_LANE_URGENT].first != NULL)
           || ((take & TC_TAKE_CHECKS) != 0 && queue->rings[TC_LANE_CHECKS].first != NULL);
}

bool tc_job_queue_take(tc_job_queue_t *queue, unsigned take, int64_t now_us, bool closing,
                       tc_job_batch_t *batch)
{
    tc_lane_kind_e kind;

    batch->count = 0;
    batch->bytes = 0;
    batch->oldest_us = INT64_MAX;
    batch->lanes = NULL;
    memset(&batch->finished, 0, sizeof(batch->finished));
    if (closing) {
        expire_lanes(queue, TC_LANE_URGENT, INT64_MAX, &batch->finished);
        expire_lanes(queue, TC_LANE_CHECKS, INT64_MAX, &batch->finished);
    }
    if ((take & TC_TAKE_WRITES) != 0) {
        wake_parked(queue, now_us, closing, &batch->finished);
        if (!queue->wrote || !tc_job_queue_has(queue, take & TC_TAKE_READS)) {
            fill(queue, TC_LANE_WRITES, TC_STORE_BATCH_JOBS, batch);
        }
    }
    if (batch->count > 0) {
        queue->wrote = (take & TC_TAKE_READS) != 0;
        return true;
    }
    kind = next_read(queue, take);
    if (kind != TC_LANE_KINDS) {
        fill(queue, kind, 1, batch);
        queue->wrote = false;
    }
    return batch->count > 0;
}

void tc_job_queue_settle(tc_job_queue_t *queue, tc_job_batch_t *batch, int64_t now_us, bool closing)
{
    int i;

    memset(&batch->finished, 0, sizeof(batch->finished));
    for (i = 0; i < batch->count; i++) {
        tc_job_t *job = batch->jobs[i];
        tc_job_lane_t *lane = tc_lane_find(&queue->lanes, job);

        if (job->status == TC_JOB_BUSY && !closing && now_us - job->queued_us < PATIENCE_US) {
            park(queue, lane, job, now_us);
            continue;
        }
        if (job->status == TC_JOB_BUSY) {
            job->status = TC_JOB_UNAVAILABLE;
        }
        untie(lane, job);
        finish(queue, lane, job, &batch->finished);
    }
    batch->count = 0;
}

void tc_job_queue_release(tc_job_queue_t *queue, tc_job_batch_t *batch)
{
    while (batch->lanes != NULL) {
        tc_job_lane_t *lane = batch->lanes;

        batch->lanes = lane->next;
        lane->out = false;
        if (lane->count == 0) {
            tc_lane_free(&queue->lanes, lane);
        }
        else {
            offer_lane(queue, lane);
        }
    }
}

/* ---- the queue ---- */

tc_job_queue_t *tc_job_queue_create(void)
{
    tc_job_queue_t *queue = tc_alloc_zero(sizeof(*queue));

    tc_lane_table_init(&queue->lanes);
    return queue;
}

void tc_job_queue_destroy(tc_job_queue_t *queue)
{
    tc_lane_table_destroy(&queue->lanes);
    free(queue);
}

static bool is_full(const tc_job_queue_t *queue, const tc_job_t *job)
{
    const tc_job_lane_t *lane = tc_lane_find(&queue->lanes, job);

    return queue->count >= TC_STORE_QUEUE_JOBS || queue->bytes + job->content_len > TC_STORE_QUEUE_BYTES
           || (lane != NULL && (lane->count >= TC_STORE_QUEUE_JOBS / 4
                                || lane->bytes + job->content_len > TC_STORE_QUEUE_BYTES / 4));
}

bool tc_job_queue_push(tc_job_queue_t *queue, tc_job_t *job, int64_t now_us)
{
    tc_job_lane_t *lane;

    if (is_full(queue, job)) {
        return false;
    }
    lane = tc_lane_make(&queue->lanes, job);
    job->queued_us = now_us;
    queue->count++;
    queue->bytes += job->content_len;
    lane->count++;
    lane->bytes += job->content_len;
    tc_job_list_append(&lane->jobs, job);
    offer_lane(queue, lane);
    return true;
}

int64_t tc_job_queue_due_us(const tc_job_queue_t *queue)
{
    return queue->due_first != NULL ? queue->due_first->due_us : INT64_MAX;
}

static int64_t older(int64_t oldest_us, const tc_mail_t *first)
{
    const tc_job_t *job = (const tc_job_t *)first;

    return job != NULL && job->queued_us < oldest_us ? job->queued_us : oldest_us;
}

int64_t tc_job_queue_oldest_us(const tc_job_queue_t *queue, unsigned *parked)
{
    int64_t oldest_us = INT64_MAX;
    const tc_job_lane_t *lane;
    const tc_knot_t *knot;
    unsigned i;

    *parked = 0;
    for (i = 0; i < queue->lanes.bucket_count; i++) {
        for (lane = queue->lanes.buckets[i]; lane != NULL; lane = lane->same_hash) {
            oldest_us = older(oldest_us, lane->jobs.first);
            for (knot = lane->knots; knot != NULL; knot = knot->next) {
                oldest_us = older(older(oldest_us, &knot->job->mail), knot->behind.first);
                *parked += 1 + knot->behind.count + (knot->key == TC_BUSY_ROOM ? lane->jobs.count : 0);
            }
        }
    }
    return oldest_us;
}

void tc_job_queue_expire(tc_job_queue_t *queue, int64_t now_us, tc_job_list_t *finished)
{
    expire_lanes(queue, TC_LANE_URGENT, now_us - TC_STORE_READ_S * TC_US_PER_S, finished);
}
