/* Mends a room after the database has lost events of it. See mend.h, and chat_mend() in sql/chat.pgsql.sql. */
#include "store/mend.h"

#include "base/clock.h"
#include "base/limits.h"
#include "codec/json.h"

#include <apr_strings.h>
#include <stdlib.h>

/* A room that is being mended by statements. */
typedef struct {
    tc_work_t *work;
    tc_job_t *job;
    const char *id;
    int64_t newest;
    int32_t epoch;
    const char *now; /* the time of what is put back */
} mending_t;

/* One event of the job. */
typedef struct {
    int64_t seq;
    bool is_edit;
    json_object *message;
    const char *id;
} shown_t;

static const char *number(const mending_t *mending, int64_t value)
{
    return apr_off_t_toa(mending->work->pool, value);
}

static apr_status_t execute(const mending_t *mending, const char *statement, const char **args, int count)
{
    return tc_sql_execute(&mending->work->sql, statement, args, count, mending->work->pool);
}

static apr_status_t ask(const mending_t *mending, const char *statement, const char **args, int count,
                        tc_sql_rows_t *rows, tc_sql_row_t **row)
{
    apr_status_t rv = tc_sql_select(&mending->work->sql, statement, args, count, rows, mending->work->pool);

    *row = rv == APR_SUCCESS ? tc_sql_next(rows) : NULL;
    return rv;
}

/* Reads the room. *found is false when there is none. */
static apr_status_t find_room(tc_sql_t *sql, const char *id, int64_t *newest, int32_t *epoch, const char **at,
                              bool *found, apr_pool_t *pool)
{
    tc_sql_rows_t rows;
    tc_sql_row_t *row;
    apr_status_t rv = tc_sql_select(sql, sql->dialect->room_newest, &id, 1, &rows, pool);

    row = rv == APR_SUCCESS ? tc_sql_next(&rows) : NULL;
    *found = row != NULL;
    if (row != NULL) {
        *newest = tc_sql_int(&rows, row, 1);
        *at = tc_sql_text(&rows, row, 2);
        *epoch = (int32_t)tc_sql_int(&rows, row, 3);
    }
    return rv;
}

apr_status_t tc_mend_begin_epoch(tc_sql_t *sql, const char *room, int64_t known_seq, int64_t *newest, int32_t *epoch,
                                 apr_pool_t *pool)
{
    int64_t first = ((known_seq > *newest ? known_seq : *newest) / TC_EPOCH_NUMBERS + 1) * TC_EPOCH_NUMBERS;
    const char *args[] = {apr_off_t_toa(pool, first), room}, *at;
    apr_status_t rv = tc_sql_execute(sql, sql->dialect->begin_epoch, args, 2, pool);
    bool found;

    return rv == APR_SUCCESS ? find_room(sql, room, newest, epoch, &at, &found, pool) : rv;
}

static apr_status_t begin_epoch(mending_t *mending)
{
    return tc_mend_begin_epoch(&mending->work->sql, mending->id, mending->job->after, &mending->newest, &mending->epoch,
                               mending->work->pool);
}

/* ---- one event ---- */

static apr_status_t is_logged(const mending_t *mending, const shown_t *shown, bool *logged)
{
    const char *args[] = {mending->id, number(mending, shown->seq), shown->id};
    tc_sql_rows_t rows;
    tc_sql_row_t *row;
    apr_status_t rv = ask(mending, mending->work->sql.dialect->has_event, args, 3, &rows, &row);

    *logged = row != NULL;
    return rv;
}

/* Puts a message back at the end. If its sender does not exist any more, nothing is stored, which is no failure. */
static apr_status_t put_back_message(mending_t *mending, const shown_t *shown)
{
    json_object *sender = json_object_object_get(shown->message, "sender");
    json_object *reply = json_object_object_get(shown->message, "reply_to");
    bool is_edited = json_object_get_boolean(json_object_object_get(shown->message, "is_edited"));
    const char *row[] = {shown->id, mending->id, number(mending, mending->newest + 1), tc_json_get_text(sender, "id"), NULL,
                         tc_json_get_text(shown->message, "content"), tc_json_get_text(shown->message, "message_type"),
                         reply ? tc_json_get_text(reply, "id") : NULL, is_edited ? "1" : "0", mending->now, mending->now};
    apr_status_t rv = execute(mending, mending->work->sql.dialect->insert, row, 11);

    if (rv == APR_SUCCESS) {
        mending->newest++;
        mending->job->put_back++;
    }
    return rv == APR_SUCCESS || mending->work->sql.fault == TC_SQL_FAULT_PARENT ? APR_SUCCESS : rv;
}

static apr_status_t put_back_edit(mending_t *mending, const shown_t *shown)
{
    const tc_sql_dialect_t *dialect = mending->work->sql.dialect;
    const char *content[] = {tc_json_get_text(shown->message, "content"), mending->now, shown->id, mending->id};
    const char *event[] = {mending->id, shown->id, number(mending, mending->newest + 1), mending->now};
    apr_status_t rv = execute(mending, dialect->update, content, 4);

    if (rv == APR_SUCCESS) {
        rv = execute(mending, dialect->insert_edit, event, 4);
    }
    if (rv == APR_SUCCESS) {
        mending->newest++;
        mending->job->put_back++;
    }
    return rv;
}

