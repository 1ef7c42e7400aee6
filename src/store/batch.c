/*
 * Group commit: one try to store a batch. Rooms are locked in the order of their ids, so that two batches never
 * deadlock. Only what is stored takes a seq, so the seqs of a room have no gaps. See batch.h.
 */
#include "store/batch.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/metrics.h"
#include "store/sql_table.h"

#include <apr_strings.h>
#include <stdlib.h>

/* A room of the batch. */
typedef struct {
    const char *id;
    int64_t last_seq;
    bool advanced;
} batch_room_t;

/* A job of the batch and what is known about it. */
typedef struct {
    tc_job_t *job;
    const char *room_id;
    const char *target_id; /* the message replied to or edited, or NULL */
    const char *sent_key;  /* room, sender and client_id of a POST with a client_id */
    tc_job_status_e status;
    tc_chat_error_e error;
    bool repeated;         /* a POST that was stored before under its client_id */
    bool survived;         /* a POST that an earlier try in doubt has stored */
    tc_stored_t stored;    /* the event's content, when status is DONE */
} batch_item_t;

typedef struct {
    tc_work_t *work;
    apr_pool_t *pool;
    batch_item_t *items;
    int count;
    bool in_doubt;       /* an earlier try may have been committed */
    bool free_rooms;     /* leave out rooms that somebody else has locked */
    apr_hash_t *rooms;   /* id to batch_room_t */
    apr_hash_t *sent;    /* sent_key to tc_stored_t: stored before, or earlier in this batch */
    apr_hash_t *targets; /* id to tc_stored_t */
    const char *now;
} batch_t;

static const char *uuid_text(const tc_uuid_t *uuid, apr_pool_t *pool)
{
    char *text = apr_palloc(pool, TC_UUID_CHARS + 1);

    tc_uuid_format(uuid, text);
    return text;
}

static const char *make_sent_key(const char *room, const char *sender, const char *client_id,
                                 apr_pool_t *pool)
{
    return apr_pstrcat(pool, room, " ", sender, " ", client_id, NULL);
}

static void init_item(batch_t *batch, batch_item_t *item, tc_job_t *job)
{
    memset(item, 0, sizeof(*item));
    item->job = job;
    item->room_id = uuid_text(&job->room_id, batch->pool);
    if (job->kind == TC_JOB_EDIT) {
        item->target_id = uuid_text(&job->message_id, batch->pool);
    }
    else if (job->has_reply) {
        item->target_id = uuid_text(&job->reply_to, batch->pool);
    }
    if (job->kind == TC_JOB_POST && job->client_id != NULL) {
        item->sent_key = make_sent_key(item->room_id, job->user->id, job->client_id, batch->pool);
    }
}

static void init_batch(batch_t *batch, tc_work_t *work, tc_job_t *const *jobs, int count)
{
    char *now = apr_palloc(work->pool, TC_CLOCK_RFC3339_BYTES);
    int i;

    tc_clock_rfc3339(tc_clock_wall_us(), now);
    batch->work = work;
    batch->pool = work->pool;
    batch->items = apr_palloc(work->pool, (size_t)count * sizeof(batch_item_t));
    batch->count = count;
    batch->rooms = apr_hash_make(work->pool);
    batch->sent = apr_hash_make(work->pool);
    batch->targets = apr_hash_make(work->pool);
    batch->now = now;
    for (i = 0; i < count; i++) {
        init_item(batch, &batch->items[i], jobs[i]);
    }
}

/* ---- rows in, rows out ---- */

/* Runs a statement for all rows of a table; calls `found` (NULL: nothing) with each row that comes back. */
static apr_status_t run(batch_t *batch, const char *statement, const tc_sql_table_t *table,
                        tc_sql_found_fn *found)
{
    return tc_sql_table_run(table, &batch->work->sql, statement, found, batch, batch->pool);
}

