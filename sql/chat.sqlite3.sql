-- The chat's tables for SQLite: version 2. May be run twice. It does not change tables of version 1: upgrade-2.sqlite3.sql
-- does. Times are RFC 3339 in UTC, ids are UUIDs in lower case.
--
-- users(id) and trips(id) are the site's own tables; site.sqlite3.sql makes plain ones. If yours have other
-- names, change the REFERENCES to them. When a user or a trip is deleted, their messages are deleted, too, if the
-- program that deletes has set PRAGMA foreign_keys = ON.
PRAGMA journal_mode = WAL;

-- The version of the tables is the greatest of these.
CREATE TABLE IF NOT EXISTS chat_schema (
    version INTEGER NOT NULL PRIMARY KEY,
    since   TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
);

-- A room gets another epoch when the database has lost events of it.
CREATE TABLE IF NOT EXISTS chat_rooms (
    id         TEXT NOT NULL PRIMARY KEY,
    trip_id    TEXT NOT NULL UNIQUE REFERENCES trips (id) ON DELETE CASCADE,
    last_seq   INTEGER NOT NULL DEFAULT 0 CHECK (last_seq >= 0), -- the seq of the room's newest event
    created_at TEXT NOT NULL,
    epoch      INTEGER NOT NULL DEFAULT (abs(random() % 2147483647)) CHECK (epoch >= 0)
) WITHOUT ROWID;

-- reply_to_id is the id of a message of the same room, which may have been deleted.
CREATE TABLE IF NOT EXISTS chat_messages (
    id           TEXT NOT NULL PRIMARY KEY,
    room_id      TEXT NOT NULL REFERENCES chat_rooms (id) ON DELETE CASCADE,
    seq          INTEGER NOT NULL CHECK (seq > 0),
    sender_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    client_id    TEXT,
    content      TEXT NOT NULL,
    message_type TEXT NOT NULL DEFAULT 'text',
    reply_to_id  TEXT,
    is_edited    INTEGER NOT NULL DEFAULT 0,
    created_at   TEXT NOT NULL,
    updated_at   TEXT NOT NULL
);

CREATE UNIQUE INDEX IF NOT EXISTS chat_messages_by_seq ON chat_messages (room_id, seq);
-- Finds the messages of a user who is deleted.
CREATE INDEX IF NOT EXISTS chat_messages_by_sender ON chat_messages (sender_id);

-- The log: everything durable that happens in a room is an event with a seq of its own. A message's row here is made
-- by a trigger, whoever inserts the message.
CREATE TABLE IF NOT EXISTS chat_events (
    room_id    TEXT NOT NULL,
    message_id TEXT NOT NULL,
    seq        INTEGER NOT NULL CHECK (seq > 0),
    at         TEXT NOT NULL,
    kind       INTEGER NOT NULL CHECK (kind >= 0), -- 0: a message, 1: an edit
    PRIMARY KEY (room_id, seq)
) WITHOUT ROWID;

-- Idempotency keys: the same client_id of a sender is not stored twice in a room.
CREATE TABLE IF NOT EXISTS chat_client_ids (
    room_id    TEXT NOT NULL,
    message_id TEXT NOT NULL,
    sent_at    TEXT NOT NULL,
    sender_id  TEXT NOT NULL,
    client_id  TEXT NOT NULL,
    PRIMARY KEY (room_id, sender_id, client_id)
) WITHOUT ROWID;

-- The names under which people wrote last, for messages of users whom the site does not have any more.
CREATE TABLE IF NOT EXISTS chat_people (
    id        TEXT NOT NULL PRIMARY KEY,
    email     TEXT NOT NULL,
    username  TEXT NOT NULL,
    full_name TEXT NOT NULL
) WITHOUT ROWID;

CREATE TRIGGER IF NOT EXISTS chat_log_messages AFTER INSERT ON chat_messages BEGIN
    INSERT INTO chat_events (room_id, message_id, seq, at, kind) VALUES (new.room_id, new.id, new.seq, new.created_at, 0);
END;

CREATE TRIGGER IF NOT EXISTS chat_delete_rooms AFTER DELETE ON chat_rooms BEGIN
    DELETE FROM chat_events WHERE room_id = old.id;
    DELETE FROM chat_client_ids WHERE room_id = old.id;
END;

-- Edits, as version 1 of the tables had them.
CREATE VIEW IF NOT EXISTS chat_edits AS
SELECT room_id, seq, message_id, at AS edited_at FROM chat_events WHERE kind = 1;

CREATE TRIGGER IF NOT EXISTS chat_add_edit INSTEAD OF INSERT ON chat_edits BEGIN
    INSERT INTO chat_events (room_id, message_id, seq, at, kind)
    VALUES (new.room_id, new.message_id, new.seq, new.edited_at, 1);
END;

INSERT OR IGNORE INTO chat_schema (version)
SELECT 2 WHERE EXISTS (SELECT 1 FROM pragma_table_info('chat_rooms') WHERE name = 'epoch');
