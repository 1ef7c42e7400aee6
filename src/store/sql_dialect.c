/* The chat's SQL, by database. See sql_dialect.h; the tables stand in sql/. */
#include "store/sql_dialect.h"

#include "base/clock.h"
#include "base/limits.h"

#include <stddef.h>
#include <string.h>

/* The statements that are the same for both databases. */
#define PLAIN_STATEMENTS                                                                           \
    .room_create = "INSERT INTO chat_rooms (id, trip_id, last_seq, created_at)"                    \
                   " VALUES (%s, %s, 0, %s) ON CONFLICT (trip_id) DO NOTHING",                     \
    .room_find = "SELECT id, trip_id FROM chat_rooms WHERE trip_id = %s",                          \
    .room_trip = "SELECT trip_id FROM chat_rooms WHERE id = %s",                                   \
    .message_trip = "SELECT r.trip_id FROM chat_messages m JOIN chat_rooms r ON r.id = m.room_id"  \
                    " WHERE m.id = %s"

/* The message replied to. Each key has the room in it. */
#define JOIN_REPLY " LEFT JOIN chat_messages p ON p.id = m.reply_to_id AND p.room_id = m.room_id"

/*
 * What a reply shows of another message is cut by the codec. The database need not send more of it: enough bytes for one
 * code point more, since functions of a database in SQL_ASCII count bytes.
 */
#define QUOTE "1204"
_Static_assert(4 * (TC_QUOTE_MAX_CHARS + 1) == 1204, "QUOTE is the length of the longest quote in bytes");

/* tc_sql_message_column_e from TC_COL_ID on; seq and kind stand before. SQLite stores times as text. */
#define SQLITE_COLUMNS                                                                             \
    "m.id, m.room_id, m.sender_id, m.content, m.message_type, m.is_edited, m.created_at, "         \
    "m.updated_at, p.id, substr(p.content, 1, " QUOTE "), p.sender_id, m.client_id"

/*
 * The write-ahead log is copied back every 16 MB, so a page that changes with every message is copied once in that
 * time. The child that closes the file last locks it for a moment, and APR does not retry when SQLite cannot prepare a
 * statement. So busy_timeout is set until cache_size, the first PRAGMA that reads the file, has run.
 */
static const char *const sqlite3_setup[] = {"PRAGMA busy_timeout = 1000",
                                            "PRAGMA foreign_keys = ON",
                                            "PRAGMA wal_autocheckpoint = 4000",
                                            "PRAGMA cache_size = -1024",
                                            "PRAGMA busy_timeout = 0", NULL};

