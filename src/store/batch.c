/*
 * Group commit by statements: one try to store a batch in one transaction, for a database in this process (SQLite). Only
 * what is stored takes a seq, so the seqs of a room have no gaps. See batch.h.
 */
#include "store/batch.h"

#include "base/clock.h"
#include "base/metrics.h"
#include "base/limits.h"
#include "codec/json.h"
#include "store/mend.h"

#include <apr_strings.h>

/* A room of the batch. */
typedef struct {
    const char *id;
    int64_t newest;
    int32_t epoch;
    const char *now; /* the time of its next events, which is not before the newest event's */
    bool advanced;
} batch_room_t;

typedef struct {
    tc_work_t *work;
    apr_pool_t *pool;
    apr_hash_t *rooms; /* id to batch_room_t, or to `gone` */
    const char *now;
} batch_t;

static batch_room_t gone;

static const char *uuid_text(const tc_uuid_t *uuid, apr_pool_t *pool)
{
    char *text = apr_palloc(pool, TC_UUID_CHARS + 1);

    tc_uuid_format(uuid, text);
    return text;
}

static const char *seq_text(int64_t seq, apr_pool_t *pool)
{
    return apr_off_t_toa(pool, seq);
}

static apr_status_t execute(batch_t *batch, const char *statement, const char **args, int count)
{
    return tc_sql_execute(&batch->work->sql, statement, args, count, batch->pool);
}

/* Asks for one row; *row is NULL when there is none. */
static apr_status_t ask(batch_t *batch, const char *statement, const char **args, int count, tc_sql_rows_t *rows,
                        tc_sql_row_t **row)
{
    apr_status_t rv = tc_sql_select(&batch->work->sql, statement, args, count, rows, batch->pool);

    *row = rv == APR_SUCCESS ? tc_sql_next(rows) : NULL;
    return rv;
}

/* Finds a room; *room is `gone` when there is none. The transaction has the only lock there is. */
static apr_status_t find_room(batch_t *batch, const char *id, batch_room_t **room)
{
    const char *args[] = {id}, *at;
    tc_sql_rows_t rows;
    tc_sql_row_t *row;
    apr_status_t rv;

    *room = apr_hash_get(batch->rooms, id, APR_HASH_KEY_STRING);
    if (*room != NULL) {
        return APR_SUCCESS;
    }
    rv = ask(batch, batch->work->sql.dialect->room_newest, args, 1, &rows, &row);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    *room = &gone;
    if (row != NULL) {
        *room = apr_pcalloc(batch->pool, sizeof(**room));
        (*room)->id = id;
        (*room)->newest = tc_sql_int(&rows, row, 1);
        (*room)->epoch = (int32_t)tc_sql_int(&rows, row, 3);
        at = tc_sql_text(&rows, row, 2);
        (*room)->now = at != NULL && strcmp(at, batch->now) > 0 ? at : batch->now;
    }
    apr_hash_set(batch->rooms, id, APR_HASH_KEY_STRING, *room);
    return APR_SUCCESS;
}

/* APR_NOTFOUND: there is no such message in the room. */
static apr_status_t find_message(batch_t *batch, const char *id, const batch_room_t *room, tc_stored_t *stored)
{
    const char *args[] = {id, room->id};
    tc_sql_rows_t rows;
    tc_sql_row_t *row;
    apr_status_t rv = ask(batch, batch->work->sql.dialect->find_message, args, 2, &rows, &row);

    if (row != NULL) {
        tc_stored_read(&rows, row, stored);
    }
    return rv == APR_SUCCESS && row == NULL ? APR_NOTFOUND : rv;
}

/* ---- what becomes of a job ---- */

static apr_status_t refuse(tc_job_t *job, tc_chat_error_e error)
{
    job->status = TC_JOB_REFUSED;
    job->error = error;
    return APR_SUCCESS;
}

static apr_status_t finish(batch_t *batch, tc_job_t *job, const tc_stored_t *stored)
{
    tc_work_t *work = batch->work;

    job->status = TC_JOB_DONE;
    if (stored->reply_id != NULL) { /* an author who cannot be asked for is without an address */
        (void)tc_people_learn(work->people, work->store, &work->sql, &stored->reply_sender_id, 1, batch->pool);
    }
    return tc_stored_to_event(work, stored, job->user, job->client_id, &job->events);
}

