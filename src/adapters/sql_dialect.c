/* The chat's SQL, by database. See sql_dialect.h; the tables stand in sql/. */
#include "adapters/sql_dialect.h"

#include <stddef.h>
#include <string.h>

/* tc_sql_message_column_e from TC_COL_ID on */
#define MESSAGE_COLUMNS                                                                            \
    "m.id, m.room_id, m.sender_id, m.content, m.message_type, m.is_edited, m.created_at, "         \
    "m.updated_at, p.id, p.content, p.sender_id, m.client_id"

#define JOIN_REPLY " LEFT JOIN chat_messages p ON p.id = m.reply_to_id"

/* The log is folded back every 16 MB: pages that change with every message are written there once in
 * that time. */
static const char *const sqlite3_setup[] = {"PRAGMA foreign_keys = ON",
                                            "PRAGMA wal_autocheckpoint = 4000",
                                            "PRAGMA cache_size = -256", NULL};

static const tc_sql_dialect_t sqlite3_dialect = {
    .driver = "sqlite3",
    .one_writer = true,
    .setup = sqlite3_setup,
    .room_create = "INSERT INTO chat_rooms (id, trip_id, last_seq, created_at)"
                   " VALUES (%s, %s, 0, %s) ON CONFLICT (trip_id) DO NOTHING",
    .room_find = "SELECT id FROM chat_rooms WHERE trip_id = %s",
    .head = "SELECT last_seq FROM chat_rooms WHERE id = %s",
    .before = "SELECT m.seq, 0, " MESSAGE_COLUMNS " FROM chat_messages m" JOIN_REPLY
              " WHERE m.room_id = %s AND m.seq < CAST(%s AS INTEGER)"
              " ORDER BY m.seq DESC LIMIT CAST(%s AS INTEGER)",
    .events = "SELECT e.seq, e.kind, " MESSAGE_COLUMNS " FROM ("
              "SELECT seq, 0 AS kind, id AS message_id FROM chat_messages"
              " WHERE room_id = %s AND seq > CAST(%s AS INTEGER)"
              " UNION ALL "
              "SELECT seq, 1, message_id FROM chat_edits"
              " WHERE room_id = %s AND seq > CAST(%s AS INTEGER)"
              " ORDER BY seq LIMIT CAST(%s AS INTEGER)) e"
              " JOIN chat_messages m ON m.id = e.message_id" JOIN_REPLY " ORDER BY e.seq",
    .rows_as_json = false,
    .lock_rooms = "SELECT id, last_seq FROM chat_rooms WHERE id = %s",
    .find_sent = "SELECT m.seq, 0, " MESSAGE_COLUMNS " FROM chat_messages m" JOIN_REPLY
                 " WHERE m.sender_id = %s AND m.room_id = %s AND m.client_id = %s",
    .find_messages = "SELECT m.seq, 0, " MESSAGE_COLUMNS " FROM chat_messages m" JOIN_REPLY
                     " WHERE m.id = %s",
    .insert = "INSERT INTO chat_messages (id, room_id, seq, sender_id, client_id, content,"
              " message_type, reply_to_id, is_edited, created_at, updated_at)"
              " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 0, %s, %s)",
    .update = "UPDATE chat_messages SET content = %s, is_edited = 1, updated_at = %s WHERE id = %s",
    .insert_edits = "INSERT INTO chat_edits (room_id, seq, message_id, edited_at)"
                    " VALUES (%s, %s, %s, %s)",
    .advance = "UPDATE chat_rooms SET last_seq = %s WHERE id = %s",
};

static const tc_sql_dialect_t *const dialects[] = {&sqlite3_dialect};

const tc_sql_dialect_t *tc_sql_dialect_find(const char *driver)
{
    size_t i;

    for (i = 0; i < sizeof(dialects) / sizeof(dialects[0]); i++) {
        if (strcmp(dialects[i]->driver, driver) == 0) {
            return dialects[i];
        }
    }
    return NULL;
}
