/* Answers the jobs that read: LOAD, EVENTS, HEADS and PROBE; access.c does ACCESS. See jobs.h. */
#include "store/jobs.h"

#include "base/limits.h"
#include "store/sql_table.h"

#include <apr_strings.h>
#include <stdlib.h>

/* Events under construction, ascending. */
typedef struct {
    tc_event_t *first;
    tc_event_t **end;
    int count;
    int messages;
    size_t bytes;     /* of all events */
    size_t max_bytes; /* a single event may have more */
    bool cut;         /* events were left out, because they would be more than max_bytes */
} event_list_t;

static void list_init(event_list_t *list, size_t max_bytes)
{
    list->first = NULL;
    list->end = &list->first;
    list->count = list->messages = 0;
    list->bytes = 0;
    list->max_bytes = max_bytes;
    list->cut = false;
}

static void list_note(event_list_t *list, const tc_event_t *event)
{
    list->count++;
    list->messages += event->kind == TC_EVENT_MESSAGE;
    list->bytes += tc_event_size(event);
}

/* True if the event does not fit. The list is cut then, and owns the event no more. */
static bool list_leave_out(event_list_t *list, tc_event_t *event)
{
    if (list->count == 0 || list->bytes + tc_event_size(event) <= list->max_bytes) {
        return false;
    }
    list->cut = true;
    tc_event_unref(event);
    return true;
}

static void list_append(event_list_t *list, tc_event_t *event)
{
    if (!list_leave_out(list, event)) {
        *list->end = event;
        list->end = &event->next;
        list_note(list, event);
    }
}

/* Drops the oldest events instead of the newest ones. */
static void list_append_newest(event_list_t *list, tc_event_t *event)
{
    *list->end = event;
    list->end = &event->next;
    list_note(list, event);
    while (list->bytes > list->max_bytes && list->count > 1) {
        tc_event_t *oldest = list->first;

        list->first = oldest->next;
        list->count--;
        list->messages -= oldest->kind == TC_EVENT_MESSAGE;
        list->bytes -= tc_event_size(oldest);
        tc_event_unref(oldest);
    }
}

static void list_prepend(event_list_t *list, tc_event_t *event)
{
    if (list_leave_out(list, event)) {
        return;
    }
    event->next = list->first;
    if (list->first == NULL) {
        list->end = &event->next;
    }
    list->first = event;
    list_note(list, event);
}

/* Adds each row of a result to the list with `add`, in the result's order. */
static apr_status_t add_rows(tc_work_t *work, tc_sql_rows_t *rows, event_list_t *list,
                             void (*add)(event_list_t *list, tc_event_t *event))
{
    tc_sql_row_t *row;

    while ((row = tc_sql_next(rows)) != NULL) {
        tc_stored_t stored;
        tc_event_t *event;
        apr_status_t rv;

        if (list->cut) {
            continue; /* the rest of the rows */
        }
        tc_stored_read(rows, row, &stored);
        rv = tc_stored_to_event(work, &stored, NULL, &event);
        if (rv != APR_SUCCESS) {
            return rv;
        }
        add(list, event);
    }
    return APR_SUCCESS;
}

static apr_status_t read_head(tc_work_t *work, tc_job_t *job, const char *room)
{
    const char *args[] = {room};
    tc_sql_rows_t rows;
    tc_sql_row_t *row;
    apr_status_t rv = tc_sql_select(&work->sql, work->sql.dialect->head, args, 1, &rows, work->pool);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    row = tc_sql_next(&rows);
    if (row == NULL) {
        job->status = TC_JOB_GONE;
        return APR_SUCCESS;
    }
    job->last_seq = tc_sql_int(&rows, row, 0);
    return APR_SUCCESS;
}

static apr_status_t read_events(tc_work_t *work, const char *room, int64_t after, int limit, event_list_t *list,
                                void (*add)(event_list_t *list, tc_event_t *event))
{
    const char *from = apr_off_t_toa(work->pool, after);
    const char *args[] = {room, from, room, from, apr_itoa(work->pool, limit)};
    tc_sql_rows_t rows;
    apr_status_t rv = tc_sql_select(&work->sql, work->sql.dialect->events, args, 5, &rows, work->pool);

    return rv == APR_SUCCESS ? add_rows(work, &rows, list, add) : rv;
}

static apr_status_t read_before(tc_work_t *work, const char *room, int64_t before, int limit,
                                event_list_t *list)
{
    const char *args[] = {room, apr_off_t_toa(work->pool, before), apr_itoa(work->pool, limit)};
    tc_sql_rows_t rows;
    apr_status_t rv = tc_sql_select(&work->sql, work->sql.dialect->before, args, 3, &rows, work->pool);

    return rv == APR_SUCCESS ? add_rows(work, &rows, list, list_prepend) : rv;
}

/*
 * Reads the newest events for the room's log and, if these hold fewer messages than the history needs, older messages.
 * An event that is committed between the two reads is newer than the first one and comes live.
 */
