/* The chat's SQL, by database. See sql_dialect.h; the tables stand in sql/. */
#include "store/sql_dialect.h"

#include "base/clock.h"

#include <stddef.h>
#include <string.h>

/* The statements that are the same for both databases. */
#define PLAIN_STATEMENTS                                                                           \
    .room_create = "INSERT INTO chat_rooms (id, trip_id, last_seq, created_at)"                    \
                   " VALUES (%s, %s, 0, %s) ON CONFLICT (trip_id) DO NOTHING",                     \
    .room_find = "SELECT id, trip_id FROM chat_rooms WHERE trip_id = %s",                          \
    .room_trip = "SELECT trip_id FROM chat_rooms WHERE id = %s",                                   \
    .message_trip = "SELECT r.trip_id FROM chat_messages m JOIN chat_rooms r ON r.id = m.room_id"  \
                    " WHERE m.id = %s",                                                            \
    .head = "SELECT last_seq FROM chat_rooms WHERE id = %s"

#define JOIN_REPLY " LEFT JOIN chat_messages p ON p.id = m.reply_to_id"

/* tc_sql_message_column_e from TC_COL_ID on; seq and kind stand before. SQLite stores times as text. */
#define SQLITE_COLUMNS                                                                             \
    "m.id, m.room_id, m.sender_id, m.content, m.message_type, m.is_edited, m.created_at, "         \
    "m.updated_at, p.id, p.content, p.sender_id, m.client_id"

/*
 * The write-ahead log is copied back every 16 MB, so a page that changes with every message is copied once in that
 * time. The child that closes the file last locks it for a moment, and APR does not retry when SQLite cannot prepare a
 * statement. So busy_timeout is set until cache_size, the first PRAGMA that reads the file, has run.
 */
static const char *const sqlite3_setup[] = {"PRAGMA busy_timeout = 1000",
                                            "PRAGMA foreign_keys = ON",
                                            "PRAGMA wal_autocheckpoint = 4000",
                                            "PRAGMA cache_size = -256",
                                            "PRAGMA busy_timeout = 0", NULL};

static const tc_sql_dialect_t sqlite3_dialect = {
    .driver = "sqlite3",
    .one_writer = true,
    .remote = false,
    .begin = "BEGIN IMMEDIATE",
    .setup = sqlite3_setup,
    PLAIN_STATEMENTS,
    .before = "SELECT m.seq, 0, " SQLITE_COLUMNS " FROM chat_messages m" JOIN_REPLY
              " WHERE m.room_id = %s AND m.seq < CAST(%s AS INTEGER)"
              " ORDER BY m.seq DESC LIMIT CAST(%s AS INTEGER)",
    .events = "SELECT e.seq, e.kind, " SQLITE_COLUMNS " FROM ("
              "SELECT seq, 0 AS kind, id AS message_id FROM chat_messages"
              " WHERE room_id = %s AND seq > CAST(%s AS INTEGER)"
              " UNION ALL "
              "SELECT seq, 1, message_id FROM chat_edits"
              " WHERE room_id = %s AND seq > CAST(%s AS INTEGER)"
              " ORDER BY seq LIMIT CAST(%s AS INTEGER)) e"
              " JOIN chat_messages m ON m.id = e.message_id" JOIN_REPLY " ORDER BY e.seq",
    .lock_rooms = "SELECT id, last_seq FROM chat_rooms WHERE id = %s",
    .find_sent = "SELECT m.seq, 0, " SQLITE_COLUMNS " FROM chat_messages m" JOIN_REPLY
                 " WHERE m.sender_id = %s AND m.room_id = %s AND m.client_id = %s",
    .find_messages = "SELECT m.seq, 0, " SQLITE_COLUMNS " FROM chat_messages m" JOIN_REPLY
                     " WHERE m.id = %s",
    .insert = "INSERT INTO chat_messages (id, room_id, seq, sender_id, client_id, content,"
              " message_type, reply_to_id, is_edited, created_at, updated_at)"
              " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 0, %s, %s)",
    .update = "UPDATE chat_messages SET content = %s, is_edited = 1, updated_at = %s WHERE id = %s",
    .insert_edits = "INSERT INTO chat_edits (room_id, seq, message_id, edited_at)"
                    " VALUES (%s, %s, %s, %s)",
    .advance = "UPDATE chat_rooms SET last_seq = %s WHERE id = %s",
    .heads = "SELECT id, last_seq FROM chat_rooms WHERE id = %s AND last_seq > CAST(%s AS INTEGER)",
};