static const tc_sql_dialect_t sqlite3_dialect = {
    .driver = "sqlite3",
    .one_writer = true,
    .remote = false,
    .setup = sqlite3_setup,
    .has_table = "SELECT count(*) FROM sqlite_master WHERE name = %s",
    .encoding = "PRAGMA encoding",
    .identity = "SELECT file FROM pragma_database_list WHERE name = 'main'",
    .plain_identity = "SELECT ''",
    .trip_type = "SELECT type FROM pragma_table_info('chat_rooms') WHERE name = 'trip_id'",
    PLAIN_STATEMENTS,
    .head = "SELECT last_seq, epoch FROM chat_rooms WHERE id = %s",
    .before = "SELECT m.seq, 0, " SQLITE_COLUMNS " FROM chat_messages m" JOIN_REPLY
              " WHERE m.room_id = %s AND m.seq < CAST(%s AS INTEGER)"
              " ORDER BY m.seq DESC LIMIT CAST(%s AS INTEGER)",
    .events = "WITH h (id, last_seq, epoch, after, places) AS ("
              "SELECT r.id, r.last_seq, r.epoch,"
              " CASE WHEN q.after < 0 THEN r.last_seq - q.places ELSE q.after END, q.places"
              " FROM (SELECT %s AS room_id, CAST(%s AS INTEGER) AS after, CAST(%s AS INTEGER) AS places) q"
              " JOIN chat_rooms r ON r.id = q.room_id)"
              " SELECT e.*, h.last_seq, h.epoch FROM h LEFT JOIN (SELECT e.seq, e.kind, " SQLITE_COLUMNS
              " FROM chat_events e JOIN chat_messages m ON m.id = e.message_id" JOIN_REPLY
              " WHERE e.room_id = (SELECT id FROM h) AND e.seq > (SELECT after FROM h)"
              " ORDER BY e.seq LIMIT (SELECT places FROM h)) e ON true ORDER BY 1",
    .heads = "SELECT r.id, r.last_seq, r.epoch"
             " FROM (SELECT %s AS id, CAST(%s AS INTEGER) AS last_seq, CAST(%s AS INTEGER) AS epoch) x"
             " JOIN chat_rooms r ON r.id = x.id WHERE r.last_seq <> x.last_seq OR r.epoch <> x.epoch",
    .writable = "UPDATE chat_rooms SET last_seq = last_seq WHERE 0",
    .begin = "BEGIN IMMEDIATE",
    .room_newest = "SELECT r.id, max(r.last_seq, coalesce(e.seq, 0)), e.at, r.epoch FROM chat_rooms r"
                   " LEFT JOIN chat_events e ON e.room_id = r.id"
                   " AND e.seq = (SELECT max(seq) FROM chat_events WHERE room_id = r.id) WHERE r.id = %s",
    .has_event = "SELECT 1 FROM chat_events WHERE room_id = %s AND seq = CAST(%s AS INTEGER) AND message_id = %s",
    .begin_epoch = "UPDATE chat_rooms SET last_seq = %s, epoch = (epoch + 1 + abs(random() % 2147483646)) % 2147483647"
                   " WHERE id = %s",
    .find_sent = "SELECT message_id FROM chat_client_ids"
                 " WHERE room_id = %s AND sender_id = %s AND client_id = %s",
    .find_message = "SELECT m.seq, 0, " SQLITE_COLUMNS " FROM chat_messages m" JOIN_REPLY
                    " WHERE m.id = %s AND m.room_id = %s",
    .insert = "INSERT INTO chat_messages (id, room_id, seq, sender_id, client_id, content,"
              " message_type, reply_to_id, is_edited, created_at, updated_at)"
              " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, CAST(%s AS INTEGER), %s, %s)",
    .insert_sent = "INSERT OR IGNORE INTO chat_client_ids (room_id, message_id, sent_at, sender_id, client_id)"
                   " VALUES (%s, %s, %s, %s, %s)",
    .insert_person = "INSERT INTO chat_people (id, email, username, full_name) VALUES (%s, %s, %s, %s)"
                     " ON CONFLICT (id) DO UPDATE SET email = excluded.email,"
                     " username = excluded.username, full_name = excluded.full_name",
    .update = "UPDATE chat_messages SET content = %s, is_edited = 1, updated_at = max(created_at, %s)"
              " WHERE id = %s AND room_id = %s",
    .insert_edit = "INSERT INTO chat_events (room_id, message_id, seq, at, kind) VALUES (%s, %s, %s, %s, 1)",
    .advance = "UPDATE chat_rooms SET last_seq = %s WHERE id = %s",
};

#define PGSQL_TIME(column)                                                                         \
    "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"

#define PGSQL_COLUMNS                                                                              \
    "m.id, m.room_id, m.sender_id, m.content, m.message_type, m.is_edited::int, "                  \
    PGSQL_TIME("m.created_at") ", " PGSQL_TIME("m.updated_at")                                     \
    ", p.id, left(p.content, " QUOTE "), p.sender_id, m.client_id"

/* The seq of a room's newest event. See chat_advance() in chat.pgsql.sql. */
#define PGSQL_HEAD                                                                                 \
    "CASE WHEN r.lags THEN greatest(r.last_seq, (SELECT max(l.seq) FROM chat_events l"             \
    " WHERE l.room_id = r.id)) ELSE r.last_seq END"

/* LIMIT keeps PostgreSQL from reading all messages of the room to find one of them. */
#define PGSQL_JOIN_REPLY                                                                           \
    " LEFT JOIN LATERAL (SELECT p.id, p.content, p.sender_id FROM chat_messages p"                 \
    " WHERE p.id = m.reply_to_id AND p.room_id = m.room_id LIMIT 1) p ON true"