static const char *seq_text(int64_t seq, apr_pool_t *pool)
{
    return apr_off_t_toa(pool, seq);
}

/* ---- what the database knows ---- */

static const char *const id_column[] = {"id", NULL};

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void keep_room(void *context, const tc_sql_rows_t *rows, tc_sql_row_t *row)
{
    batch_t *batch = context;
    batch_room_t *room = apr_pcalloc(batch->pool, sizeof(*room));

    room->id = tc_sql_text(rows, row, 0);
    room->last_seq = tc_sql_int(rows, row, 1);
    apr_hash_set(batch->rooms, room->id, APR_HASH_KEY_STRING, room);
}

static apr_status_t lock_rooms(batch_t *batch)
{
    const char **ids = apr_palloc(batch->pool, (size_t)batch->count * sizeof(char *));
    tc_sql_table_t table = tc_sql_table(id_column, batch->pool);
    int i;

    for (i = 0; i < batch->count; i++) {
        ids[i] = batch->items[i].room_id;
    }
    qsort(ids, (size_t)batch->count, sizeof(char *), compare_texts);
    for (i = 0; i < batch->count; i++) {
        if (i == 0 || strcmp(ids[i], ids[i - 1]) != 0) {
            tc_sql_table_add(&table, &ids[i]);
        }
    }
    return run(batch, batch->free_rooms ? batch->work->sql.dialect->lock_free_rooms
                                        : batch->work->sql.dialect->lock_rooms, &table, keep_room);
}

static tc_stored_t *read_stored(batch_t *batch, const tc_sql_rows_t *rows, tc_sql_row_t *row)
{
    tc_stored_t *stored = apr_palloc(batch->pool, sizeof(*stored));

    tc_stored_read(rows, row, stored);
    return stored;
}

static void keep_sent(void *context, const tc_sql_rows_t *rows, tc_sql_row_t *row)
{
    batch_t *batch = context;
    tc_stored_t *stored = read_stored(batch, rows, row);
    const char *key = make_sent_key(stored->room_id, stored->sender_id, stored->client_id,
                                    batch->pool);

    apr_hash_set(batch->sent, key, APR_HASH_KEY_STRING, stored);
}

static void keep_target(void *context, const tc_sql_rows_t *rows, tc_sql_row_t *row)
{
    batch_t *batch = context;
    tc_stored_t *stored = read_stored(batch, rows, row);

    apr_hash_set(batch->targets, stored->id, APR_HASH_KEY_STRING, stored);
}

static apr_status_t find_sent(batch_t *batch)
{
    static const char *const columns[] = {"sender_id", "room_id", "client_id", NULL};
    tc_sql_table_t table = tc_sql_table(columns, batch->pool);
    int i;

    for (i = 0; i < batch->count; i++) {
        batch_item_t *item = &batch->items[i];
        const char *row[] = {item->job->user->id, item->room_id, item->job->client_id};

        if (item->sent_key != NULL) {
            tc_sql_table_add(&table, row);
        }
    }
    return run(batch, batch->work->sql.dialect->find_sent, &table, keep_sent);
}

static apr_status_t find_targets(batch_t *batch)
{
    tc_sql_table_t table = tc_sql_table(id_column, batch->pool);
    int i;

    for (i = 0; i < batch->count; i++) {
        const batch_item_t *item = &batch->items[i];

        if (item->target_id != NULL) {
            tc_sql_table_add(&table, &item->target_id);
        }
        if (batch->in_doubt && item->job->kind == TC_JOB_POST) {
            const char *own_id = uuid_text(&item->job->message_id, batch->pool);

            tc_sql_table_add(&table, &own_id);
        }
    }
    return run(batch, batch->work->sql.dialect->find_messages, &table, keep_target);
}

/* ---- what becomes of each job ---- */

static void refuse(batch_item_t *item, tc_chat_error_e error)
{
    item->status = TC_JOB_REFUSED;
    item->error = error;
}