#define PGSQL_TIME(column)                                                                         \
    "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"

#define PGSQL_COLUMNS                                                                              \
    "m.id, m.room_id, m.sender_id, m.content, m.message_type, m.is_edited::int, "                  \
    PGSQL_TIME("m.created_at") ", " PGSQL_TIME("m.updated_at")                                     \
    ", p.id, p.content, p.sender_id, m.client_id"

/* Makes rows of a table out of JSON. The columns have the table's own types, whichever types the site's ids have. */
#define PGSQL_ROWS(table) "json_populate_recordset(NULL::" table ", %s::json) x"

#define PGSQL_LOCK_ROOMS                                                                           \
    "SELECT r.id, r.last_seq FROM chat_rooms r JOIN " PGSQL_ROWS("chat_rooms")                     \
    " ON x.id = r.id ORDER BY r.id FOR NO KEY UPDATE OF r"

static const char *const pgsql_setup[] = {NULL};

/*
 * The isolation level is stated because the server's default may differ. lock_timeout: a lock of somebody else must not
 * hold up a room for ever. idle_in_transaction_session_timeout: if this machine goes away in a transaction, its locks
 * must not hold up others. FOR NO KEY UPDATE locks rooms less strictly than FOR UPDATE, for which the foreign keys of
 * new messages would have to wait.
 */
static const tc_sql_dialect_t pgsql_dialect = {
    .driver = "pgsql",
    .one_writer = false,
    .remote = true,
    .begin = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '2s';"
             " SET LOCAL idle_in_transaction_session_timeout = '10s'",
    .lock_timeout_us = 2 * TC_US_PER_S,
    .setup = pgsql_setup,
    PLAIN_STATEMENTS,
    .before = "SELECT m.seq, 0, " PGSQL_COLUMNS " FROM chat_messages m" JOIN_REPLY
              " WHERE m.room_id = %s AND m.seq < %s ORDER BY m.seq DESC LIMIT %s",
    .events = "SELECT e.seq, e.kind, " PGSQL_COLUMNS " FROM ("
              "SELECT seq, 0 AS kind, id AS message_id FROM chat_messages"
              " WHERE room_id = %s AND seq > %s"
              " UNION ALL "
              "SELECT seq, 1, message_id FROM chat_edits WHERE room_id = %s AND seq > %s"
              " ORDER BY seq LIMIT %s) e"
              " JOIN chat_messages m ON m.id = e.message_id" JOIN_REPLY " ORDER BY e.seq",
    .lock_rooms = PGSQL_LOCK_ROOMS,
    .lock_free_rooms = PGSQL_LOCK_ROOMS " SKIP LOCKED",
    .find_sent = "SELECT m.seq, 0, " PGSQL_COLUMNS " FROM " PGSQL_ROWS("chat_messages")
                 " JOIN chat_messages m ON m.sender_id = x.sender_id AND m.room_id = x.room_id"
                 " AND m.client_id = x.client_id" JOIN_REPLY,
    .find_messages = "SELECT m.seq, 0, " PGSQL_COLUMNS " FROM " PGSQL_ROWS("chat_messages")
                     " JOIN chat_messages m ON m.id = x.id" JOIN_REPLY,
    .insert = "INSERT INTO chat_messages (id, room_id, seq, sender_id, client_id, content,"
              " message_type, reply_to_id, is_edited, created_at, updated_at)"
              " SELECT x.id, x.room_id, x.seq, x.sender_id, x.client_id, x.content, x.message_type,"
              " x.reply_to_id, false, x.created_at, x.updated_at FROM " PGSQL_ROWS("chat_messages"),
    .update = "UPDATE chat_messages m SET content = x.content, is_edited = true,"
              " updated_at = x.updated_at FROM " PGSQL_ROWS("chat_messages") " WHERE m.id = x.id",
    .insert_edits = "INSERT INTO chat_edits (room_id, seq, message_id, edited_at)"
                    " SELECT x.room_id, x.seq, x.message_id, x.edited_at FROM "
                    PGSQL_ROWS("chat_edits"),
    .advance = "UPDATE chat_rooms r SET last_seq = x.last_seq FROM " PGSQL_ROWS("chat_rooms")
               " WHERE r.id = x.id",
    .heads = "SELECT r.id, r.last_seq FROM " PGSQL_ROWS("chat_rooms")
             " JOIN chat_rooms r ON r.id = x.id WHERE r.last_seq > x.last_seq",
};

static const tc_sql_dialect_t *const dialects[] = {&sqlite3_dialect, &pgsql_dialect};

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
