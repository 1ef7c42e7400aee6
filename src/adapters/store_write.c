/*
 * Group commit: POST and EDIT jobs of one site in one transaction. Rooms are locked in the order of
 * their ids, so that two writers never wait for each other in a circle; a seq is taken only by what is
 * stored, so that a room has no holes. See store_jobs.h.
 */
#include "adapters/store_jobs.h"

#include "base/clock.h"
#include "base/limits.h"
#include "codec/json.h"

#include <apr_strings.h>
#include <apr_tables.h>
#include <stdlib.h>

/* A room of the batch. */
typedef struct {
    const char *id;
    int64_t last_seq;
    bool advanced;
} batch_room_t;

/* A job of the batch and what has been found out about it. */
typedef struct {
    tc_job_t *job;
    const char *room_id;
    const char *target_id; /* the message replied to or edited, or NULL */
    const char *sent_key;  /* room, sender and client_id of a POST that has one */
    tc_job_status_e status;
    tc_chat_error_e error;
    bool repeated;         /* a POST that was stored before */
    tc_stored_t stored;    /* the event's content, when status is DONE */
} batch_item_t;

typedef struct {
    tc_work_t *work;
    apr_pool_t *pool;
    batch_item_t *items;
    int count;
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

/* Arguments of one statement for many rows. */
typedef struct {
    apr_array_header_t *cells; /* const char *, row after row; NULL is SQL's */
    int columns;
} table_t;

static table_t make_table(batch_t *batch, int columns)
{
    table_t table = {apr_array_make(batch->pool, batch->count * columns, sizeof(char *)), columns};

    return table;
}

static void add_row(table_t *table, const char *const *cells)
{
    int i;

    for (i = 0; i < table->columns; i++) {
        APR_ARRAY_PUSH(table->cells, const char *) = cells[i];
    }
}

/* What to do with a row that a statement has found. */
typedef void found_fn(batch_t *batch, const tc_sql_rows_t *rows, tc_sql_row_t *row);

static apr_status_t run_once(batch_t *batch, const char *statement, const char **args, int count,
                             found_fn *found)
{
    tc_sql_t *sql = &batch->work->sql;
    tc_sql_rows_t rows;
    tc_sql_row_t *row;
    apr_status_t rv;

    if (found == NULL) {
        return tc_sql_execute(sql, statement, args, count, batch->pool);
    }
    rv = tc_sql_select(sql, statement, args, count, &rows, batch->pool);
    while (rv == APR_SUCCESS && (row = tc_sql_next(&rows)) != NULL) {
        found(batch, &rows, row);
    }
    return rv;
}

/* The table as [[cell, …], …]. */
static const char *to_json(batch_t *batch, const table_t *table)
{
    tc_buf_t json = TC_BUF_INIT;
    const char *text;
    int i;

    for (i = 0; i < table->cells->nelts; i++) {
        bool first_cell = i % table->columns == 0;

        tc_buf_append_str(&json, i == 0 ? "[[" : first_cell ? "],[" : ",");
        tc_json_append_str(&json, APR_ARRAY_IDX(table->cells, i, const char *));
    }
    TC_BUF_LIT(&json, "]]");
    text = apr_pstrmemdup(batch->pool, (const char *)json.data, json.len);
    tc_buf_free(&json);
    return text;
}

/*
 * Runs a statement for all rows of a table, `found` (NULL: none) with what it gives: once with all of
 * them as JSON where each run is a journey to a server, else row by row.
 */
static apr_status_t run(batch_t *batch, const char *statement, const table_t *table,
                        found_fn *found)
{
    const char **cells = (const char **)table->cells->elts;
    apr_status_t rv = APR_SUCCESS;
    int i;

    if (batch->work->dialect->rows_as_json && table->cells->nelts > 0) {
        const char *json = to_json(batch, table);

        return run_once(batch, statement, &json, 1, found);
    }
    for (i = 0; rv == APR_SUCCESS && i < table->cells->nelts; i += table->columns) {
        rv = run_once(batch, statement, cells + i, table->columns, found);
    }
    return rv;
}

static const char *seq_text(int64_t seq, apr_pool_t *pool)
{
    return apr_off_t_toa(pool, seq);
}

/* ---- what the database knows ---- */

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void keep_room(batch_t *batch, const tc_sql_rows_t *rows, tc_sql_row_t *row)
{
    batch_room_t *room = apr_pcalloc(batch->pool, sizeof(*room));

    room->id = tc_sql_text(rows, row, 0);
    room->last_seq = tc_sql_int(rows, row, 1);
    apr_hash_set(batch->rooms, room->id, APR_HASH_KEY_STRING, room);
}

static apr_status_t lock_rooms(batch_t *batch)
{
    const char **ids = apr_palloc(batch->pool, (size_t)batch->count * sizeof(char *));
    table_t table = make_table(batch, 1);
    int i;

    for (i = 0; i < batch->count; i++) {
        ids[i] = batch->items[i].room_id;
    }
    qsort(ids, (size_t)batch->count, sizeof(char *), compare_texts);
    for (i = 0; i < batch->count; i++) {
        if (i == 0 || strcmp(ids[i], ids[i - 1]) != 0) {
            add_row(&table, &ids[i]);
        }
    }
    return run(batch, batch->work->dialect->lock_rooms, &table, keep_room);
}

static tc_stored_t *read_stored(batch_t *batch, const tc_sql_rows_t *rows, tc_sql_row_t *row)
{
    tc_stored_t *stored = apr_palloc(batch->pool, sizeof(*stored));

    tc_stored_read(rows, row, stored);
    return stored;
}

static void keep_sent(batch_t *batch, const tc_sql_rows_t *rows, tc_sql_row_t *row)
{
    tc_stored_t *stored = read_stored(batch, rows, row);
    const char *key = make_sent_key(stored->room_id, stored->sender_id, stored->client_id,
                                    batch->pool);

    apr_hash_set(batch->sent, key, APR_HASH_KEY_STRING, stored);
}

static void keep_target(batch_t *batch, const tc_sql_rows_t *rows, tc_sql_row_t *row)
{
    tc_stored_t *stored = read_stored(batch, rows, row);

    apr_hash_set(batch->targets, stored->id, APR_HASH_KEY_STRING, stored);
}

static apr_status_t find_sent(batch_t *batch)
{
    table_t table = make_table(batch, 3);
    int i;

    for (i = 0; i < batch->count; i++) {
        batch_item_t *item = &batch->items[i];
        const char *row[] = {item->job->user->id, item->room_id, item->job->client_id};

        if (item->sent_key != NULL) {
            add_row(&table, row);
        }
    }
    return run(batch, batch->work->dialect->find_sent, &table, keep_sent);
}

static apr_status_t find_targets(batch_t *batch)
{
    table_t table = make_table(batch, 1);
    int i;

    for (i = 0; i < batch->count; i++) {
        if (batch->items[i].target_id != NULL) {
            add_row(&table, &batch->items[i].target_id);
        }
    }
    return run(batch, batch->work->dialect->find_messages, &table, keep_target);
}

/* ---- what becomes of each job ---- */

static void refuse(batch_item_t *item, tc_chat_error_e error)
{
    item->status = TC_JOB_REFUSED;
    item->error = error;
}

/* The target, when it is a message of the same room. */
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
    const tc_stored_t *target = NULL, *sent = NULL;

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
            item->status = TC_JOB_GONE;
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
    return item->status == TC_JOB_DONE && item->job->kind == TC_JOB_POST && !item->repeated;
}

