-- Version 1 of the tables for SQLite, as chat.sqlite3.sql made them. Tests upgrade it. Times are RFC 3339 in UTC, ids are UUIDs in lower case.
--
-- users(id) and trips(id) are the site's own tables; site.sqlite3.sql makes plain ones. If yours have other
-- names, change the REFERENCES to them. When a user or a trip is deleted, their messages are deleted, too.
PRAGMA journal_mode = WAL;

CREATE TABLE IF NOT EXISTS chat_rooms (
    id         TEXT NOT NULL PRIMARY KEY,
    trip_id    TEXT NOT NULL UNIQUE REFERENCES trips (id) ON DELETE CASCADE,
    last_seq   INTEGER NOT NULL DEFAULT 0, -- the seq of the room's newest event
    created_at TEXT NOT NULL
) WITHOUT ROWID;

-- Every message takes a seq of its room; so does every edit, in chat_edits.
CREATE TABLE IF NOT EXISTS chat_messages (
    id           TEXT NOT NULL PRIMARY KEY,
    room_id      TEXT NOT NULL REFERENCES chat_rooms (id) ON DELETE CASCADE,
    seq          INTEGER NOT NULL,
    sender_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    client_id    TEXT,
    content      TEXT NOT NULL,
    message_type TEXT NOT NULL DEFAULT 'text',
    reply_to_id  TEXT REFERENCES chat_messages (id) ON DELETE SET NULL,
    is_edited    INTEGER NOT NULL DEFAULT 0,
    created_at   TEXT NOT NULL,
    updated_at   TEXT NOT NULL
);

CREATE UNIQUE INDEX IF NOT EXISTS chat_messages_by_seq ON chat_messages (room_id, seq);
-- Idempotency key: the same client_id is not stored twice. Also finds the messages of a user who is deleted.
CREATE UNIQUE INDEX IF NOT EXISTS chat_messages_by_client_id
    ON chat_messages (sender_id, room_id, client_id);
CREATE INDEX IF NOT EXISTS chat_messages_by_reply
    ON chat_messages (reply_to_id) WHERE reply_to_id IS NOT NULL;

CREATE TABLE IF NOT EXISTS chat_edits (
    room_id    TEXT NOT NULL REFERENCES chat_rooms (id) ON DELETE CASCADE,
    seq        INTEGER NOT NULL,
    message_id TEXT NOT NULL REFERENCES chat_messages (id) ON DELETE CASCADE,
    edited_at  TEXT NOT NULL,
    PRIMARY KEY (room_id, seq)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS chat_edits_by_message ON chat_edits (message_id);