/* The message of a POST that an earlier try in doubt has stored; NULL: that try has not stored it. */
static const tc_stored_t *find_survivor(batch_t *batch, const batch_item_t *item)
{
    return batch->in_doubt ? apr_hash_get(batch->targets,
                                          uuid_text(&item->job->message_id, batch->pool),
                                          APR_HASH_KEY_STRING)
                           : NULL;
}

/* The target message; NULL when there is none in the same room. */
static const tc_stored_t *target_of(batch_t *batch, const batch_item_t *item)
{
    const tc_stored_t *target = apr_hash_get(batch->targets, item->target_id, APR_HASH_KEY_STRING);

    return target != NULL && strcmp(target->room_id, item->room_id) == 0 ? target : NULL;
}

static int64_t take_seq(batch_room_t *room)
{
    room->advanced = true;
    return ++room->last_seq;
}

static void decide_post(batch_t *batch, batch_item_t *item, batch_room_t *room)
{
    tc_stored_t *stored = &item->stored;
    const tc_stored_t *target = NULL, *sent = find_survivor(batch, item);

    if (sent != NULL) {
        *stored = *sent;
        item->survived = true;
        item->status = TC_JOB_DONE;
        return;
    }
    if (item->sent_key != NULL) {
        sent = apr_hash_get(batch->sent, item->sent_key, APR_HASH_KEY_STRING);
    }
    if (sent != NULL) {
        *stored = *sent;
        item->repeated = true;
        item->status = TC_JOB_DONE;
        return;
    }
    if (item->target_id != NULL && (target = target_of(batch, item)) == NULL) {
        refuse(item, TC_CHAT_REPLY_NOT_FOUND);
        return;
    }
    stored->kind = TC_EVENT_MESSAGE;
    stored->seq = take_seq(room);
    stored->id = uuid_text(&item->job->message_id, batch->pool);
    stored->room_id = item->room_id;
    stored->sender_id = item->job->user->id;
    stored->content = item->job->content;
    stored->message_type = item->job->message_type;
    stored->created_at = stored->updated_at = batch->now;
    stored->reply_id = target ? target->id : NULL;
    stored->reply_content = target ? target->content : NULL;
    stored->reply_sender_id = target ? target->sender_id : NULL;
    stored->client_id = item->job->client_id;
    item->status = TC_JOB_DONE;
    if (item->sent_key != NULL) {
        apr_hash_set(batch->sent, item->sent_key, APR_HASH_KEY_STRING, stored);
    }
}

static void decide_edit(batch_t *batch, batch_item_t *item, batch_room_t *room)
{
    const tc_stored_t *target = target_of(batch, item);

    if (target == NULL) {
        refuse(item, TC_CHAT_MESSAGE_NOT_FOUND);
        return;
    }
    if (strcmp(target->sender_id, item->job->user->id) != 0) {
        refuse(item, TC_CHAT_NOT_SENDER);
        return;
    }
    item->stored = *target;
    item->stored.kind = TC_EVENT_EDIT;
    item->stored.seq = take_seq(room);
    item->stored.content = item->job->content;
    item->stored.is_edited = true;
    item->stored.updated_at = batch->now;
    item->status = TC_JOB_DONE;
}

static void decide(batch_t *batch)
{
    int i;

    for (i = 0; i < batch->count; i++) {
        batch_item_t *item = &batch->items[i];
        batch_room_t *room = apr_hash_get(batch->rooms, item->room_id, APR_HASH_KEY_STRING);

        if (room == NULL) {
            item->status = batch->free_rooms ? TC_JOB_UNAVAILABLE : TC_JOB_GONE;
        }
        else if (item->job->kind == TC_JOB_POST) {
            decide_post(batch, item, room);
        }
        else {
            decide_edit(batch, item, room);
        }
    }
}

/* ---- what is written ---- */

