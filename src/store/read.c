/* Answers the jobs that read: LOAD, EVENTS, HEADS and PROBE; access.c does ACCESS, mend.c MEND. See jobs.h. */
#include "store/jobs.h"

#include "base/limits.h"
#include "store/check.h"
#include "store/mend.h"
#include "store/sql_table.h"

#include <apr_strings.h>
#include <stdlib.h>

#define PORTION_LEAST 16 /* events that a statement reads, however long they may be */
#define ANY (-1) /* in place of a seq: the newest events are read */

/* Events under construction, ascending. */
typedef struct {
    tc_event_t *first, *last;
    int count;
    int messages;
    size_t bytes;     /* of all events */
    size_t max_bytes; /* a single event may have more */
    bool cut;         /* events were left out, because they would be more than max_bytes */
} event_list_t;

static void list_init(event_list_t *list, size_t max_bytes)
{
    list->first = list->last = NULL;
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

/* True if the event does not fit. The list is cut then, and the event freed. */
static bool list_leave_out(event_list_t *list, tc_event_t *event)
{
    if (list->count == 0 || list->bytes + tc_event_size(event) <= list->max_bytes) {
        return false;
    }
    list->cut = true;
    tc_event_unref(event);
    return true;
}

static void list_link(event_list_t *list, tc_event_t *event)
{
    *(list->last ? &list->last->next : &list->first) = event;
    list->last = event;
    list_note(list, event);
}

static void list_append(event_list_t *list, tc_event_t *event)
{
    if (!list_leave_out(list, event)) {
        list_link(list, event);
    }
}

/* Drops the oldest events instead of the newest ones. */
static void list_append_newest(event_list_t *list, tc_event_t *event)
{
    list_link(list, event);
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
        list->last = event;
    }
    list->first = event;
    list_note(list, event);
}

/* True if the list can take no more, and there may be more. */
static bool list_is_full(const event_list_t *list)
{
    return list->cut || list->bytes >= list->max_bytes;
}

typedef void add_fn(event_list_t *list, tc_event_t *event);

/* Rows on their way into a list: their people are asked for in one statement, before the events are made. */
typedef struct {
    tc_work_t *work;
    event_list_t *list;
    add_fn *add;
    const tc_stored_t *rows[TC_STORE_PEOPLE];
    int count;
} intake_t;

static apr_status_t add_events(intake_t *intake)
{
    apr_status_t rv = tc_stored_learn(intake->work, intake->rows, intake->count);
    int i;

    for (i = 0; rv == APR_SUCCESS && i < intake->count && !intake->list->cut; i++) {
        tc_event_t *event;

        rv = tc_stored_to_event(intake->work, intake->rows[i], NULL, NULL, &event);
        if (rv == APR_SUCCESS) {
            intake->add(intake->list, event);
        }
    }
    intake->count = 0;
    return rv;
}

/* Takes the message or event of a row in. A room without events has a row that has none. add_events() follows. */
static apr_status_t add_row(intake_t *intake, const tc_sql_rows_t *rows, tc_sql_row_t *row)
{
    tc_stored_t *stored = apr_palloc(intake->work->pool, sizeof(*stored));

    tc_stored_read(rows, row, stored);
    if (stored->id != NULL) {
        intake->rows[intake->count++] = stored;
    }
    return intake->count == TC_STORE_PEOPLE ? add_events(intake) : APR_SUCCESS;
}

/*
 * Reads at most `limit` events after the seq `after`, or the newest ones if `after` is ANY. *head is the room's last
 * seq, or -1 if there is no such room; *epoch is its epoch.
 */
