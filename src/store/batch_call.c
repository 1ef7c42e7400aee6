/*
 * Stores a batch by one call of chat_store(), the function of sql/chat.pgsql.sql. Its types chat_job and chat_outcome
 * say what goes in and comes out. See batch.h.
 */
#include "store/batch.h"

#include "codec/json.h"
#include "codec/utf8.h"
#include "store/libpq.h"

#include <apr_strings.h>

static void append_uuid(tc_buf_t *json, const char *name, const tc_uuid_t *uuid)
{
    char text[TC_UUID_CHARS + 1];

    tc_uuid_format(uuid, text);
    tc_buf_append_str(json, name);
    tc_json_append_str(json, text);
}

static void append_text(tc_buf_t *json, const char *name, const char *text)
{
    if (text != NULL) {
        tc_buf_append_str(json, name);
        tc_json_append_str(json, text);
    }
}

/* Whether the names of the job's sender go with it, because the database may not have them. */
static bool has_names(const tc_work_t *work, const tc_job_t *job)
{
    return job->kind == TC_JOB_POST && !tc_noted_has(work->noted, work->store->store.site, job->user);
}

bool tc_batch_has_odd_names(const tc_work_t *work, const tc_job_t *job)
{
    return !tc_utf8_is_ascii(job->user->sender_json) && has_names(work, job);
}

/* A question mark for each character that is not ASCII's. */
static void append_plain(tc_buf_t *json, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;

        if (byte < 0x80 || byte >= 0xc0) { /* the other bytes of a character are left out */
            tc_buf_append(json, byte < 0x80 ? text : "?", 1);
        }
    }
}

static void append_job(tc_buf_t *json, const tc_work_t *work, const tc_job_t *job, int n)
{
    bool post = job->kind == TC_JOB_POST;

    TC_BUF_LIT(json, "{\"n\":");
    tc_buf_append_int(json, n);
    tc_buf_append_str(json, post ? ",\"kind\":0" : ",\"kind\":1");
    append_uuid(json, ",\"id\":", &job->message_id);
    append_uuid(json, ",\"room_id\":", &job->room_id);
    append_text(json, ",\"sender_id\":", job->user->id);
    append_text(json, ",\"client_id\":", job->client_id);
    append_text(json, ",\"content\":", job->content);
    append_text(json, ",\"message_type\":", post ? job->message_type : NULL);
    if (job->has_reply) {
        append_uuid(json, ",\"reply_to_id\":", &job->reply_to);
    }
    if (job->known_seq > 0) {
        TC_BUF_LIT(json, ",\"known_seq\":");
        tc_buf_append_int(json, job->known_seq);
    }
    if (job->in_doubt) {
        TC_BUF_LIT(json, ",\"again\":true");
    }
    if (has_names(work, job)) {
        TC_BUF_LIT(json, ",\"sender\":");
        if (work->plain_names) {
            append_plain(json, job->user->sender_json);
        }
        else {
            tc_buf_append_str(json, job->user->sender_json);
        }
    }
    TC_BUF_LIT(json, "}");
}

static const char *to_json(const tc_work_t *work, tc_job_t *const *jobs, int count)
{
    tc_buf_t json = TC_BUF_INIT;
    const char *text;
    int i;

    for (i = 0; i < count; i++) {
        tc_buf_append_str(&json, i == 0 ? "[" : ",");
        append_job(&json, work, jobs[i], i);
    }
    TC_BUF_LIT(&json, "]");
    text = apr_pstrmemdup(work->pool, (const char *)json.data, json.len);
    tc_buf_free(&json);
    return text;
}

/* What an outcome means for its job. */
typedef struct {
    const char *outcome;
    tc_job_status_e status;
    tc_chat_error_e error;
    tc_busy_key_e busy_key;
} meaning_t;

static const meaning_t meanings[] = {
    {"stored", TC_JOB_DONE, TC_CHAT_OK, 0},
    {"repeated", TC_JOB_DONE, TC_CHAT_OK, 0},
    {"no_reply", TC_JOB_REFUSED, TC_CHAT_REPLY_NOT_FOUND, 0},
    {"no_message", TC_JOB_REFUSED, TC_CHAT_MESSAGE_NOT_FOUND, 0},
    {"not_sender", TC_JOB_REFUSED, TC_CHAT_NOT_SENDER, 0},
    {"no_sender", TC_JOB_REFUSED, TC_CHAT_FORBIDDEN, 0},
    {"gone", TC_JOB_GONE, TC_CHAT_UNAVAILABLE, 0},
    {"busy_room", TC_JOB_BUSY, TC_CHAT_UNAVAILABLE, TC_BUSY_ROOM},
    {"busy_sender", TC_JOB_BUSY, TC_CHAT_UNAVAILABLE, TC_BUSY_SENDER},
    {"busy_target", TC_JOB_BUSY, TC_CHAT_UNAVAILABLE, TC_BUSY_TARGET}
};