static bool is_new_message(const batch_item_t *item)
{
    return item->status == TC_JOB_DONE && item->job->kind == TC_JOB_POST && !item->repeated
           && !item->survived;
}

static apr_status_t write_messages(batch_t *batch)
{
    static const char *const columns[] = {"id",      "room_id",      "seq",         "sender_id",
                                          "client_id", "content",  "message_type", "reply_to_id",
                                          "created_at", "updated_at", NULL};
    tc_sql_table_t table = tc_sql_table(columns, batch->pool);
    int i;

    for (i = 0; i < batch->count; i++) {
        const tc_stored_t *stored = &batch->items[i].stored;

        if (is_new_message(&batch->items[i])) {
            const char *row[] = {stored->id,         stored->room_id,
                                 seq_text(stored->seq, batch->pool),
                                 stored->sender_id,  stored->client_id,
                                 stored->content,    stored->message_type,
                                 stored->reply_id,   stored->created_at,
                                 stored->updated_at};

            tc_sql_table_add(&table, row);
        }
    }
    return run(batch, batch->work->sql.dialect->insert, &table, NULL);
}

/* True when a later job of the batch edits the same message: only the content of the last edit is written. */
static bool is_edited_again(const batch_t *batch, int i)
{
    int later;

    for (later = i + 1; later < batch->count; later++) {
        const batch_item_t *item = &batch->items[later];

        if (item->status == TC_JOB_DONE && item->job->kind == TC_JOB_EDIT
            && strcmp(item->stored.id, batch->items[i].stored.id) == 0) {
            return true;
        }
    }
    return false;
}

static apr_status_t write_edits(batch_t *batch)
{
    static const char *const edit_columns[] = {"room_id", "seq", "message_id", "edited_at", NULL};
    static const char *const content_columns[] = {"content", "updated_at", "id", NULL};
    tc_sql_table_t edits = tc_sql_table(edit_columns, batch->pool);
    tc_sql_table_t contents = tc_sql_table(content_columns, batch->pool);
    apr_status_t rv;
    int i;

    for (i = 0; i < batch->count; i++) {
        const tc_stored_t *stored = &batch->items[i].stored;
        const char *content[] = {stored->content, stored->updated_at, stored->id};
        const char *edit[] = {stored->room_id, NULL, stored->id, stored->updated_at};

        if (batch->items[i].status != TC_JOB_DONE || batch->items[i].job->kind != TC_JOB_EDIT) {
            continue;
        }
        edit[1] = seq_text(stored->seq, batch->pool);
        tc_sql_table_add(&edits, edit);
        if (!is_edited_again(batch, i)) {
            tc_sql_table_add(&contents, content);
        }
    }
    rv = run(batch, batch->work->sql.dialect->update, &contents, NULL);
    return rv == APR_SUCCESS ? run(batch, batch->work->sql.dialect->insert_edits, &edits, NULL) : rv;
}

static apr_status_t advance_rooms(batch_t *batch)
{
    static const char *const columns[] = {"last_seq", "id", NULL};
    tc_sql_table_t table = tc_sql_table(columns, batch->pool);
    apr_hash_index_t *at;

    for (at = apr_hash_first(batch->pool, batch->rooms); at != NULL; at = apr_hash_next(at)) {
        const batch_room_t *room = apr_hash_this_val(at);
        const char *row[] = {seq_text(room->last_seq, batch->pool), room->id};

        if (room->advanced) {
            tc_sql_table_add(&table, row);
        }
    }
    return run(batch, batch->work->sql.dialect->advance, &table, NULL);
}

/*
 * Runs outside the transaction: one of the site's queries that failed would end it. A sender comes with their job. If
 * authors replied to cannot be asked for, the message is stored all the same.
 */
