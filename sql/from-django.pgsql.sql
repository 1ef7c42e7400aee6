-- Copies rooms and messages of a Django Channels chat into the chat's own tables, for psql; docs/migrating.md
-- says when. May be run again and again, also while both chats live: what is there is left alone, what is
-- new or was edited since comes in as the newest events of its room. Nothing is taken from the old tables.
--
-- Run it with a search_path in which chat.pgsql.sql made its tables. The old ones are found as
--
--   psql -v old_rooms=public.chat_rooms -v old_messages=public.chat_messages -v old_room_id=chat_room_id …
--
-- unless said otherwise. Messages and rooms have UUIDs there, senders the keys that the site's users have.
\set ON_ERROR_STOP on
\if :{?old_rooms} \else \set old_rooms public.chat_rooms \endif
\if :{?old_messages} \else \set old_messages public.chat_messages \endif
\if :{?old_room_id} \else \set old_room_id chat_room_id \endif

BEGIN;
SET LOCAL client_min_messages = warning;

-- A trip that was chatted about here already has a room: its old messages go in there.
INSERT INTO chat_rooms (id, trip_id, created_at)
SELECT id, trip_id, created_at FROM :old_rooms
ON CONFLICT (trip_id) DO NOTHING;

-- What is new is an event, and so is what was edited since it was copied. Messages begin with the oldest.
CREATE TEMPORARY TABLE coming ON COMMIT DROP AS
SELECT m.id, r.id AS room_id, c.id IS NOT NULL AS is_edit,
       row_number() OVER (PARTITION BY r.id
           ORDER BY CASE WHEN c.id IS NULL THEN m.created_at ELSE m.updated_at END, m.id) AS place
FROM :old_messages m
JOIN :old_rooms o ON o.id = m.:old_room_id
JOIN chat_rooms r ON r.trip_id = o.trip_id
LEFT JOIN chat_messages c ON c.id = m.id
WHERE c.id IS NULL OR (m.updated_at > c.updated_at AND m.content <> c.content);

-- As httpd locks rooms before it gives numbers: in the order of their ids.
DO $$ BEGIN
    PERFORM 1 FROM chat_rooms WHERE id IN (SELECT room_id FROM coming) ORDER BY id FOR NO KEY UPDATE;
END $$;

INSERT INTO chat_messages (id, room_id, seq, sender_id, content, message_type, reply_to_id, is_edited,
                           created_at, updated_at)
SELECT m.id, r.id, r.last_seq + x.place, m.sender_id, m.content, m.message_type, m.reply_to_id, m.is_edited,
       m.created_at, m.updated_at
FROM coming x JOIN chat_rooms r ON r.id = x.room_id JOIN :old_messages m ON m.id = x.id
WHERE NOT x.is_edit;

INSERT INTO chat_edits (room_id, seq, message_id, edited_at)
SELECT r.id, r.last_seq + x.place, m.id, m.updated_at
FROM coming x JOIN chat_rooms r ON r.id = x.room_id JOIN :old_messages m ON m.id = x.id
WHERE x.is_edit;

UPDATE chat_messages c SET content = m.content, is_edited = true, updated_at = m.updated_at
FROM coming x JOIN :old_messages m ON m.id = x.id
WHERE x.is_edit AND c.id = x.id;

UPDATE chat_rooms r SET last_seq = r.last_seq + x.places
FROM (SELECT room_id, count(*) AS places FROM coming GROUP BY room_id) x
WHERE r.id = x.room_id;

SELECT count(*) FILTER (WHERE NOT is_edit) AS messages, count(*) FILTER (WHERE is_edit) AS edits,
       count(DISTINCT room_id) AS rooms
FROM coming;

COMMIT;