static apr_status_t write_messages(batch_t *batch)
{
    table_t table = make_table(batch, 10);
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

            add_row(&table, row);
        }
    }
    return run(batch, batch->work->dialect->insert, &table, NULL);
}

/* True when a later job of the batch edits the same message: the last one's content stays. */
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
    table_t edits = make_table(batch, 4), contents = make_table(batch, 3);
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
        add_row(&edits, edit);
        if (!is_edited_again(batch, i)) {
            add_row(&contents, content);
        }
    }
    rv = run(batch, batch->work->dialect->update, &contents, NULL);
    return rv == APR_SUCCESS ? run(batch, batch->work->dialect->insert_edits, &edits, NULL) : rv;
}

static apr_status_t advance_rooms(batch_t *batch)
{
    table_t table = make_table(batch, 2);
    apr_hash_index_t *at;

    for (at = apr_hash_first(batch->pool, batch->rooms); at != NULL; at = apr_hash_next(at)) {
        const batch_room_t *room = apr_hash_this_val(at);
        const char *row[] = {seq_text(room->last_seq, batch->pool), room->id};

        if (room->advanced) {
            add_row(&table, row);
        }
    }
    return run(batch, batch->work->dialect->advance, &table, NULL);
}

static apr_status_t make_events(batch_t *batch)
{
    int i;

    for (i = 0; i < batch->count; i++) {
        batch_item_t *item = &batch->items[i];
        tc_job_t *job = item->job;
        apr_status_t rv;

        if (item->status != TC_JOB_DONE) {
            continue;
        }
        rv = tc_stored_to_event(batch->work, &item->stored, job->origin, job->client_id,
                                &job->events);
        if (rv != APR_SUCCESS) {
            return rv;
        }
    }
    return APR_SUCCESS;
}

