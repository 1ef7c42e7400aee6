-- Copies rooms and messages of a Django Channels chat into the chat's own tables, for psql. docs/migrating.md
-- says when to run it. It may be run again and again, also while both chats are in use. A message that was
-- copied before is left alone. New messages, and messages edited since the last copy, become the newest events
-- of their room. The old tables are not changed.
--
-- The search_path must lead to the tables that chat.pgsql.sql made. The old tables are found as
--
--   psql -v old_rooms=public.chat_rooms -v old_messages=public.chat_messages -v old_room_id=chat_room_id …
--
-- unless other values are given. Their messages and rooms have UUIDs, their senders the keys of the site's users.
\set ON_ERROR_STOP on
\if :{?old_rooms} \else \set old_rooms public.chat_rooms \endif
\if :{?old_messages} \else \set old_messages public.chat_messages \endif
\if :{?old_room_id} \else \set old_room_id chat_room_id \endif

BEGIN;
SET LOCAL client_min_messages = warning;

-- If a trip already has a room here, its old messages go into this room.
INSERT INTO chat_rooms (id, trip_id, created_at)
SELECT id, trip_id, created_at FROM :old_rooms
ON CONFLICT (trip_id) DO NOTHING;

-- A new message is an event, and so is an edit since the last copy. The events of a room begin with the oldest.
CREATE TEMPORARY TABLE coming ON COMMIT DROP AS
SELECT m.id, r.id AS room_id, c.id IS NOT NULL AS is_edit,
       row_number() OVER (PARTITION BY r.id
           ORDER BY CASE WHEN c.id IS NULL THEN m.created_at ELSE m.updated_at END, m.id) AS place
FROM :old_messages m
JOIN :old_rooms o ON o.id = m.:old_room_id
JOIN chat_rooms r ON r.trip_id = o.trip_id
LEFT JOIN chat_messages c ON c.id = m.id
WHERE c.id IS NULL OR (m.updated_at > c.updated_at AND m.content <> c.content);

-- Rooms are locked in the order of their ids before a seq is taken, as httpd does it.
DO $$ BEGIN
    PERFORM 1 FROM chat_rooms WHERE id IN (SELECT room_id FROM coming) ORDER BY id FOR NO KEY UPDATE;
END $$;

-- The numbers are taken first: where last_seq lags, a trigger finds those that are free.
CREATE TEMPORARY TABLE taken (room_id uuid PRIMARY KEY, before bigint) ON COMMIT DROP;
WITH moved AS (
    UPDATE chat_rooms r SET last_seq = r.last_seq + x.places
    FROM (SELECT room_id, count(*) AS places FROM coming GROUP BY room_id) x
    WHERE r.id = x.room_id
    RETURNING r.id, r.last_seq - x.places AS before)
INSERT INTO taken SELECT * FROM moved;

INSERT INTO chat_messages (id, room_id, seq, sender_id, content, message_type, reply_to_id, is_edited,
                           created_at, updated_at)
SELECT m.id, x.room_id, r.before + x.place, m.sender_id, m.content, m.message_type, m.reply_to_id, m.is_edited,
       m.created_at, greatest(m.created_at, m.updated_at)
FROM coming x JOIN taken r ON r.room_id = x.room_id JOIN :old_messages m ON m.id = x.id
WHERE NOT x.is_edit;

INSERT INTO chat_edits (room_id, seq, message_id, edited_at)
SELECT x.room_id, r.before + x.place, m.id, m.updated_at
FROM coming x JOIN taken r ON r.room_id = x.room_id JOIN :old_messages m ON m.id = x.id
WHERE x.is_edit;

UPDATE chat_messages c SET content = m.content, is_edited = true, updated_at = greatest(m.created_at, m.updated_at)
FROM coming x JOIN :old_messages m ON m.id = x.id
WHERE x.is_edit AND c.id = x.id;

SELECT count(*) FILTER (WHERE NOT is_edit) AS messages, count(*) FILTER (WHERE is_edit) AS edits,
       count(DISTINCT room_id) AS rooms
FROM coming;

COMMIT;
