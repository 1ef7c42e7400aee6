-- Version 1 of the tables for PostgreSQL, as chat.pgsql.sql made them. Tests upgrade it. For psql. May be run twice.
--
-- The site's own tables of users and trips must exist; site.pgsql.sql makes plain ones. If yours have other
-- names or other types of keys, set the variables. A Django site whose users have integer keys runs
--
--   psql -v users=auth_user -v user_key=integer -v trips=trips_trip -f chat.pgsql.sql
--
-- When a user or a trip is deleted, their messages are deleted, too.
\set ON_ERROR_STOP on
\if :{?users} \else \set users users \endif
\if :{?user_key} \else \set user_key uuid \endif
\if :{?trips} \else \set trips trips \endif
\if :{?trip_key} \else \set trip_key uuid \endif

BEGIN;
SET LOCAL client_min_messages = warning;

CREATE TABLE IF NOT EXISTS chat_rooms (
    id         uuid NOT NULL PRIMARY KEY,
    trip_id    :trip_key NOT NULL UNIQUE REFERENCES :trips (id) ON DELETE CASCADE,
    last_seq   bigint NOT NULL DEFAULT 0, -- the seq of the room's newest event
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Every message takes a seq of its room; so does every edit, in chat_edits.
CREATE TABLE IF NOT EXISTS chat_messages (
    id           uuid NOT NULL PRIMARY KEY,
    room_id      uuid NOT NULL REFERENCES chat_rooms (id) ON DELETE CASCADE,
    seq          bigint NOT NULL,
    sender_id    :user_key NOT NULL REFERENCES :users (id) ON DELETE CASCADE,
    client_id    text,
    content      text NOT NULL,
    message_type text NOT NULL DEFAULT 'text',
    reply_to_id  uuid REFERENCES chat_messages (id) ON DELETE SET NULL,
    is_edited    boolean NOT NULL DEFAULT false,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now()
);

CREATE UNIQUE INDEX IF NOT EXISTS chat_messages_by_seq ON chat_messages (room_id, seq);
-- Idempotency key: the same client_id is not stored twice. Also finds the messages of a user who is deleted.
CREATE UNIQUE INDEX IF NOT EXISTS chat_messages_by_client_id
    ON chat_messages (sender_id, room_id, client_id);
CREATE INDEX IF NOT EXISTS chat_messages_by_reply
    ON chat_messages (reply_to_id) WHERE reply_to_id IS NOT NULL;

CREATE TABLE IF NOT EXISTS chat_edits (
    room_id    uuid NOT NULL REFERENCES chat_rooms (id) ON DELETE CASCADE,
    seq        bigint NOT NULL,
    message_id uuid NOT NULL REFERENCES chat_messages (id) ON DELETE CASCADE,
    edited_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (room_id, seq)
);

CREATE INDEX IF NOT EXISTS chat_edits_by_message ON chat_edits (message_id);

-- Every batch of messages updates the row of its room. Free space on the page allows updates that touch no
-- index (HOT updates).
ALTER TABLE chat_rooms SET (fillfactor = 50);

COMMIT;