static void learn_people(batch_t *batch)
{
    const tc_stored_t **stored = apr_palloc(batch->pool, (size_t)batch->count * sizeof(*stored));
    int i, count = 0;

    for (i = 0; i < batch->count; i++) {
        tc_people_keep(batch->work->people, batch->work->store, batch->items[i].job->user);
        if (batch->items[i].status == TC_JOB_DONE) {
            stored[count++] = &batch->items[i].stored;
        }
    }
    (void)tc_stored_learn(batch->work, stored, count);
}

static void make_events(batch_t *batch)
{
    int i;

    learn_people(batch);
    for (i = 0; i < batch->count; i++) {
        batch_item_t *item = &batch->items[i];
        tc_job_t *job = item->job;

        if (item->status == TC_JOB_DONE
            && tc_stored_to_event(batch->work, &item->stored, job->client_id, &job->events) != APR_SUCCESS) {
            item->status = TC_JOB_UNAVAILABLE; /* an id that is no UUID: the table is not as it should be */
        }
    }
}

/* Runs inside the transaction. */
static apr_status_t store(batch_t *batch)
{
    apr_status_t rv = lock_rooms(batch);

    if (rv == APR_SUCCESS) {
        rv = find_sent(batch);
    }
    if (rv == APR_SUCCESS) {
        rv = find_targets(batch);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    decide(batch);
    rv = write_messages(batch);
    if (rv == APR_SUCCESS) {
        rv = write_edits(batch);
    }
    return rv == APR_SUCCESS ? advance_rooms(batch) : rv;
}

static void settle(batch_t *batch)
{
    unsigned slot = batch->work->store->store.site->metrics_slot;
    int64_t now_us = tc_clock_monotonic_us();
    int i;

    tc_metrics_observe_size(slot, TC_M_DATABASE_WRITES, (uint64_t)batch->count);
    for (i = 0; i < batch->count; i++) {
        batch->items[i].job->status = batch->items[i].status;
        batch->items[i].job->error = batch->items[i].error;
        batch->items[i].job->repeated = batch->items[i].repeated;
        if (batch->items[i].status == TC_JOB_DONE && !batch->items[i].repeated) {
            tc_event_launch(batch->items[i].job->events, slot, now_us);
        }
    }
}

/* Ends the try after a statement failed. A lock wait that timed out may succeed later, so it counts as BUSY. */
static tc_try_e give_up(tc_work_t *work, int64_t since_us)
{
    const tc_sql_dialect_t *dialect = work->sql.dialect;
    int64_t took_us = tc_clock_monotonic_us() - since_us;

    tc_sql_forget(&work->sql);
    if (tc_sql_rollback(&work->sql) != APR_SUCCESS && dialect->remote) {
        return TC_TRY_LOST;
    }
    return dialect->lock_timeout_us > 0 && took_us >= dialect->lock_timeout_us ? TC_TRY_BUSY : TC_TRY_FAILED;
}

tc_try_e tc_batch_try(tc_work_t *work, tc_job_t *const *jobs, int count, bool in_doubt,
                      bool free_rooms)
{
    int64_t since_us = tc_clock_monotonic_us();
    bool remote = work->sql.dialect->remote;
    batch_t batch;

    init_batch(&batch, work, jobs, count);
    batch.in_doubt = in_doubt;
    batch.free_rooms = free_rooms;
    if (tc_sql_begin(&work->sql) != APR_SUCCESS) {
        return remote ? TC_TRY_LOST : TC_TRY_BUSY;
    }
    if (store(&batch) != APR_SUCCESS) {
        return give_up(work, since_us);
    }
    if (tc_sql_commit(&work->sql) == APR_SUCCESS) {
        make_events(&batch);
        settle(&batch);
        return TC_TRY_DONE;
    }
    /* If COMMIT fails, SQLite leaves the transaction open. It must be rolled back before the next one can begin. */
    return tc_sql_rollback(&work->sql) == APR_SUCCESS || !remote ? TC_TRY_BUSY : TC_TRY_IN_DOUBT;
}
