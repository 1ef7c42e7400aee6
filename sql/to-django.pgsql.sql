-- The way back from from-django.pgsql.sql, with the same variables. Copies messages that were written or edited
-- here since into the old tables. May be run again and again. The chat's own tables are not changed.
\set ON_ERROR_STOP on
\if :{?old_rooms} \else \set old_rooms public.chat_rooms \endif
\if :{?old_messages} \else \set old_messages public.chat_messages \endif
\if :{?old_room_id} \else \set old_room_id chat_room_id \endif

BEGIN;
SET LOCAL client_min_messages = warning;

INSERT INTO :old_rooms (id, trip_id, created_at)
SELECT id, trip_id, created_at FROM chat_rooms
ON CONFLICT (trip_id) DO NOTHING;

WITH written AS (
    INSERT INTO :old_messages (id, :old_room_id, sender_id, content, message_type, reply_to_id, is_edited,
                               created_at, updated_at)
    SELECT c.id, o.id, c.sender_id, c.content, c.message_type, c.reply_to_id, c.is_edited, c.created_at,
           c.updated_at
    FROM chat_messages c
    JOIN chat_rooms r ON r.id = c.room_id
    JOIN :old_rooms o ON o.trip_id = r.trip_id
    WHERE NOT EXISTS (SELECT FROM :old_messages m WHERE m.id = c.id)
    RETURNING id),
edited AS (
    UPDATE :old_messages m SET content = c.content, is_edited = true, updated_at = c.updated_at
    FROM chat_messages c
    WHERE m.id = c.id AND c.updated_at > m.updated_at AND m.content <> c.content
    RETURNING m.id)
SELECT (SELECT count(*) FROM written) AS messages, (SELECT count(*) FROM edited) AS edits;

COMMIT;