static void judge(tc_work_t *work, tc_job_t *job, const char *outcome, const char *reason)
{
    size_t i;

    for (i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
        if (strcmp(meanings[i].outcome, outcome) == 0) {
            job->status = meanings[i].status;
            job->error = meanings[i].error;
            job->busy_key = meanings[i].busy_key;
            job->was_busy = job->status == TC_JOB_BUSY;
            return;
        }
    }
    job->status = tc_sql_fault_is_own(outcome) ? TC_JOB_REFUSED : TC_JOB_UNAVAILABLE;
    job->error = TC_CHAT_INTERNAL;
    work->sql.no_writes = work->sql.no_writes
                          || tc_sql_fault_stops_writes(apr_pstrcat(work->pool, "ERROR:  ", outcome, ":", NULL));
    tc_sql_log_failure(apr_pstrcat(work->pool, "a message was not stored: ", outcome, NULL), reason ? reason : "");
}

/* Takes the outcome of one job. A message that comes back without its content is the job's own. NULL: no message. */
static tc_stored_t *take(tc_work_t *work, tc_job_t *job, const tc_sql_rows_t *rows, tc_sql_row_t *row)
{
    const char *text = tc_sql_text(rows, row, TC_COL_OUTCOME), *outcome = text ? text : "";
    tc_stored_t *stored = apr_palloc(work->pool, sizeof(*stored));

    tc_stored_read(rows, row, stored);
    judge(work, job, outcome, stored->content);
    if (job->status != TC_JOB_DONE) {
        return NULL;
    }
    job->epoch = (int32_t)tc_sql_int(rows, row, TC_COL_EPOCH);
    job->repeated = strcmp(outcome, "repeated") == 0;
    if (stored->content == NULL) {
        stored->content = job->content;
    }
    return stored;
}

/*
 * Makes the events of all jobs that were stored, after one statement has asked for the authors replied to: chat_people
 * rather than the site, because what is stored must not wait for a table that somebody has locked. If it fails, those who
 * are not known are without an address.
 */
static bool make_events(tc_work_t *work, tc_job_t *const *jobs, tc_stored_t *const *stored, int count)
{
    const char **authors = apr_palloc(work->pool, (apr_size_t)count * sizeof(*authors));
    int i, author_count = 0;

    for (i = 0; i < count; i++) {
        if (stored[i] != NULL && stored[i]->reply_id != NULL) {
            authors[author_count++] = stored[i]->reply_sender_id;
        }
    }
    (void)tc_people_learn_former(work->people, work->store, &work->sql, authors, author_count, work->pool);
    for (i = 0; i < count; i++) {
        if (stored[i] != NULL
            && tc_stored_to_event(work, stored[i], jobs[i]->user, jobs[i]->client_id, &jobs[i]->events)
                   != APR_SUCCESS) {
            return false;
        }
    }
    return true;
}

/* A job without a row would be told neither that it is stored nor that it is not. */
static bool take_all(tc_work_t *work, tc_job_t *const *jobs, int count, tc_sql_rows_t *rows)
{
    tc_stored_t **stored = apr_pcalloc(work->pool, (apr_size_t)count * sizeof(*stored));
    tc_sql_row_t *row;
    int taken = 0;

    while ((row = tc_sql_next(rows)) != NULL) {
        int64_t n = tc_sql_int(rows, row, TC_COL_JOB);

        if (n < 0 || n >= count) {
            return false;
        }
        stored[n] = take(work, jobs[n], rows, row);
        taken++;
    }
    return taken == count && make_events(work, jobs, stored, count);
}

tc_try_e tc_batch_call(tc_work_t *work, tc_job_t *const *jobs, int count, bool patient, bool strict)
{
    const char *args[] = {to_json(work, jobs, count), patient ? "true" : "false",
                          strict ? "true" : "false"};
    tc_sql_rows_t rows;
    apr_status_t rv;

    work->sql.often = true;
    rv = tc_sql_select(&work->sql, work->sql.dialect->store, args, 3, &rows, work->pool);
    work->sql.often = false;
    if (rv != APR_SUCCESS) {
        return tc_libpq_is_connected(&work->sql, work->pool) ? TC_TRY_FAILED : TC_TRY_IN_DOUBT;
    }
    if (!take_all(work, jobs, count, &rows)) {
        tc_batch_drop_results(jobs, count);
        return TC_TRY_IN_DOUBT;
    }
    tc_batch_note_stored(work, jobs, count);
    return TC_TRY_DONE;
}
