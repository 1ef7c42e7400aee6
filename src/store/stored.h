/* A message as the database holds it, and the event that is made of it. Db; a worker that reads a page, too. */
#ifndef TC_STORE_STORED_H
#define TC_STORE_STORED_H

#include "store/noted.h"
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

/* What a db thread works with: a connection of one site, the thread's memories of users, and a pool for the job. */
typedef struct {
    tc_dbd_t *store;
    tc_sql_t sql;
    tc_people_t *people;
    tc_noted_t *noted; /* NULL where nothing is stored */
    apr_pool_t *pool;
    bool plain_names; /* names are stored in ASCII: the encoding of the database lacks a character of them */
} tc_work_t;

/* Fills *out from a row whose columns are tc_sql_message_column_e. */
void tc_stored_read(const tc_sql_rows_t *rows, tc_sql_row_t *row, tc_stored_t *out);

/*
 * Asks for the people of messages whom the memory does not know, in one statement: senders, and authors replied to.
 * APR_SUCCESS, or the query's failure (logged).
 */
apr_status_t tc_stored_learn(tc_work_t *work, const tc_stored_t *const *stored, int count);

/*
 * Makes the event of a message. `sender`: its sender, if the caller knows them; NULL: they are in the memory of people.
 * The author replied to is there, too. It asks the database for nobody: the caller has asked before, and whoever is not
 * in the memory is a deleted user. If `client_id` is not NULL, the event has a second encoding with it, for its sender.
 * *event is a reference, the caller's. Fails when the message's id is not a UUID.
 */
apr_status_t tc_stored_to_event(tc_work_t *work, const tc_stored_t *stored, const tc_user_t *sender,
                                const char *client_id, tc_event_t **out);

#endif
