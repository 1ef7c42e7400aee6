/* ACCESS jobs: may these users still enter the trip? See jobs.h. */
#include "store/jobs.h"

#include "base/limits.h"
#include "base/log.h"

#include <apr_strings.h>

#define STATEMENT_USERS 256 /* users that one statement asks for; a power of two */

/*
 * The site's access query for `count` users in one statement. It returns the room's last_seq, then 1 or 0 for each
 * user. `count` is a power of two, so that a connection prepares few different statements.
 */
static const char *combined_statement(const tc_sql_query_t *query, int count, apr_pool_t *pool)
{
    const char *one = apr_pstrcat(pool, ", CASE WHEN EXISTS (", query->text, "\n) THEN 1 ELSE 0 END", NULL);
    const char *head = "SELECT (SELECT last_seq FROM chat_rooms WHERE id = %s)";
    apr_size_t head_len = strlen(head), one_len = strlen(one);
    char *text = apr_palloc(pool, head_len + (apr_size_t)count * one_len + 1), *at = text + head_len;
    int i;

    memcpy(text, head, head_len);
    for (i = 0; i < count; i++, at += one_len) {
        memcpy(at, one, one_len);
    }
    *at = '\0';
    return text;
}

static int power_of_two_from(int count)
{
    int power = 1;

    while (power < count) {
        power *= 2;
    }
    return power;
}

/* Asks for `count` of the job's users. */
static apr_status_t ask_some(tc_work_t *work, tc_job_t *job, tc_access_t *users, int count, const char *room,
                             const char *trip, const char **why)
{
    const tc_sql_query_t *query = work->store->access_query;
    int places = power_of_two_from(count), i;
    const char **args = apr_palloc(work->pool, (1 + (apr_size_t)places * TC_SQL_QUERY_PLACES)
                                                   * sizeof(*args));
    tc_sql_rows_t rows;
    tc_sql_row_t *row;
    apr_status_t rv;

    args[0] = room;
    for (i = 0; i < places; i++) {
        const tc_access_t *entry = &users[i < count ? i : count - 1];

        tc_sql_query_bind(query, trip, entry->user->id, args + 1 + (ptrdiff_t)i * query->count);
    }
    rv = tc_sql_ask(&work->sql, combined_statement(query, places, work->pool), args,
                    1 + places * query->count, &rows, why, work->pool);
    row = rv == APR_SUCCESS ? tc_sql_next(&rows) : NULL;
    if (row == NULL) {
        return rv == APR_SUCCESS ? APR_EGENERAL : rv;
    }
    job->last_seq = tc_sql_text(&rows, row, 0) ? tc_sql_int(&rows, row, 0) : -1;
    for (i = 0; i < count; i++) {
        users[i].allowed = tc_sql_int(&rows, row, i + 1) == 1;
    }
    return APR_SUCCESS;
}

/* Fails when the site's query cannot stand inside another one, because it ends in a semicolon or writes. */
static apr_status_t ask_combined(tc_work_t *work, tc_job_t *job, const char *room, const char *trip,
                                 const char **why)
{
    apr_status_t rv = APR_SUCCESS;
    int at, count;

    for (at = 0; at < job->user_count && rv == APR_SUCCESS; at += count) {
        count = job->user_count - at < STATEMENT_USERS ? job->user_count - at : STATEMENT_USERS;
        rv = ask_some(work, job, job->users + at, count, room, trip, why);
    }
    return rv;
}

static apr_status_t ask_singly(tc_work_t *work, tc_job_t *job)
{
    apr_status_t rv = tc_dbd_find_head(work->store, &work->sql, &job->room_id, &job->last_seq,
                                       work->pool);
    int i;

    for (i = 0; rv == APR_SUCCESS && i < job->user_count; i++) {
        rv = tc_dbd_check_access(work->store, &work->sql, &job->trip, job->users[i].user->id,
                                 &job->users[i].allowed, work->pool);
    }
    return rv;
}

/* A database in this process (SQLite) is asked once for each user: there is no round trip to save. */
static apr_status_t ask(tc_work_t *work, tc_job_t *job)
{
    char room[TC_UUID_CHARS + 1], space[TC_TRIP_MAX_BYTES + 1];
    const char *trip, *why = "no row";
    apr_status_t rv;
    int tries;

    if (!work->sql.dialect->remote || atomic_load(&work->store->asks_singly)) {
        return ask_singly(work, job);
    }
    tc_uuid_format(&job->room_id, room);
    trip = tc_trip_to_sql(&job->trip, work->store->store.site->rules.trip_form, space);
    for (tries = 0; tries < 2; tries++) {
        if (ask_combined(work, job, room, trip, &why) == APR_SUCCESS) {
            return APR_SUCCESS;
        }
        if (!tc_dbd_reopen(work->store, &work->sql, work->pool)) {
            return APR_EGENERAL;
        }
    }
    rv = ask_singly(work, job);
    if (rv == APR_SUCCESS && !atomic_exchange(&work->store->asks_singly, true)) {
        tc_log(TC_LOG_INFO, 0, "TC0014: TripChatAccessQuery of %s cannot run inside EXISTS (...), so it runs once "
               "for each user: %s", work->store->store.site->name, why);
    }
    return rv;
}

apr_status_t tc_store_read_access(tc_work_t *work, tc_job_t *job)
{
    apr_status_t rv = ask(work, job);

    if (rv == APR_SUCCESS && job->last_seq < 0) {
        job->status = TC_JOB_GONE;
    }
    return rv;
}
