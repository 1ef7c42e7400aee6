/* Makes events of the database's messages. See stored.h. */
#include "store/stored.h"

void tc_stored_read(const tc_sql_rows_t *rows, tc_sql_row_t *row, tc_stored_t *out)
{
    out->seq = tc_sql_int(rows, row, TC_COL_SEQ);
    out->kind = tc_sql_int(rows, row, TC_COL_KIND) ? TC_EVENT_EDIT : TC_EVENT_MESSAGE;
    out->id = tc_sql_text(rows, row, TC_COL_ID);
    out->room_id = tc_sql_text(rows, row, TC_COL_ROOM);
    out->sender_id = tc_sql_text(rows, row, TC_COL_SENDER);
    out->content = tc_sql_text(rows, row, TC_COL_CONTENT);
    out->message_type = tc_sql_text(rows, row, TC_COL_TYPE);
    out->is_edited = tc_sql_int(rows, row, TC_COL_EDITED) != 0;
    out->created_at = tc_sql_text(rows, row, TC_COL_CREATED);
    out->updated_at = tc_sql_text(rows, row, TC_COL_UPDATED);
    out->reply_id = tc_sql_text(rows, row, TC_COL_REPLY_ID);
    out->reply_content = tc_sql_text(rows, row, TC_COL_REPLY_CONTENT);
    out->reply_sender_id = tc_sql_text(rows, row, TC_COL_REPLY_SENDER);
    out->client_id = tc_sql_text(rows, row, TC_COL_CLIENT_ID);
}

apr_status_t tc_stored_learn(tc_work_t *work, const tc_stored_t *const *stored, int count)
{
    const char **ids = apr_palloc(work->pool, 2 * ((apr_size_t)count + 1) * sizeof(*ids));
    int i, ids_count = 0;

    for (i = 0; i < count; i++) {
        ids[ids_count++] = stored[i]->sender_id;
        if (stored[i]->reply_id != NULL) {
            ids[ids_count++] = stored[i]->reply_sender_id;
        }
    }
    return tc_people_learn(work->people, work->store, &work->sql, ids, ids_count, work->pool);
}

apr_status_t tc_stored_to_event(tc_work_t *work, const tc_stored_t *stored, const tc_user_t *sender,
                                const char *client_id, tc_event_t **out)
{
    const tc_user_t *replied = NULL;
    tc_chat_message_t message;
    tc_uuid_t id;

    if (sender == NULL) {
        sender = tc_people_get(work->people, work->store, stored->sender_id);
    }
    if (stored->reply_id != NULL) {
        replied = tc_people_get(work->people, work->store, stored->reply_sender_id);
    }
    if (!tc_uuid_parse(stored->id, strlen(stored->id), &id)) {
        return APR_EGENERAL;
    }
    message.id = stored->id;
    message.room_id = stored->room_id;
    message.sender_json = sender->sender_json;
    message.content = stored->content;
    message.message_type = stored->message_type;
    message.reply_id = stored->reply_id;
    message.reply_content = stored->reply_content;
    message.reply_sender_email = replied ? replied->email : NULL;
    message.is_edited = stored->is_edited;
    message.created_at = stored->created_at;
    message.updated_at = stored->updated_at;
    *out = tc_event_create(stored->kind, stored->seq, &id, &message);
    if (client_id != NULL) {
        tc_event_set_own(*out, client_id);
    }
    return APR_SUCCESS;
}