static apr_status_t read_load(tc_work_t *work, tc_job_t *job, const char *room, event_list_t *list)
{
    int64_t after = job->last_seq > TC_ROOM_LOG_EVENTS ? job->last_seq - TC_ROOM_LOG_EVENTS : 0;
    apr_status_t rv = read_events(work, room, after, TC_ROOM_LOG_EVENTS, list, list_append_newest);

    if (rv == APR_SUCCESS && after > 0 && list->messages < job->limit && list->bytes < list->max_bytes) {
        rv = read_before(work, room, after + 1, job->limit - list->messages, list);
    }
    return rv;
}

static int64_t newest_seq(const event_list_t *list)
{
    const tc_event_t *event;
    int64_t seq = 0;

    for (event = list->first; event != NULL; event = event->next) {
        seq = event->seq;
    }
    return seq;
}

static apr_status_t answer(tc_work_t *work, tc_job_t *job, event_list_t *list)
{
    char room[TC_UUID_CHARS + 1];
    apr_status_t rv;

    tc_uuid_format(&job->room_id, room);
    rv = read_head(work, job, room);
    if (rv != APR_SUCCESS || job->status == TC_JOB_GONE) {
        return rv;
    }
    rv = job->kind == TC_JOB_LOAD ? read_load(work, job, room, list)
                                  : read_events(work, room, job->after, job->limit, list, list_append);
    job->complete = list->count < job->limit && !list->cut;
    if (newest_seq(list) > job->last_seq) {
        job->last_seq = newest_seq(list);
    }
    return rv;
}

apr_status_t tc_store_read_page(tc_work_t *work, const tc_uuid_t *room_id, int64_t from,
                                bool forward, int limit, tc_event_t **events, int *count)
{
    char room[TC_UUID_CHARS + 1];
    event_list_t list;
    apr_status_t rv;

    list_init(&list, SIZE_MAX);
    tc_uuid_format(room_id, room);
    rv = forward ? read_events(work, room, from, limit, &list, list_append)
                 : read_before(work, room, from, limit, &list);
    if (rv != APR_SUCCESS) {
        tc_event_unref_list(list.first);
        return rv;
    }
    *events = list.first;
    *count = list.count;
    return APR_SUCCESS;
}

static void keep_head(void *context, const tc_sql_rows_t *rows, tc_sql_row_t *row)
{
    tc_job_t *job = context;
    const char *id = tc_sql_text(rows, row, 0);
    tc_head_t key = {.last_seq = 0}, *head = NULL;

    if (tc_uuid_parse(id, strlen(id), &key.room_id)) {
        head = bsearch(&key, job->heads, (size_t)job->head_count, sizeof(key), tc_head_compare);
    }
    if (head != NULL) {
        head->last_seq = tc_sql_int(rows, row, 1);
    }
}

static apr_status_t read_heads(tc_work_t *work, tc_job_t *job)
{
    static const char *const columns[] = {"id", "last_seq", NULL};
    tc_sql_table_t table = tc_sql_table(columns, work->pool);
    int i;

    for (i = 0; i < job->head_count; i++) {
        char *id = apr_palloc(work->pool, TC_UUID_CHARS + 1);
        const char *row[] = {id, apr_off_t_toa(work->pool, job->heads[i].last_seq)};

        tc_uuid_format(&job->heads[i].room_id, id);
        tc_sql_table_add(&table, row);
    }
    return tc_sql_table_run(&table, &work->sql, work->sql.dialect->heads, keep_head, job,
                            work->pool);
}

static apr_status_t read_once(tc_work_t *work, tc_job_t *job)
{
    event_list_t list;
    apr_status_t rv;

    if (job->kind == TC_JOB_HEADS) {
        return read_heads(work, job);
    }
    if (job->kind == TC_JOB_PROBE) {
        return tc_dbd_find_head(work->store, &work->sql, &job->room_id, &job->last_seq, work->pool);
    }
    if (job->kind == TC_JOB_ACCESS) {
        return tc_store_read_access(work, job);
    }
    list_init(&list, job->max_bytes);
    rv = answer(work, job, &list);
    if (rv == APR_SUCCESS) {
        job->events = list.first;
    }
    else {
        tc_event_unref_list(list.first);
    }
    return rv;
}

void tc_store_read(tc_work_t *work, tc_job_t *job)
{
    int tries;

    for (tries = 0; tries < TC_STORE_TRIES && work->sql.handle != NULL; tries++) {
        apr_status_t rv = read_once(work, job);

        tc_dbd_note_answer(work->store);
        if (rv == APR_SUCCESS) {
            if (job->status == TC_JOB_PENDING) {
                job->status = TC_JOB_DONE;
            }
            return;
        }
        (void)tc_dbd_reopen(work->store, &work->sql, work->pool);
    }
    job->status = TC_JOB_UNAVAILABLE;
}