/*
 * A database in SQL_ASCII converts nothing. With a client_encoding of UTF8 it would refuse to return a row that another
 * program has written in another encoding; sql.c mends what is no UTF-8. A database may have another isolation level by
 * default, for which calls of chat_store() would often fail.
 */
static const char *const pgsql_setup[] = {
    "SELECT set_config('client_encoding', CASE current_setting('server_encoding') WHEN 'SQL_ASCII' THEN 'SQL_ASCII'"
    " ELSE 'UTF8' END, false), set_config('default_transaction_isolation', 'read committed', false)",
    NULL};

/* The database and its chat's tables. A copy in the same server has others. */
#define PGSQL_DATABASE                                                                             \
    "(SELECT oid FROM pg_database WHERE datname = current_database()) || ' ' || to_regclass('chat_rooms')::oid"

/*
 * A batch is one call of the database's own function, chat_store(), which is a transaction of its own. So the rule that
 * gives numbers stands in one place, and the site's programs can use it, too.
 */
static const tc_sql_dialect_t pgsql_dialect = {
    .driver = "pgsql",
    .one_writer = false,
    .remote = true,
    .setup = pgsql_setup,
    .as_stored = "SET client_encoding TO SQL_ASCII",
    .has_table = "SELECT (to_regclass(%s) IS NOT NULL)::int",
    .encoding = "SELECT current_setting('server_encoding')",
    .identity = "SELECT " PGSQL_DATABASE " || ' ' || system_identifier FROM pg_control_system()",
    .plain_identity = "SELECT " PGSQL_DATABASE,
    .trip_type = "SELECT format_type(coalesce(nullif(t.typbasetype, 0), t.oid), NULL) FROM pg_attribute a"
                 " JOIN pg_type t ON t.oid = a.atttypid"
                 " WHERE a.attrelid = to_regclass('chat_rooms') AND a.attname = 'trip_id'",
    PLAIN_STATEMENTS,
    .room_open = "SELECT room, trip FROM chat_open_room(%s::uuid, %s)",
    .head = "SELECT " PGSQL_HEAD ", r.epoch FROM chat_rooms r WHERE r.id = %s",
    .before = "SELECT m.seq, 0, " PGSQL_COLUMNS " FROM chat_messages m" PGSQL_JOIN_REPLY
              " WHERE m.room_id = %s::uuid AND m.seq < %s::bigint ORDER BY m.seq DESC LIMIT %s::bigint",
    .events = "WITH q AS (SELECT %s::uuid AS room_id, %s::bigint AS after, %s::bigint AS places)"
              " SELECT e.*, h.head, h.epoch FROM q"
              " CROSS JOIN LATERAL (SELECT " PGSQL_HEAD " AS head, r.epoch FROM chat_rooms r WHERE r.id = q.room_id) h"
              " LEFT JOIN LATERAL (SELECT e.seq, e.kind, " PGSQL_COLUMNS " FROM chat_events e"
              " JOIN chat_messages m ON m.id = e.message_id AND m.room_id = e.room_id" PGSQL_JOIN_REPLY
              " WHERE e.room_id = q.room_id"
              " AND e.seq > CASE WHEN q.after < 0 THEN h.head - q.places ELSE q.after END"
              " ORDER BY e.seq LIMIT q.places) e ON true ORDER BY e.seq",
    .store = "SELECT seq, kind, id, room_id, sender_id, content, message_type, is_edited, created_at, updated_at,"
             " reply_id, reply_content, reply_sender_id, client_id, outcome, epoch, n"
             " FROM chat_store(%s::json, %s::boolean, %s::boolean)",
    .mend = "SELECT epoch, last_seq, lost, put_back FROM chat_mend(%s::uuid, %s::integer, %s::bigint, %s::json)",
    .writable = "UPDATE chat_rooms SET last_seq = last_seq WHERE false",
    .renew = "SELECT pg_terminate_backend(pg_backend_pid()) WHERE current_setting('transaction_read_only')::bool",
    .heads = "SELECT r.id, " PGSQL_HEAD ", r.epoch FROM json_populate_recordset(NULL::chat_rooms, %s::json) x"
             " JOIN chat_rooms r ON r.id = x.id WHERE r.epoch <> x.epoch OR " PGSQL_HEAD " <> x.last_seq",
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
