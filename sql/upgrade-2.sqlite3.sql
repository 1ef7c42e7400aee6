-- Converts the chat's tables from version 1 to version 2, for the sqlite3 shell. Run it in the folder that has
-- chat.sqlite3.sql, too, before you start a module that needs version 2:
--
--   runuser -u www-data -- sqlite3 /var/lib/tripchat/chat.db < upgrade-2.sqlite3.sql
--
-- It is one transaction. Modules made for version 1 work with version 2. When none of them runs any more, run
-- finish-2.sqlite3.sql.
.bail on
.timeout 10000
PRAGMA foreign_keys = OFF;
BEGIN IMMEDIATE;
ALTER TABLE chat_rooms ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0 CHECK (epoch >= 0);
UPDATE chat_rooms SET epoch = abs(random() % 2147483647);
ALTER TABLE chat_edits RENAME TO chat_edits_1;

.read chat.sqlite3.sql

INSERT INTO chat_events (room_id, message_id, seq, at, kind)
SELECT room_id, id, seq, created_at, 0 FROM chat_messages;
-- Version 1 could give an edit the seq of a message. The message has its content as it reads now.
INSERT OR IGNORE INTO chat_events (room_id, message_id, seq, at, kind)
SELECT room_id, message_id, seq, edited_at, 1 FROM chat_edits_1;
INSERT INTO chat_client_ids (room_id, message_id, sent_at, sender_id, client_id)
SELECT room_id, id, created_at, sender_id, client_id FROM chat_messages WHERE client_id IS NOT NULL;
DROP TABLE chat_edits_1;

-- For modules of version 1 that still run: they know chat_messages.client_id alone.
CREATE TRIGGER chat_keep_client_ids AFTER INSERT ON chat_messages WHEN new.client_id IS NOT NULL BEGIN
    INSERT OR IGNORE INTO chat_client_ids (room_id, message_id, sent_at, sender_id, client_id)
    VALUES (new.room_id, new.id, new.created_at, new.sender_id, new.client_id);
END;
COMMIT;