/* Inside the transaction. Events are made before the commit: what cannot be shown is not stored. */
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
    if (rv == APR_SUCCESS) {
        rv = advance_rooms(batch);
    }
    return rv == APR_SUCCESS ? make_events(batch) : rv;
}

static void settle(batch_t *batch)
{
    int i;

    for (i = 0; i < batch->count; i++) {
        batch->items[i].job->status = batch->items[i].status;
        batch->items[i].job->error = batch->items[i].error;
        batch->items[i].job->repeated = batch->items[i].repeated;
    }
}

static void drop_events(tc_job_t *const *jobs, int count)
{
    int i;

    for (i = 0; i < count; i++) {
        tc_event_unref_list(jobs[i]->events);
        jobs[i]->events = NULL;
    }
}

/* One try. APR_EAGAIN: the database would not begin or end; APR_EGENERAL: a statement failed. */
static apr_status_t try_batch(tc_work_t *work, tc_job_t *const *jobs, int count)
{
    batch_t batch;
    apr_status_t rv;

    init_batch(&batch, work, jobs, count);
    if (tc_sql_begin(&work->sql, work->pool) != APR_SUCCESS) {
        return APR_EAGAIN;
    }
    rv = store(&batch);
    if (tc_sql_end(&work->sql, rv == APR_SUCCESS, work->pool) != APR_SUCCESS && rv == APR_SUCCESS) {
        rv = APR_EAGAIN;
    }
    if (rv == APR_SUCCESS) {
        settle(&batch);
    }
    else {
        drop_events(jobs, count);
        tc_sql_forget(&work->sql);
    }
    return rv;
}

static void settle_failed(tc_job_t *job, apr_status_t rv)
{
    job->status = rv == APR_EAGAIN ? TC_JOB_UNAVAILABLE : TC_JOB_REFUSED;
    job->error = TC_CHAT_INTERNAL;
}

void tc_store_write(tc_work_t *work, tc_job_t *const *jobs, int count)
{
    apr_status_t rv = try_batch(work, jobs, count), rv_one;
    int i;

    for (i = 0; rv != APR_SUCCESS && i < count; i++) {
        /* One bad job must not take the others along: each gets a transaction of its own. */
        rv_one = rv == APR_EAGAIN ? rv : try_batch(work, jobs + i, 1);
        if (rv_one != APR_SUCCESS) {
            settle_failed(jobs[i], rv_one);
        }
    }
}
