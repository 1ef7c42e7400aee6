/*
 * What a job queue is made of: lists of jobs, parked jobs, lanes, and a table of lanes. See job_queue.h, whose rules
 * hold here, too: no lock, no clock.
 */
#ifndef TC_STORE_JOB_LANE_H
#define TC_STORE_JOB_LANE_H

#include "domain/store.h"

/* Jobs linked by mail.next, oldest first. All zero: an empty list. */
typedef struct {
    tc_mail_t *first;
    tc_mail_t *last;
    unsigned count;
} tc_job_list_t;

typedef enum { TC_LANE_WRITES, TC_LANE_URGENT, TC_LANE_CHECKS, TC_LANE_KINDS } tc_lane_kind_e;

/* A parked job and the jobs that wait behind it. */
typedef struct tc_knot_t {
    struct tc_knot_t *next;     /* in the lane */
    struct tc_knot_t *next_due; /* in the queue, while the job waits */
    struct tc_job_lane_t *lane;
    tc_job_t *job;              /* alive until it is settled, also while a thread has it */
    tc_busy_key_e key;          /* which lock the job waits for */
    int64_t due_us;
    tc_job_list_t behind;
} tc_knot_t;

/* Jobs of one room and kind. A lane lives as long as it has a job. */
typedef struct tc_job_lane_t {
    struct tc_job_lane_t *next; /* in the ring or in a batch */
    struct tc_job_lane_t *same_hash;
    tc_uuid_t room_id;
    tc_lane_kind_e kind;
    bool out;            /* a thread has jobs of the lane */
    bool in_ring;
    tc_job_list_t jobs;  /* that wait for their turn */
    tc_job_list_t again; /* parked jobs whose time has come; they go first */
    tc_knot_t *knots;
    unsigned count;      /* all jobs of the lane, also those that a thread has */
    size_t bytes;        /* of their contents */
} tc_job_lane_t;

/* All lanes of a queue. */
typedef struct {
    tc_job_lane_t **buckets;
    unsigned bucket_count; /* a power of 2 */
    unsigned count;
} tc_lane_table_t;

void tc_job_list_append(tc_job_list_t *list, tc_job_t *job);

/* Takes the oldest job out of a list that is not empty. */
tc_job_t *tc_job_list_pop(tc_job_list_t *list);

/* Puts the jobs of `front` before those of `list`, and leaves `front` empty. */
void tc_job_list_prepend_all(tc_job_list_t *list, tc_job_list_t *front);

void tc_lane_table_init(tc_lane_table_t *table);

/* Destroys all lanes with their jobs. No thread may have one of them. */
void tc_lane_table_destroy(tc_lane_table_t *table);

/* The kind of lane that a job belongs to. */
tc_lane_kind_e tc_lane_kind_of(const tc_job_t *job);

/* The lane of a job's room and kind. _find() returns NULL when there is none; _make() makes it then. */
tc_job_lane_t *tc_lane_find(const tc_lane_table_t *table, const tc_job_t *job);
tc_job_lane_t *tc_lane_make(tc_lane_table_t *table, const tc_job_t *job);

/* Frees a lane that has no jobs. */
void tc_lane_free(tc_lane_table_t *table, tc_job_lane_t *lane);

/* True when the room is locked by somebody else, so that all writes wait. */
bool tc_lane_is_locked(const tc_job_lane_t *lane);

/* The knot behind which a job has to wait; NULL: none. */
tc_knot_t *tc_lane_find_knot(const tc_job_lane_t *lane, const tc_job_t *job);

/* Where the knot of a parked job stands in its lane. What is there is NULL when the job was not parked. */
tc_knot_t **tc_lane_knot_of(tc_job_lane_t *lane, const tc_job_t *job);

#endif