/* APR_NOTFOUND: nothing was stored under the job's client_id. Otherwise the job is decided, or the call failed. */
static apr_status_t find_sent(batch_t *batch, tc_job_t *job, const batch_room_t *room)
{
    const char *args[] = {room->id, job->user->id, job->client_id};
    tc_sql_rows_t rows;
    tc_sql_row_t *row;
    tc_stored_t stored;
    apr_status_t rv;

    if (job->client_id == NULL) {
        return APR_NOTFOUND;
    }
    rv = ask(batch, batch->work->sql.dialect->find_sent, args, 3, &rows, &row);
    if (row == NULL) {
        return rv == APR_SUCCESS ? APR_NOTFOUND : rv;
    }
    rv = find_message(batch, tc_sql_text(&rows, row, 0), room, &stored);
    if (rv == APR_NOTFOUND) {
        return refuse(job, TC_CHAT_MESSAGE_NOT_FOUND); /* it was deleted meanwhile */
    }
    job->repeated = true;
    stored.client_id = job->client_id;
    return rv == APR_SUCCESS ? finish(batch, job, &stored) : rv;
}

static apr_status_t insert(batch_t *batch, const tc_job_t *job, const tc_stored_t *stored)
{
    const tc_sql_dialect_t *dialect = batch->work->sql.dialect;
    const char *row[] = {stored->id,         stored->room_id,
                         seq_text(stored->seq, batch->pool),
                         stored->sender_id,  stored->client_id,
                         stored->content,    stored->message_type,
                         stored->reply_id,   "0",
                         stored->created_at, stored->updated_at};
    const char *sent[] = {stored->room_id, stored->id, stored->created_at, stored->sender_id, stored->client_id};
    apr_status_t rv = execute(batch, dialect->insert, row, 11);

    if (rv == APR_SUCCESS && job->client_id != NULL) {
        rv = execute(batch, dialect->insert_sent, sent, 5);
    }
    return rv;
}

static void fill_in(tc_stored_t *stored, tc_job_t *job, batch_room_t *room, apr_pool_t *pool)
{
    stored->kind = TC_EVENT_MESSAGE;
    stored->seq = ++room->newest;
    stored->id = uuid_text(&job->message_id, pool);
    stored->room_id = room->id;
    stored->sender_id = job->user->id;
    stored->content = job->content;
    stored->message_type = job->message_type;
    stored->created_at = stored->updated_at = room->now;
    stored->client_id = job->client_id;
    room->advanced = true;
}

static apr_status_t post(batch_t *batch, tc_job_t *job, batch_room_t *room)
{
    tc_stored_t stored = {.seq = 0}, target;
    apr_status_t rv = find_sent(batch, job, room);

    if (rv != APR_NOTFOUND) {
        return rv;
    }
    if (job->has_reply) {
        rv = find_message(batch, uuid_text(&job->reply_to, batch->pool), room, &target);
        if (rv != APR_SUCCESS) {
            return rv == APR_NOTFOUND ? refuse(job, TC_CHAT_REPLY_NOT_FOUND) : rv;
        }
        stored.reply_id = target.id;
        stored.reply_content = target.content;
        stored.reply_sender_id = target.sender_id;
    }
    fill_in(&stored, job, room, batch->pool);
    rv = insert(batch, job, &stored);
    return rv == APR_SUCCESS ? finish(batch, job, &stored) : rv;
}

static apr_status_t edit(batch_t *batch, tc_job_t *job, batch_room_t *room)
{
    const tc_sql_dialect_t *dialect = batch->work->sql.dialect;
    const char *id = uuid_text(&job->message_id, batch->pool), *seq = seq_text(room->newest + 1, batch->pool);
    const char *content[] = {job->content, room->now, id, room->id};
    const char *event[] = {room->id, id, seq, room->now};
    tc_stored_t stored;
    apr_status_t rv = find_message(batch, id, room, &stored);

    if (rv != APR_SUCCESS) {
        return rv == APR_NOTFOUND ? refuse(job, TC_CHAT_MESSAGE_NOT_FOUND) : rv;
    }
    if (strcmp(stored.sender_id, job->user->id) != 0) {
        return refuse(job, TC_CHAT_NOT_SENDER);
    }
    room->newest++;
    room->advanced = true;
    stored.kind = TC_EVENT_EDIT;
    stored.seq = room->newest;
    stored.content = job->content;
    stored.is_edited = true;
    stored.updated_at = strcmp(room->now, stored.created_at) > 0 ? room->now : stored.created_at;
    rv = execute(batch, dialect->update, content, 4);
    if (rv == APR_SUCCESS) {
        rv = execute(batch, dialect->insert_edit, event, 4);
    }
    return rv == APR_SUCCESS ? finish(batch, job, &stored) : rv;
}

static apr_status_t run_job(batch_t *batch, tc_job_t *job)
{
    batch_room_t *room;
    apr_status_t rv = find_room(batch, uuid_text(&job->room_id, batch->pool), &room);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (room == &gone) {
        job->status = TC_JOB_GONE;
        return APR_SUCCESS;
    }
    if (job->known_seq > room->newest) {
        rv = tc_mend_begin_epoch(&batch->work->sql, room->id, job->known_seq, &room->newest, &room->epoch, batch->pool);
    }
    if (rv == APR_SUCCESS) {
        rv = job->kind == TC_JOB_POST ? post(batch, job, room) : edit(batch, job, room);
    }
    job->epoch = room->epoch;
    return rv;
}

