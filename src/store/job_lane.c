/* Lanes of jobs. See job_lane.h. */
#include "store/job_lane.h"

#include "base/alloc.h"
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_BUCKETS 64u

/* ---- lists ---- */

void tc_job_list_append(tc_job_list_t *list, tc_job_t *job)
{
    job->mail.next = NULL;
    if (list->first == NULL) {
        list->first = &job->mail;
    }
    else {
        list->last->next = &job->mail;
    }
    list->last = &job->mail;
    list->count++;
}

tc_job_t *tc_job_list_pop(tc_job_list_t *list)
{
    tc_mail_t *mail = list->first;

    list->first = mail->next;
    list->count--;
    return (tc_job_t *)mail;
}

void tc_job_list_prepend_all(tc_job_list_t *list, tc_job_list_t *front)
{
    if (front->first == NULL) {
        return;
    }
    front->last->next = list->first;
    if (list->first == NULL) {
        list->last = front->last;
    }
    list->first = front->first;
    list->count += front->count;
    memset(front, 0, sizeof(*front));
}

/* ---- the table ---- */

tc_lane_kind_e tc_lane_kind_of(const tc_job_t *job)
{
    if (job->kind == TC_JOB_POST || job->kind == TC_JOB_EDIT) {
        return TC_LANE_WRITES;
    }
    return job->kind == TC_JOB_HEADS || job->kind == TC_JOB_ACCESS ? TC_LANE_CHECKS : TC_LANE_URGENT;
}

/* The bucket for a room and kind. */
static tc_job_lane_t **bucket_of(const tc_lane_table_t *table, const tc_uuid_t *room_id,
                                 tc_lane_kind_e kind)
{
    uint64_t hash = tc_hash_bytes(tc_hash_add(TC_HASH_BASIS, kind), room_id->bytes, TC_UUID_BYTES);

    return &table->buckets[hash & (table->bucket_count - 1)];
}

static void add_lane(tc_lane_table_t *table, tc_job_lane_t *lane)
{
    tc_job_lane_t **bucket = bucket_of(table, &lane->room_id, lane->kind);

    lane->same_hash = *bucket;
    *bucket = lane;
}

static void grow(tc_lane_table_t *table)
{
    tc_job_lane_t **old = table->buckets;
    unsigned old_count = table->bucket_count, i;

    table->bucket_count *= 2;
    table->buckets = tc_alloc_zero(table->bucket_count * sizeof(*table->buckets));
    for (i = 0; i < old_count; i++) {
        while (old[i] != NULL) {
            tc_job_lane_t *lane = old[i];

            old[i] = lane->same_hash;
            add_lane(table, lane);
        }
    }
    free(old);
}

void tc_lane_table_init(tc_lane_table_t *table)
{
    table->bucket_count = FIRST_BUCKETS;
    table->buckets = tc_alloc_zero(FIRST_BUCKETS * sizeof(*table->buckets));
    table->count = 0;
}

static void destroy_jobs(tc_job_list_t *list)
{
    while (list->first != NULL) {
        tc_job_destroy(tc_job_list_pop(list));
    }
}

static void destroy_lane(tc_job_lane_t *lane)
{
    while (lane->knots != NULL) { /* which own the jobs of `again`, too */
        tc_knot_t *knot = lane->knots;

        lane->knots = knot->next;
        destroy_jobs(&knot->behind);
        tc_job_destroy(knot->job);
        free(knot);
    }
    destroy_jobs(&lane->jobs);
    free(lane);
}

void tc_lane_table_destroy(tc_lane_table_t *table)
{
    unsigned i;

    for (i = 0; i < table->bucket_count; i++) {
        while (table->buckets[i] != NULL) {
            tc_job_lane_t *lane = table->buckets[i];

            table->buckets[i] = lane->same_hash;
            destroy_lane(lane);
        }
    }
    free(table->buckets);
}

tc_job_lane_t *tc_lane_find(const tc_lane_table_t *table, const tc_job_t *job)
{
    tc_lane_kind_e kind = tc_lane_kind_of(job);
    tc_job_lane_t *lane = *bucket_of(table, &job->room_id, kind);

    while (lane != NULL && (lane->kind != kind || !tc_uuid_equal(&lane->room_id, &job->room_id))) {
        lane = lane->same_hash;
    }
    return lane;
}

tc_job_lane_t *tc_lane_make(tc_lane_table_t *table, const tc_job_t *job)
{
    tc_job_lane_t *lane = tc_lane_find(table, job);

    if (lane == NULL) {
        if (table->count >= 2 * table->bucket_count) {
            grow(table);
        }
        lane = tc_alloc_zero(sizeof(*lane));
        lane->room_id = job->room_id;
        lane->kind = tc_lane_kind_of(job);
        add_lane(table, lane);
        table->count++;
    }
    return lane;
}

void tc_lane_free(tc_lane_table_t *table, tc_job_lane_t *lane)
{
    tc_job_lane_t **at = bucket_of(table, &lane->room_id, lane->kind);

    while (*at != lane) {
        at = &(*at)->same_hash;
    }
    *at = lane->same_hash;
    table->count--;
    free(lane);
}

/* ---- parked jobs ---- */

bool tc_lane_is_locked(const tc_job_lane_t *lane)
{
    const tc_knot_t *knot;

    for (knot = lane->knots; knot != NULL; knot = knot->next) {
        if (knot->key == TC_BUSY_ROOM) {
            return true;
        }
    }
    return false;
}

/* A reply only reads the message that it answers. */
static bool has_same_target(const tc_job_t *a, const tc_job_t *b)
{
    return a->kind == TC_JOB_EDIT && b->kind == TC_JOB_EDIT && tc_uuid_equal(&a->message_id, &b->message_id);
}

tc_knot_t *tc_lane_find_knot(const tc_job_lane_t *lane, const tc_job_t *job)
{
    tc_knot_t *knot;

    for (knot = lane->knots; knot != NULL; knot = knot->next) {
        if (knot->key == TC_BUSY_ROOM
            || (knot->key == TC_BUSY_SENDER && strcmp(knot->job->user->id, job->user->id) == 0)
            || (knot->key == TC_BUSY_TARGET && has_same_target(knot->job, job))) {
            return knot;
        }
    }
    return NULL;
}

tc_knot_t **tc_lane_knot_of(tc_job_lane_t *lane, const tc_job_t *job)
{
    tc_knot_t **at = &lane->knots;

    while (*at != NULL && (*at)->job != job) {
        at = &(*at)->next;
    }
    return at;
}
