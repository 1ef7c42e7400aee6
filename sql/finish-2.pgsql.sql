-- Ends the upgrade to version 2 of the chat's tables, for psql: takes away what only modules made for version 1 need. Run
-- it as the tables' owner when no such module runs any more, not even in a child that ends slowly. May be run twice.
\set ON_ERROR_STOP on
SET lock_timeout = '2s';
SET client_min_messages = warning;

DROP INDEX CONCURRENTLY IF EXISTS chat_messages_by_client_id;
DROP TRIGGER IF EXISTS chat_keep_client_ids ON chat_messages;
DROP FUNCTION IF EXISTS chat_keep_client_ids, chat_log_edits;
-- Each server of version 1 took the time of an edit from its own clock.
UPDATE chat_messages SET updated_at = created_at WHERE updated_at < created_at;
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = 'chat_messages'::regclass AND conname = 'chat_messages_time') THEN
        ALTER TABLE chat_messages ADD CONSTRAINT chat_messages_time CHECK (updated_at >= created_at) NOT VALID;
    END IF;
END $$;
ALTER TABLE chat_messages VALIDATE CONSTRAINT chat_messages_time;
ALTER TABLE chat_messages VALIDATE CONSTRAINT chat_messages_seq_check;
ALTER TABLE chat_rooms VALIDATE CONSTRAINT chat_rooms_epoch_check;
ALTER TABLE chat_rooms VALIDATE CONSTRAINT chat_rooms_last_seq_check;
