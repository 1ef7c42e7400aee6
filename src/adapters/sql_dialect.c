/* The chat's SQL, by database. See sql_dialect.h; the tables stand in sql/. */
#include "adapters/sql_dialect.h"

#include <stddef.h>
#include <string.h>

/* tc_sql_message_column_e from TC_COL_ID on */
#define MESSAGE_COLUMNS                                                                            \
    "m.id, m.room_id, m.sender_id, m.content, m.message_type, m.is_edited, m.created_at, "         \
    "m.updated_at, p.id, p.content, p.sender_id, m.client_id"

#define JOIN_REPLY " LEFT JOIN chat_messages p ON p.id = m.reply_to_id"

static const char *const sqlite3_setup[] = {"PRAGMA foreign_keys = ON", NULL};

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
    .lock_rooms = "SELECT r.id, r.last_seq FROM json_each(%s) j JOIN chat_rooms r ON r.id = j.value",
    .find_sent = "SELECT m.seq, 0, " MESSAGE_COLUMNS " FROM json_each(%s) j"
                 " JOIN chat_messages m ON m.room_id = j.value ->> 0"
                 " AND m.sender_id = j.value ->> 1 AND m.client_id = j.value ->> 2" JOIN_REPLY,
    .find_messages = "SELECT m.seq, 0, " MESSAGE_COLUMNS " FROM json_each(%s) j"
                     " JOIN chat_messages m ON m.id = j.value" JOIN_REPLY,
    .insert = "INSERT INTO chat_messages (id, room_id, seq, sender_id, client_id, content,"
              " message_type, reply_to_id, is_edited, created_at, updated_at)"
              " SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,"
              " value ->> 6, value ->> 7, 0, value ->> 8, value ->> 8 FROM json_each(%s)",
    .update = "UPDATE chat_messages SET content = j.content, is_edited = 1, updated_at = j.at"
              " FROM (SELECT value ->> 0 AS id, value ->> 1 AS content, value ->> 2 AS at"
              " FROM json_each(%s)) j WHERE chat_messages.id = j.id",
    .insert_edits = "INSERT INTO chat_edits (room_id, seq, message_id, edited_at)"
                    " SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(%s)",
    .advance = "UPDATE chat_rooms SET last_seq = j.seq"
               " FROM (SELECT value ->> 0 AS id, value ->> 1 AS seq FROM json_each(%s)) j"
               " WHERE chat_rooms.id = j.id",
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
