-- Converts the chat's tables from version 1 to version 2, for psql. Run it as their owner, before you start a module that
-- needs version 2:
--
--   psql -d site -f upgrade-2.pgsql.sql
--
-- The chat may go on meanwhile, and modules made for version 1 work with version 2. When none of them runs any more,
-- run finish-2.pgsql.sql. Each step waits at most two seconds for a lock. If a step fails for that, run the script
-- again: it goes on where it stopped.
\set ON_ERROR_STOP on
\set upgrading 1
SET lock_timeout = '2s';
SET client_min_messages = warning;

SELECT format_type(atttypid, atttypmod) AS user_key FROM pg_attribute
WHERE attrelid = 'chat_messages'::regclass AND attname = 'sender_id' \gset
SELECT format_type(atttypid, atttypmod) AS trip_key FROM pg_attribute
WHERE attrelid = 'chat_rooms'::regclass AND attname = 'trip_id' \gset

-- ---- 1. New tables, which the roles that may write messages may use ----

ALTER TABLE chat_rooms ADD COLUMN IF NOT EXISTS epoch integer NOT NULL DEFAULT 0;
ALTER TABLE chat_rooms ADD COLUMN IF NOT EXISTS lags boolean NOT NULL DEFAULT false;
ALTER TABLE chat_rooms ADD COLUMN IF NOT EXISTS timeline integer NOT NULL DEFAULT 0;
ALTER TABLE chat_rooms ALTER epoch SET DEFAULT floor(random() * 2147483647);

SELECT to_regclass('chat_events') IS NULL AS is_new \gset
CREATE TABLE IF NOT EXISTS chat_events (
    room_id    uuid NOT NULL,
    message_id uuid NOT NULL,
    seq        bigint NOT NULL CHECK (seq > 0),
    at         timestamptz NOT NULL DEFAULT now(),
    kind       smallint NOT NULL CHECK (kind >= 0),
    PRIMARY KEY (room_id, seq)
);

CREATE TABLE IF NOT EXISTS chat_client_ids (
    room_id    uuid NOT NULL,
    message_id uuid NOT NULL,
    sent_at    timestamptz NOT NULL,
    sender_id  text NOT NULL,
    client_id  text NOT NULL,
    PRIMARY KEY (room_id, sender_id, client_id)
);

-- While the tables are empty, this takes no time. Later, only step 5 makes indexes that are missing.
\if :is_new
CREATE INDEX chat_events_by_time ON chat_events (at) WHERE kind <> 0;
CREATE INDEX chat_client_ids_by_time ON chat_client_ids USING brin (sent_at);
\endif

CREATE TABLE IF NOT EXISTS chat_people (
    id        text NOT NULL PRIMARY KEY,
    email     text NOT NULL,
    username  text NOT NULL,
    full_name text NOT NULL
);

CREATE TABLE IF NOT EXISTS chat_schema (
    version integer NOT NULL PRIMARY KEY,
    since   timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION pg_temp.chat_grant(name text, rights text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    role regrole;
BEGIN
    FOR role IN SELECT DISTINCT a.grantee FROM pg_class c, aclexplode(c.relacl) a
                WHERE c.oid = 'chat_messages'::regclass AND a.privilege_type = 'INSERT' AND a.grantee <> 0 LOOP
        EXECUTE format('GRANT %s ON %I TO %s', rights, name, role);
    END LOOP;
END $$;

SELECT pg_temp.chat_grant('chat_schema', 'SELECT'),
       pg_temp.chat_grant('chat_events', 'SELECT, INSERT'),
       pg_temp.chat_grant('chat_client_ids', 'SELECT, INSERT, DELETE'),
       pg_temp.chat_grant('chat_people', 'SELECT, INSERT, UPDATE') \g /dev/null

-- ---- 2. What is written from now on goes into the new tables, too ----

CREATE OR REPLACE FUNCTION chat_log_messages() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO chat_events (room_id, message_id, seq, at, kind)
    SELECT room_id, id, seq, created_at, 0 FROM new_messages;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION chat_keep_client_ids() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO chat_client_ids (room_id, message_id, sent_at, sender_id, client_id)
    SELECT room_id, id, created_at, sender_id::text, client_id FROM new_messages WHERE client_id IS NOT NULL
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION chat_log_edits() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO chat_events (room_id, message_id, seq, at, kind)
    SELECT room_id, message_id, seq, edited_at, 1 FROM new_edits;
    RETURN NULL;
END $$;

DO $$
DECLARE
    f text;
BEGIN
    FOREACH f IN ARRAY '{chat_log_messages,chat_keep_client_ids,chat_log_edits}'::text[] LOOP
        EXECUTE format('ALTER FUNCTION %I() SET search_path = %I, pg_temp', f, current_schema());
    END LOOP;
END $$;

BEGIN;
DROP TRIGGER IF EXISTS chat_log_messages ON chat_messages;
CREATE TRIGGER chat_log_messages AFTER INSERT ON chat_messages
    REFERENCING NEW TABLE AS new_messages FOR EACH STATEMENT EXECUTE FUNCTION chat_log_messages();
DROP TRIGGER IF EXISTS chat_keep_client_ids ON chat_messages;
CREATE TRIGGER chat_keep_client_ids AFTER INSERT ON chat_messages
    REFERENCING NEW TABLE AS new_messages FOR EACH STATEMENT EXECUTE FUNCTION chat_keep_client_ids();
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_class WHERE oid = to_regclass('chat_edits') AND relkind = 'r') THEN
        DROP TRIGGER IF EXISTS chat_log_edits ON chat_edits;
        CREATE TRIGGER chat_log_edits AFTER INSERT ON chat_edits
            REFERENCING NEW TABLE AS new_edits FOR EACH STATEMENT EXECUTE FUNCTION chat_log_edits();
    END IF;
END $$;
COMMIT;

-- ---- 3. What was written before, in transactions of 10,000 numbers of a room ----

CREATE PROCEDURE pg_temp.chat_fill() LANGUAGE plpgsql AS $$
DECLARE
    room record;
    from_seq bigint;
BEGIN
    FOR room IN SELECT id, last_seq FROM chat_rooms ORDER BY id LOOP
        FOR from_seq IN SELECT * FROM generate_series(0, room.last_seq, 10000) LOOP
            INSERT INTO chat_events (room_id, message_id, seq, at, kind)
            SELECT m.room_id, m.id, m.seq, m.created_at, 0 FROM chat_messages m
            WHERE m.room_id = room.id AND m.seq BETWEEN from_seq AND from_seq + 9999
            ON CONFLICT DO NOTHING;
            INSERT INTO chat_events (room_id, message_id, seq, at, kind)
            SELECT e.room_id, e.message_id, e.seq, e.edited_at, 1 FROM chat_edits e
            WHERE e.room_id = room.id AND e.seq BETWEEN from_seq AND from_seq + 9999
            ON CONFLICT DO NOTHING;
            COMMIT;
        END LOOP;
    END LOOP;
    INSERT INTO chat_client_ids (room_id, message_id, sent_at, sender_id, client_id)
    SELECT room_id, id, created_at, sender_id::text, client_id FROM chat_messages
    WHERE client_id IS NOT NULL AND created_at > now() - interval '2 days'
    ON CONFLICT DO NOTHING;
END $$;

CALL pg_temp.chat_fill();

-- ---- 4. Edits are events of the log; the old table becomes a view ----

BEGIN;
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_class WHERE oid = to_regclass('chat_edits') AND relkind = 'r') THEN
        ALTER TABLE chat_edits RENAME TO chat_edits_1;
        CREATE VIEW chat_edits AS
        SELECT room_id, seq, message_id, at AS edited_at, kind FROM chat_events WHERE kind = 1;
        ALTER VIEW chat_edits ALTER kind SET DEFAULT 1;
        PERFORM pg_temp.chat_grant('chat_edits', 'SELECT, INSERT, UPDATE');
    END IF;