/* Puts back an event that the log lacks, unless its message, or a later text of it, is there. */
static apr_status_t put_back(mending_t *mending, const shown_t *shown)
{
    const char *args[] = {shown->id, mending->id};
    const char *content = tc_json_get_text(shown->message, "content"), *at = tc_json_get_text(shown->message, "updated_at");
    tc_sql_rows_t rows;
    tc_sql_row_t *row;
    tc_stored_t stored;
    apr_status_t rv = ask(mending, mending->work->sql.dialect->find_message, args, 2, &rows, &row);

    if (rv != APR_SUCCESS || content == NULL || at == NULL) {
        return rv;
    }
    if (row == NULL) {
        return shown->is_edit ? APR_SUCCESS : put_back_message(mending, shown);
    }
    tc_stored_read(&rows, row, &stored);
    if (!shown->is_edit || strcmp(stored.content, content) == 0 || strcmp(stored.updated_at, at) >= 0) {
        return APR_SUCCESS;
    }
    return put_back_edit(mending, shown);
}

static apr_status_t mend_event(mending_t *mending, const shown_t *shown)
{
    bool logged = false;
    apr_status_t rv = is_logged(mending, shown, &logged);

    if (rv != APR_SUCCESS || logged) {
        return rv;
    }
    if (mending->job->lost++ == 0 && mending->epoch == mending->job->epoch) {
        rv = begin_epoch(mending);
    }
    return rv == APR_SUCCESS ? put_back(mending, shown) : rv;
}

/* ---- all events ---- */

/* Each event is a line of the job's JSON, behind a bracket or a comma. */
static apr_status_t mend_line(mending_t *mending, const char *line, size_t len)
{
    json_object *object = NULL;
    shown_t shown;
    apr_status_t rv = APR_SUCCESS;

    if (tc_json_parse_object(line, len, TC_JSON_MAX_DEPTH, TC_JSON_MAX_VALUES, &object) != TC_JSON_OK) {
        return APR_SUCCESS;
    }
    shown.seq = json_object_get_int64(json_object_object_get(object, "seq"));
    shown.is_edit = json_object_get_int(json_object_object_get(object, "kind")) != 0;
    shown.message = json_object_object_get(object, "message");
    shown.id = shown.message ? tc_json_get_text(shown.message, "id") : NULL;
    if (shown.id != NULL) {
        rv = mend_event(mending, &shown);
    }
    tc_json_free(object);
    return rv;
}

static apr_status_t mend_lines(mending_t *mending)
{
    const char *line = mending->job->content + 1, *end;
    apr_status_t rv = APR_SUCCESS;

    for (; rv == APR_SUCCESS && (end = strchr(line, '\n')) != NULL; line = end + 2) {
        rv = mend_line(mending, line, (size_t)(end - line));
    }
    return rv;
}

static apr_status_t mend_by_statements(tc_work_t *work, tc_job_t *job, const char *room)
{
    char *now = apr_palloc(work->pool, TC_CLOCK_RFC3339_BYTES);
    mending_t mending = {work, job, room, 0, -1, now};
    const char *at = NULL;
    bool found = false;
    apr_status_t rv = find_room(&work->sql, room, &mending.newest, &mending.epoch, &at, &found, work->pool);

    tc_clock_rfc3339(tc_clock_wall_us(), now);
    if (at != NULL && strcmp(at, now) > 0) {
        mending.now = at;
    }
    if (rv == APR_SUCCESS && found && job->after > mending.newest && job->epoch == mending.epoch) {
        rv = begin_epoch(&mending);
    }
    if (rv == APR_SUCCESS && found) {
        rv = mend_lines(&mending);
    }
    if (rv == APR_SUCCESS && found && job->put_back > 0) {
        const char *args[] = {number(&mending, mending.newest), room};

        rv = execute(&mending, work->sql.dialect->advance, args, 2);
    }
    job->epoch = mending.epoch;
    job->last_seq = found ? mending.newest : -1;
    return rv;
}

static apr_status_t in_transaction(tc_work_t *work, tc_job_t *job, const char *room)
{
    int32_t believed = job->epoch;
    apr_status_t rv = tc_sql_begin(&work->sql);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = mend_by_statements(work, job, room);
    if (rv == APR_SUCCESS) {
        rv = tc_sql_commit(&work->sql);
    }
    if (rv != APR_SUCCESS) {
        (void)tc_sql_rollback(&work->sql);
        job->epoch = believed;
        job->lost = job->put_back = 0;
    }
    return rv;
}

static apr_status_t mend_by_call(tc_work_t *work, tc_job_t *job, const char *room)
{
    const char *args[] = {room, apr_itoa(work->pool, job->epoch), apr_off_t_toa(work->pool, job->after), job->content};
    tc_sql_rows_t rows;
    tc_sql_row_t *row;
    apr_status_t rv = tc_sql_select(&work->sql, work->sql.dialect->mend, args, 4, &rows, work->pool);

    row = rv == APR_SUCCESS ? tc_sql_next(&rows) : NULL;
    if (rv != APR_SUCCESS || row == NULL) {
        job->last_seq = -1;
        return rv;
    }
    job->epoch = (int32_t)tc_sql_int(&rows, row, 0);
    job->last_seq = tc_sql_int(&rows, row, 1);
    job->lost = (int)tc_sql_int(&rows, row, 2);
    job->put_back = (int)tc_sql_int(&rows, row, 3);
    return rv;
}

apr_status_t tc_store_mend(tc_work_t *work, tc_job_t *job)
{
    char room[TC_UUID_CHARS + 1];
    apr_status_t rv;

    tc_uuid_format(&job->room_id, room);
    rv = work->sql.dialect->mend ? mend_by_call(work, job, room) : in_transaction(work, job, room);
    if (rv == APR_SUCCESS && job->last_seq < 0) {
        job->status = TC_JOB_GONE;
    }
    return rv;
}
