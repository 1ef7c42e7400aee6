/*
 * A message as the database holds it, and the event it becomes. Db.
 */
#ifndef TC_STORE_STORED_H
#define TC_STORE_STORED_H

#include "store/people.h"

/* Strings belong to the pool that the rows were read with. */
typedef struct {
    int64_t seq;
    tc_event_kind_e kind;
    const char *id;
    const char *room_id;
    const char *sender_id;
    const char *content;
    const char *message_type;
    bool is_edited;
    const char *created_at;
    const char *updated_at;
    const char *reply_id; /* NULL: no reply */
    const char *reply_content;
    const char *reply_sender_id;
    const char *client_id; /* NULL: none */
} tc_stored_t;

/* What a db thread works with: one site's connection, its own memory of users, a pool for the job. */
typedef struct {
    tc_dbd_t *store;
    tc_sql_t sql;
    tc_people_t *people;
    apr_pool_t *pool;
} tc_work_t;

/* Reads a row whose columns are tc_sql_message_column_e. */
void tc_stored_read(const tc_sql_rows_t *rows, tc_sql_row_t *row, tc_stored_t *out);

/*
 * Encodes the event; with a copy for whom it answers when `client_id` is not NULL. One reference, the
 * caller's. Fails when a user cannot be asked for (logged).
 */
apr_status_t tc_stored_to_event(tc_work_t *work, const tc_stored_t *stored, const char *client_id,
                                tc_event_t **out);

#endif