END $$;
COMMIT;

-- The foreign keys of the old table go with it, so the tables that they name have to be locked. Each try is short, and lets
-- go of what it has before PostgreSQL looks for deadlocks.
DO $$ BEGIN
    FOR try IN 1 .. 25 LOOP
        BEGIN
            SET LOCAL lock_timeout = '200ms';
            LOCK TABLE chat_rooms, chat_messages IN ACCESS EXCLUSIVE MODE;
            DROP TABLE IF EXISTS chat_edits_1;
            EXIT;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            IF try = 25 THEN
                RAISE;
            END IF;
            PERFORM pg_sleep(0.2);
        END;
    END LOOP;
END $$;

-- ---- 5. Keys with the room in them ----

DROP INDEX CONCURRENTLY IF EXISTS chat_messages_by_reply;
SELECT 'DROP INDEX CONCURRENTLY ' || indexrelid::regclass FROM pg_index
WHERE indrelid IN ('chat_messages'::regclass, 'chat_events'::regclass, 'chat_client_ids'::regclass) AND NOT indisvalid \gexec
CREATE INDEX CONCURRENTLY IF NOT EXISTS chat_events_by_time ON chat_events (at) WHERE kind <> 0;
CREATE INDEX CONCURRENTLY IF NOT EXISTS chat_client_ids_by_time ON chat_client_ids USING brin (sent_at);
CREATE INDEX CONCURRENTLY IF NOT EXISTS chat_messages_by_sender ON chat_messages (sender_id);
SELECT count(*) = 1 AS has_old_key FROM pg_constraint
WHERE conrelid = 'chat_messages'::regclass AND contype = 'p' AND cardinality(conkey) = 1 \gset
\if :has_old_key
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS chat_messages_key ON chat_messages (id, room_id);
DO $$
DECLARE
    old record;
BEGIN
    FOR old IN SELECT conname FROM pg_constraint
               WHERE conrelid = 'chat_messages'::regclass AND confrelid = conrelid LOOP
        EXECUTE format('ALTER TABLE chat_messages DROP CONSTRAINT %I', old.conname);
    END LOOP;
    SELECT conname INTO old FROM pg_constraint WHERE conrelid = 'chat_messages'::regclass AND contype = 'p';
    EXECUTE format('ALTER TABLE chat_messages DROP CONSTRAINT %I,'
        ' ADD CONSTRAINT chat_messages_pkey PRIMARY KEY USING INDEX chat_messages_key', old.conname);
EXCEPTION WHEN dependent_objects_still_exist THEN
    RAISE WARNING 'a table of yours refers to chat_messages (id): its key stays as it is';
END $$;
\endif

DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = 'chat_messages'::regclass AND conname = 'chat_messages_seq_check') THEN
        ALTER TABLE chat_messages ADD CONSTRAINT chat_messages_seq_check CHECK (seq > 0) NOT VALID;
    END IF;
END $$;

-- In a transaction of its own: whoever writes locks the two tables in another order.
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = 'chat_rooms'::regclass AND conname = 'chat_rooms_epoch_check') THEN
        ALTER TABLE chat_rooms ADD CONSTRAINT chat_rooms_epoch_check CHECK (epoch >= 0) NOT VALID;
        ALTER TABLE chat_rooms ADD CONSTRAINT chat_rooms_last_seq_check CHECK (last_seq >= 0) NOT VALID;
    END IF;
END $$;

-- ---- 6. Functions, and the version ----

\ir chat.pgsql.sql
