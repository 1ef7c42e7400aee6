-- Ends the upgrade to version 2 of the chat's tables, for the sqlite3 shell: takes away what only modules made for
-- version 1 need. Run it when no such module runs any more, not even in a child that ends slowly. May be run twice.
.timeout 10000
BEGIN IMMEDIATE;
DROP INDEX IF EXISTS chat_messages_by_client_id;
DROP TRIGGER IF EXISTS chat_keep_client_ids;
COMMIT;