/* ---- the rest of the transaction ---- */

/* Keeps the names of one user. A sender object that cannot be read has no names to keep. */
static apr_status_t note_person(batch_t *batch, const tc_user_t *user)
{
    const char *args[] = {user->id, user->email, NULL, NULL};
    json_object *names = NULL;
    apr_status_t rv;

    if (tc_json_parse_object(user->sender_json, strlen(user->sender_json), 2, TC_JSON_MAX_VALUES, &names) != TC_JSON_OK) {
        return APR_SUCCESS;
    }
    args[2] = tc_json_get_text(names, "username");
    args[3] = tc_json_get_text(names, "full_name");
    args[2] = args[2] ? args[2] : "";
    args[3] = args[3] ? args[3] : "";
    rv = execute(batch, batch->work->sql.dialect->insert_person, args, 4);
    tc_json_free(names);
    return rv;
}

/* Keeps the names of senders whose names may be new. */
static apr_status_t note_people(batch_t *batch, tc_job_t *const *jobs, int count)
{
    tc_work_t *work = batch->work;
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; i < count && rv == APR_SUCCESS; i++) {
        if (!tc_noted_has(work->noted, work->store->store.site, jobs[i]->user)) {
            rv = note_person(batch, jobs[i]->user);
        }
    }
    return rv;
}

static apr_status_t advance_rooms(batch_t *batch)
{
    apr_status_t rv = APR_SUCCESS;
    apr_hash_index_t *at;

    for (at = apr_hash_first(batch->pool, batch->rooms); at != NULL && rv == APR_SUCCESS; at = apr_hash_next(at)) {
        const batch_room_t *room = apr_hash_this_val(at);
        const char *args[] = {seq_text(room->newest, batch->pool), room->id};

        if (room->advanced) {
            rv = execute(batch, batch->work->sql.dialect->advance, args, 2);
        }
    }
    return rv;
}

/* Runs inside the transaction. Events are made before the commit: a message without an event is not stored. */
static apr_status_t store(batch_t *batch, tc_job_t *const *jobs, int count)
{
    apr_status_t rv = note_people(batch, jobs, count);
    int i;

    for (i = 0; i < count && rv == APR_SUCCESS; i++) {
        rv = run_job(batch, jobs[i]);
    }
    return rv == APR_SUCCESS ? advance_rooms(batch) : rv;
}

void tc_batch_note_stored(tc_work_t *work, tc_job_t *const *jobs, int count)
{
    unsigned slot = work->store->store.site->metrics_slot;
    int64_t now_us = tc_clock_monotonic_us();
    int i;

    tc_metrics_observe_size(slot, TC_M_DATABASE_WRITES, (uint64_t)count);
    for (i = 0; i < count; i++) {
        if (jobs[i]->status != TC_JOB_DONE) {
            continue;
        }
        if (jobs[i]->kind == TC_JOB_POST) { /* an edit comes without names */
            tc_noted_add(work->noted, work->store->store.site, jobs[i]->user);
        }
        if (!jobs[i]->repeated) {
            tc_event_launch(jobs[i]->events, slot, now_us);
        }
    }
}

void tc_batch_drop_results(tc_job_t *const *jobs, int count)
{
    int i;

    for (i = 0; i < count; i++) {
        tc_event_unref_list(jobs[i]->events);
        jobs[i]->events = NULL;
        jobs[i]->status = TC_JOB_PENDING;
        jobs[i]->repeated = false;
    }
}

tc_try_e tc_batch_statements(tc_work_t *work, tc_job_t *const *jobs, int count)
{
    char *now = apr_palloc(work->pool, TC_CLOCK_RFC3339_BYTES);
    batch_t batch = {work, work->pool, apr_hash_make(work->pool), now};

    if (tc_sql_begin(&work->sql) != APR_SUCCESS) {
        return TC_TRY_BUSY;
    }
    tc_clock_rfc3339(tc_clock_wall_us(), now); /* the lock is held from here on */
    if (store(&batch, jobs, count) != APR_SUCCESS) {
        tc_batch_drop_results(jobs, count);
        tc_sql_forget(&work->sql);
        (void)tc_sql_rollback(&work->sql);
        return TC_TRY_FAILED;
    }
    if (tc_sql_commit(&work->sql) == APR_SUCCESS) {
        tc_batch_note_stored(work, jobs, count);
        return TC_TRY_DONE;
    }
    tc_batch_drop_results(jobs, count);
    /* If COMMIT fails, SQLite leaves the transaction open. It must be rolled back before the next one can begin. */
    (void)tc_sql_rollback(&work->sql);
    return TC_TRY_BUSY;
}