static apr_status_t read_events(tc_work_t *work, const char *room, int64_t after, int limit,
                                event_list_t *list, int64_t *head, int32_t *epoch)
{
    const char *args[] = {room, apr_off_t_toa(work->pool, after), apr_itoa(work->pool, limit)};
    tc_sql_rows_t rows;
    tc_sql_row_t *row;
    intake_t intake = {.work = work, .list = list, .add = after == ANY ? list_append_newest : list_append};
    apr_status_t rv;

    work->sql.often = true;
    rv = tc_dbd_select(work->store, &work->sql, work->sql.dialect->events, args, 3, &rows, &row, work->pool);
    work->sql.often = false;
    for (; rv == APR_SUCCESS && row != NULL; row = rv == APR_SUCCESS ? tc_sql_next(&rows) : NULL) {
        int64_t seq = tc_sql_int(&rows, row, TC_COL_SEQ), last = tc_sql_int(&rows, row, TC_COL_HEAD);

        *head = seq > last ? seq : last > *head ? last : *head;
        *epoch = (int32_t)tc_sql_int(&rows, row, TC_COL_EPOCH);
        rv = add_row(&intake, &rows, row);
    }
    return rv == APR_SUCCESS ? add_events(&intake) : rv;
}

static apr_status_t read_before(tc_work_t *work, const char *room, int64_t before, int limit,
                                event_list_t *list)
{
    const char *args[] = {room, apr_off_t_toa(work->pool, before), apr_itoa(work->pool, limit)};
    tc_sql_rows_t rows;
    tc_sql_row_t *row;
    intake_t intake = {.work = work, .list = list, .add = list_prepend};
    apr_status_t rv = tc_sql_select(&work->sql, work->sql.dialect->before, args, 3, &rows, work->pool);

    while (rv == APR_SUCCESS && (row = tc_sql_next(&rows)) != NULL) {
        rv = add_row(&intake, &rows, row);
    }
    return rv == APR_SUCCESS ? add_events(&intake) : rv;
}

/* How many of `limit` events the next statement reads: a driver holds all rows of a statement at once. */
static int portion_of(const tc_work_t *work, int limit)
{
    size_t longest = 4 * work->store->store.site->rules.max_content_chars;
    size_t most = TC_STORE_PORTION_BYTES / longest;

    most = most < PORTION_LEAST ? PORTION_LEAST : most > TC_ROOM_LOG_EVENTS ? TC_ROOM_LOG_EVENTS : most;
    return (size_t)limit < most ? limit : (int)most;
}

/* Reads events after `after` in portions, until there are no more, or `limit`, or as many as fit the list. */
static apr_status_t read_after(tc_work_t *work, const char *room, int64_t after, int limit, event_list_t *list,
                               int64_t *head, int32_t *epoch)
{
    int32_t first_epoch = 0;
    apr_status_t rv;
    int had, asked;

    *head = -1;
    do {
        had = list->count;
        asked = portion_of(work, limit - had);
        rv = read_events(work, room, after, asked, list, head, epoch);
        after = list->last ? list->last->seq : after;
        if (had > 0 && *epoch != first_epoch) {
            rv = APR_EGENERAL; /* a fail-over between two portions; the caller tries again */
        }
        first_epoch = *epoch;
    } while (rv == APR_SUCCESS && list->count - had == asked && list->count < limit && !list_is_full(list));
    return rv;
}

/* The same for messages before `before`, the newest first. */
static apr_status_t read_older(tc_work_t *work, const char *room, int64_t before, int limit, event_list_t *list)
{
    apr_status_t rv;
    int had, asked, wanted = list->count + limit;

    do {
        had = list->count;
        asked = portion_of(work, wanted - had);
        rv = read_before(work, room, before, asked, list);
        before = list->first ? list->first->seq : before;
    } while (rv == APR_SUCCESS && list->count - had == asked && list->count < wanted && !list_is_full(list));
    return rv;
}

/*
 * LOAD reads the newest events for the room's log and, if these hold fewer messages than the history needs, older
 * messages. An event that is committed between the two reads is newer than the first one and comes live.
 */
static apr_status_t answer(tc_work_t *work, tc_job_t *job, event_list_t *list)
{
    bool load = job->kind == TC_JOB_LOAD;
    int limit = load ? portion_of(work, TC_ROOM_LOG_EVENTS) : job->limit;
    char room[TC_UUID_CHARS + 1];
    apr_status_t rv;

    tc_uuid_format(&job->room_id, room);
    job->last_seq = -1;
    rv = load ? read_events(work, room, ANY, limit, list, &job->last_seq, &job->epoch)
              : read_after(work, room, job->after, limit, list, &job->last_seq, &job->epoch);
    if (rv == APR_SUCCESS && job->last_seq < 0) {
        job->status = TC_JOB_GONE;
        return APR_SUCCESS;
    }
    job->complete = list->count < limit && !list_is_full(list);
    if (rv == APR_SUCCESS && load && job->last_seq > limit && list->messages < job->limit
        && list->bytes < list->max_bytes) {
        int64_t before = list->first ? list->first->seq : job->last_seq - limit + 1;

        rv = read_older(work, room, before, job->limit - list->messages, list);
    }
    return rv;
}

apr_status_t tc_store_read_page(tc_work_t *work, const tc_uuid_t *room_id, int64_t from,
                                bool forward, int limit, tc_event_t **events, int *count, bool *full)
{
    char room[TC_UUID_CHARS + 1];
    event_list_t list;
    apr_status_t rv;
    int64_t head;
    int32_t epoch = 0;

    list_init(&list, TC_STORE_READ_BYTES);
    tc_uuid_format(room_id, room);
    rv = forward ? read_after(work, room, from, limit, &list, &head, &epoch)
                 : read_older(work, room, from, limit, &list);
    if (rv != APR_SUCCESS) {
        tc_event_unref_list(list.first);
        return rv;
    }
    *events = list.first;
    *count = list.count;
    *full = list.count == limit || list_is_full(&list);
    return APR_SUCCESS;
}

typedef struct {
    tc_head_t *list;
    int count;
} heads_t;

static void keep_head(void *context, const tc_sql_rows_t *rows, tc_sql_row_t *row)
{
    const heads_t *heads = context;
    const char *id = tc_sql_text(rows, row, 0);
    tc_head_t key = {.last_seq = 0}, *head = NULL;

    if (tc_uuid_parse(id, strlen(id), &key.room_id)) {
        head = bsearch(&key, heads->list, (size_t)heads->count, sizeof(key), tc_head_compare);
    }
    if (head != NULL) {
        int64_t last_seq = tc_sql_int(rows, row, 1);

        head->is_odd = last_seq < head->last_seq || tc_sql_int(rows, row, 2) != head->epoch;
        head->last_seq = last_seq;
    }
}

apr_status_t tc_store_read_heads(tc_work_t *work, tc_head_t *heads, int count)
{
    static const char *const columns[] = {"id", "last_seq", "epoch", NULL};
    tc_sql_table_t table = tc_sql_table(columns, work->pool);
    heads_t context = {heads, count};
    int i;

    for (i = 0; i < count; i++) {
        char *id = apr_palloc(work->pool, TC_UUID_CHARS + 1);
        const char *row[] = {id, apr_off_t_toa(work->pool, heads[i].last_seq),
                             apr_itoa(work->pool, heads[i].epoch)};

        tc_uuid_format(&heads[i].room_id, id);
        tc_sql_table_add(&table, row);
    }
    return tc_sql_table_run(&table, &work->sql, work->sql.dialect->heads, keep_head, &context,
                            work->pool);
}

static apr_status_t read_once(tc_work_t *work, tc_job_t *job)
{
    event_list_t list;
    apr_status_t rv;

    if (job->kind == TC_JOB_HEADS) {
        return tc_store_read_heads(work, job->heads, job->head_count);
    }
    if (job->kind == TC_JOB_PROBE) {
        tc_check_if_due(work->store, &work->sql, work->pool);
        rv = tc_dbd_find_head(work->store, &work->sql, &job->room_id, &job->last_seq, NULL, work->pool);
        if (rv == APR_SUCCESS || rv == APR_NOTFOUND) {
            tc_dbd_try_writes(work->store, &work->sql, work->pool);
        }
        return rv;
    }
    if (job->kind == TC_JOB_MEND) {
        return tc_store_mend(work, job);
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
