-- The chat's tables for PostgreSQL, for psql: version 2. May be run twice. It does not change tables of version 1:
-- upgrade-2.pgsql.sql does.
--
-- The site's own tables of users and trips must exist; site.pgsql.sql makes plain ones. If yours have other
-- names or other keys, set the variables. A Django site whose users have integer keys runs
--
--   psql -v users=auth_user -v user_key=integer -v trips=trips_trip -f chat.pgsql.sql
--
-- users, trips            the tables, as SQL writes them: -v users='"Old Site"."user table"'
-- user_column, trip_column their key columns (PRIMARY KEY or UNIQUE): -v trip_column=slug
-- user_key, trip_key      the types of these columns
-- partitions              for a new database: -v partitions=16 makes the tables that grow with the messages of so many
--                         partitions each, by a hash of the room
--
-- A chat with TripChatIdentity token has a database of its own, without such tables. For it, run
--
--   psql -v identity=token -f chat.pgsql.sql
--
-- Then the ids of users and trips are texts, or what user_key and trip_key say, and refer to nothing.
--
-- When a user or a trip is deleted, their messages are deleted, too. Where the tables exist, user_key and trip_key are the
-- types that they have, so the script may be run again without variables.
\set ON_ERROR_STOP on
SELECT to_regclass(quote_ident(current_schema()) || '.chat_messages') IS NOT NULL AS is_there \gset
\if :is_there
SELECT max(format_type(atttypid, atttypmod)) AS user_key FROM pg_attribute
WHERE attrelid = to_regclass(quote_ident(current_schema()) || '.chat_messages') AND attname = 'sender_id' \gset
SELECT max(format_type(atttypid, atttypmod)) AS trip_key FROM pg_attribute
WHERE attrelid = to_regclass(quote_ident(current_schema()) || '.chat_rooms') AND attname = 'trip_id' \gset
\endif
\if :{?users} \else \set users users \endif
\if :{?user_column} \else \set user_column id \endif
\if :{?trips} \else \set trips trips \endif
\if :{?trip_column} \else \set trip_column id \endif
\if :{?identity} \else \set identity database \endif
SELECT :'identity' = 'token' AS by_token \gset
\if :by_token
    \set default_key text
    \set refers_to_users ''
    \set refers_to_trips ''
\else
    \set default_key uuid
    \set refers_to_users 'REFERENCES ' :users ' (' :user_column ') ON DELETE CASCADE'
    \set refers_to_trips 'REFERENCES ' :trips ' (' :trip_column ') ON DELETE CASCADE'
\endif
\if :{?user_key} \else \set user_key :default_key \endif
\if :{?trip_key} \else \set trip_key :default_key \endif
\if :{?partitions} \set by_room 'PARTITION BY HASH (room_id)' \else \set by_room '' \set partitions 0 \endif

BEGIN;
SET LOCAL client_min_messages = warning;

\if :{?upgrading} \else
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_class WHERE oid = to_regclass('chat_edits') AND relkind = 'r') THEN
        RAISE EXCEPTION 'the chat''s tables have version 1: run upgrade-2.pgsql.sql';
    END IF;
END $$;
\endif

-- The chat may be running. It locks these tables in various orders, so each try to lock them all is short, and lets go of
-- what it has before PostgreSQL looks for deadlocks.
DO $$
DECLARE
    name text;
BEGIN
    FOR try IN 1 .. 25 LOOP
        BEGIN
            SET LOCAL lock_timeout = '200ms';
            FOREACH name IN ARRAY '{chat_rooms,chat_messages,chat_events,chat_client_ids}'::text[] LOOP
                IF to_regclass(name) IS NOT NULL THEN
                    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', name);
                END IF;
            END LOOP;
            EXIT;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            IF try = 25 THEN
                RAISE;
            END IF;
            PERFORM pg_sleep(0.2);
        END;
    END LOOP;
END $$;

SET LOCAL lock_timeout = '2s';

-- The version of the tables is the greatest of these.
CREATE TABLE IF NOT EXISTS chat_schema (
    version integer NOT NULL PRIMARY KEY,
    since   timestamptz NOT NULL DEFAULT now()
);

-- last_seq is the seq of the room's newest event. Where `lags` is true it may be less: see chat_advance().
--
-- A room gets another epoch when the database has lost events of it, or may have: see chat_begin_epoch(). `timeline` is
-- that of the server that wrote here last; 0: nobody has noted it yet.
CREATE TABLE IF NOT EXISTS chat_rooms (
    id         uuid NOT NULL PRIMARY KEY,
    trip_id    :trip_key NOT NULL UNIQUE :refers_to_trips,
    last_seq   bigint NOT NULL DEFAULT 0 CHECK (last_seq >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    epoch      integer NOT NULL DEFAULT floor(random() * 2147483647) CHECK (epoch >= 0),
    lags       boolean NOT NULL DEFAULT false,
    timeline   integer NOT NULL DEFAULT 0
);

-- Every key has the room in it, so the tables can be partitioned or distributed by room. reply_to_id is the id of a
-- message of the same room, which may have been deleted.
CREATE TABLE IF NOT EXISTS chat_messages (
    id           uuid NOT NULL,
    room_id      uuid NOT NULL REFERENCES chat_rooms (id) ON DELETE CASCADE,
    seq          bigint NOT NULL CHECK (seq > 0),
    sender_id    :user_key NOT NULL :refers_to_users,
    client_id    text,
    content      text NOT NULL,
    message_type text NOT NULL DEFAULT 'text',
    reply_to_id  uuid,
    is_edited    boolean NOT NULL DEFAULT false,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT chat_messages_pkey PRIMARY KEY (id, room_id),
    CONSTRAINT chat_messages_time CHECK (updated_at >= created_at)
) :by_room;

CREATE UNIQUE INDEX IF NOT EXISTS chat_messages_by_seq ON chat_messages (room_id, seq);
-- Finds the messages of a user who is deleted.
CREATE INDEX IF NOT EXISTS chat_messages_by_sender ON chat_messages (sender_id);

-- The log: everything durable that happens in a room is an event with a seq of its own. A message's row here is made
-- by a trigger of chat_messages, whoever inserts the message.
CREATE TABLE IF NOT EXISTS chat_events (
    room_id    uuid NOT NULL,
    message_id uuid NOT NULL,
    seq        bigint NOT NULL CHECK (seq > 0),
    at         timestamptz NOT NULL DEFAULT now(),
    kind       smallint NOT NULL CHECK (kind >= 0), -- 0: a message, 1: an edit
    PRIMARY KEY (room_id, seq)
) :by_room;

CREATE INDEX IF NOT EXISTS chat_events_by_time ON chat_events (at) WHERE kind <> 0; -- for chat_prune()

-- Edits, as version 1 of the tables had them.
CREATE OR REPLACE VIEW chat_edits AS
SELECT room_id, seq, message_id, at AS edited_at, kind FROM chat_events WHERE kind = 1;
ALTER VIEW chat_edits ALTER kind SET DEFAULT 1;

-- Idempotency keys: the same client_id of a sender is not stored twice in a room. chat_prune() deletes old ones.
CREATE TABLE IF NOT EXISTS chat_client_ids (
    room_id    uuid NOT NULL,
    message_id uuid NOT NULL,
    sent_at    timestamptz NOT NULL,
    sender_id  text NOT NULL,
    client_id  text NOT NULL,
    PRIMARY KEY (room_id, sender_id, client_id)
) :by_room;

CREATE INDEX IF NOT EXISTS chat_client_ids_by_time ON chat_client_ids USING brin (sent_at);

SELECT format('CREATE TABLE IF NOT EXISTS %I PARTITION OF %I FOR VALUES WITH (MODULUS %s, REMAINDER %s)',
              parent || '_' || n, parent, :partitions, n)
FROM unnest('{chat_messages,chat_events,chat_client_ids}'::text[]) parent, generate_series(0, :partitions - 1) n \gexec

-- The names under which people wrote last, for messages of users whom the site does not have any more.
CREATE TABLE IF NOT EXISTS chat_people (
    id        text NOT NULL PRIMARY KEY,
    email     text NOT NULL,
    username  text NOT NULL,
    full_name text NOT NULL
);

-- Batches of messages update the row of their room. Free space on the page allows updates that touch no index
-- (HOT updates).
ALTER TABLE chat_rooms SET (fillfactor = 50);

-- What httpd asks chat_store() for, and what it gets. Nothing else depends on these types.
DROP FUNCTION IF EXISTS chat_store, chat_store_singly, chat_store_part, chat_note_people, chat_check, chat_claim, chat_edit,
    chat_answer, chat_insert, chat_advance, chat_lock_rooms, chat_is_slow, chat_wait_for_room, chat_begin_epoch,
    chat_mend, chat_put_back;
DROP TYPE IF EXISTS chat_job, chat_new_message, chat_outcome, chat_locked_room;

CREATE TYPE chat_job AS (
    n            integer,   -- comes back with the outcome; the jobs of a room are done in this order
    kind         smallint,  -- 0: a new message, 1: an edit
    id           uuid,      -- of the new message, or of the message to edit
    room_id      uuid,
    sender_id    :user_key,
    client_id    text,
    content      text,
    message_type text,
    reply_to_id  uuid,
    known_seq    bigint,    -- who sends the job knows that the room had an event with this seq
    again        boolean,   -- an earlier try may have stored the job
    sender       json       -- {"email", "username", "full_name"}, if chat_people may not have them
);

CREATE TYPE chat_new_message AS (
    id           uuid,
    room_id      uuid,
    seq          bigint,
    sender_id    :user_key,
    client_id    text,
    content      text,
    message_type text,
    reply_to_id  uuid,
    at           timestamptz
);

-- outcome: stored; repeated (stored before, under the same client_id); no_reply, no_message, no_sender (what the job
-- names does not exist); not_sender (somebody else's message); gone (the room does not exist); busy_room, busy_sender,
-- busy_target (locked by somebody else, try again); or the SQLSTATE of a failure, with its message in `content`.
CREATE TYPE chat_outcome AS (
    n            integer,
    outcome      text,
    seq          bigint,
    kind         integer,
    id           uuid,
    room_id      uuid,
    sender_id    text,
    content      text,      -- NULL: the job's own
    message_type text,
    is_edited    integer,
    created_at   text,
    updated_at   text,
    reply_id     uuid,
    reply_content   text,
    reply_sender_id text,
    client_id    text,
    epoch        integer    -- of the room
);

-- SECURITY DEFINER: who may write messages or delete rooms need not know of the log.
CREATE OR REPLACE FUNCTION chat_log_messages() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO chat_events (room_id, message_id, seq, at, kind)
    SELECT room_id, id, seq, created_at, 0 FROM new_messages;
    RETURN NULL;
END $$;

DROP TRIGGER IF EXISTS chat_log_messages ON chat_messages;
CREATE TRIGGER chat_log_messages AFTER INSERT ON chat_messages
    REFERENCING NEW TABLE AS new_messages FOR EACH STATEMENT EXECUTE FUNCTION chat_log_messages();

-- A program that takes numbers by UPDATE chat_rooms SET last_seq = last_seq + 1 gets free ones where last_seq lags, too.
CREATE OR REPLACE FUNCTION chat_take_seq() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    NEW.last_seq := NEW.last_seq - OLD.last_seq
        + greatest(OLD.last_seq, (SELECT max(seq) FROM chat_events WHERE room_id = OLD.id));
    RETURN NEW;
END $$;

DROP TRIGGER IF EXISTS chat_take_seq ON chat_rooms;
CREATE TRIGGER chat_take_seq BEFORE UPDATE OF last_seq ON chat_rooms
    FOR EACH ROW WHEN (OLD.lags AND NEW.lags) EXECUTE FUNCTION chat_take_seq();

CREATE OR REPLACE FUNCTION chat_delete_rooms() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    DELETE FROM chat_events WHERE room_id IN (SELECT id FROM old_rooms);
    DELETE FROM chat_client_ids WHERE room_id IN (SELECT id FROM old_rooms);
    RETURN NULL;
END $$;

DROP TRIGGER IF EXISTS chat_delete_rooms ON chat_rooms;
CREATE TRIGGER chat_delete_rooms AFTER DELETE ON chat_rooms
    REFERENCING OLD TABLE AS old_rooms FOR EACH STATEMENT EXECUTE FUNCTION chat_delete_rooms();

-- A time as clients see it: RFC 3339, in UTC.
CREATE OR REPLACE FUNCTION chat_time(at timestamptz) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;

-- ---- storing ----

-- A room of a batch. state: locked, gone, or busy_room. newest: the seq of its newest event. at: the time of its next
-- events, which is not before the newest event's. slow: looking at the row takes long.
CREATE TYPE chat_locked_room AS (
    id uuid, state text, newest bigint, at timestamptz, last_seq bigint, lags boolean, slow boolean, epoch integer,
    timeline integer
);

-- The timeline of the server, which is another one after each promotion of a standby and each recovery to a point in
-- time; 0: this server does not tell.
CREATE OR REPLACE FUNCTION chat_timeline() RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    RETURN ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::integer;
EXCEPTION WHEN OTHERS THEN
    RETURN 0;
END $$;

-- Gives a locked room another epoch, because its database may have lost events. Its numbers go on at the next thousand
-- million, so that no number that was lost, and perhaps shown, is given again. Clients that know no epoch then lack so
-- many events that they start afresh.
CREATE FUNCTION chat_begin_epoch(INOUT room chat_locked_room, known_seq bigint DEFAULT 0) LANGUAGE plpgsql AS $$
BEGIN
    room.newest := (greatest(room.newest, known_seq) / 1000000000 + 1) * 1000000000;
    room.last_seq := room.newest;
    room.lags := false;
    room.epoch := (room.epoch + 1 + floor(random() * 2147483646)::bigint) % 2147483647;
    room.timeline := chat_timeline();
    UPDATE chat_rooms r SET last_seq = room.last_seq, lags = false, epoch = room.epoch, timeline = room.timeline
    WHERE r.id = room.id;
END $$;

-- Tells how it is with a room that was not locked at once. Somebody else has it: waits up to lock_timeout where `waits`
-- says so.
CREATE FUNCTION chat_wait_for_room(room_id uuid, waits boolean) RETURNS chat_locked_room LANGUAGE plpgsql AS $$
DECLARE
    room chat_locked_room;
BEGIN
    room.id := room_id;
    IF NOT EXISTS (SELECT FROM chat_rooms r WHERE r.id = room_id) THEN
        room.state := 'gone';
    ELSIF NOT waits THEN
        room.state := 'busy_room';
    ELSE
        SELECT 'locked', r.last_seq, r.lags, false, r.epoch, r.timeline
        INTO room.state, room.last_seq, room.lags, room.slow, room.epoch, room.timeline
        FROM chat_rooms r WHERE r.id = room_id FOR NO KEY UPDATE;
        room.state := coalesce(room.state, 'gone');
    END IF;
    RETURN room;
EXCEPTION WHEN lock_not_available OR deadlock_detected OR serialization_failure THEN
    room.state := 'busy_room';
    RETURN room;
END $$;

-- True if looking at the row of a room takes long. The second look is for a process that was put aside for a moment.
CREATE FUNCTION chat_is_slow(room_id uuid) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    since timestamptz;
BEGIN
    FOR i IN 1 .. 2 LOOP
        since := clock_timestamp();
        PERFORM FROM chat_rooms r WHERE r.id = room_id;
        IF clock_timestamp() - since < interval '400 microseconds' THEN
            RETURN false;
        END IF;
    END LOOP;
    RETURN true;
END $$;

-- Locks rooms in the order of `ids`, which ascend. Each is looked up by its key, also where PostgreSQL believes that reading
-- the whole table costs less. Whatever is locked by somebody else is waited for `patience` times; NULL: always.
-- What is read after the locks is what the transactions before have committed.
CREATE FUNCTION chat_lock_rooms(ids uuid[], patience integer) RETURNS chat_locked_room[] LANGUAGE plpgsql AS $$
DECLARE
    since  timestamptz := clock_timestamp();
    rooms  chat_locked_room[];
    room   chat_locked_room;
    looks  boolean;
BEGIN
    IF patience IS NULL THEN
        rooms := ARRAY(SELECT ROW(r.id, 'locked', 0, NULL, r.last_seq, r.lags, false, r.epoch,
                           r.timeline)::chat_locked_room
                       FROM unnest(ids) x, LATERAL (SELECT * FROM chat_rooms c WHERE c.id = x LIMIT 1 FOR NO KEY UPDATE) r);
    ELSE
        rooms := ARRAY(SELECT ROW(r.id, 'locked', 0, NULL, r.last_seq, r.lags, false, r.epoch,
                           r.timeline)::chat_locked_room
                       FROM unnest(ids) x,
                           LATERAL (SELECT * FROM chat_rooms c WHERE c.id = x LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED) r);
    END IF;
    looks := clock_timestamp() - since > interval '400 microseconds' + cardinality(ids) * interval '20 microseconds';
    IF cardinality(rooms) < cardinality(ids) THEN
        FOR room.id IN SELECT id FROM unnest(ids) id EXCEPT SELECT r.id FROM unnest(rooms) r ORDER BY 1 LOOP
            room := chat_wait_for_room(room.id, patience > 0);
            patience := patience - (room.state = 'busy_room')::integer;
            rooms := array_append(rooms, room);
        END LOOP;
    END IF;
    RETURN ARRAY(SELECT ROW(l.id, l.state, greatest(e.seq, l.last_seq), greatest(clock_timestamp(), e.at), l.last_seq,
                            l.lags, (looks OR l.lags) AND chat_is_slow(l.id), l.epoch, l.timeline)::chat_locked_room
                 FROM unnest(rooms) l LEFT JOIN LATERAL (
                     SELECT e.seq, e.at FROM chat_events e
                     WHERE e.room_id = l.id AND l.state = 'locked' ORDER BY e.seq DESC LIMIT 1) e ON true
                 ORDER BY l.id);
END $$;

-- Each update of last_seq leaves a dead version of the row. While a long transaction runs anywhere in the database,
-- nobody may remove these versions, and after an hour of 50 messages a second each look at the row takes milliseconds.
-- So while looking takes long, last_seq lags, and the log alone says which number is next.
CREATE FUNCTION chat_advance(INOUT rooms chat_locked_room[]) LANGUAGE plpgsql AS $$
BEGIN
    UPDATE chat_rooms r SET last_seq = x.newest, lags = x.slow, timeline = x.timeline FROM unnest(rooms) x
    WHERE r.id = x.id AND x.state = 'locked'
      AND (NOT x.slow AND (x.newest > x.last_seq OR x.lags) OR x.slow AND NOT x.lags);
END $$;

-- Inserts messages, and returns none that are left. (A call in an assignment costs much less than one by PERFORM.)
CREATE FUNCTION chat_insert(INOUT messages chat_new_message[]) LANGUAGE plpgsql AS $$
BEGIN
    IF cardinality(messages) = 0 THEN
        RETURN;
    END IF;
    INSERT INTO chat_messages (id, room_id, seq, sender_id, client_id, content, message_type, reply_to_id, created_at,
                               updated_at)
    SELECT id, room_id, seq, sender_id, client_id, content, message_type, reply_to_id, at, at FROM unnest(messages);
    messages := '{}';
END $$;

-- The result of a job that a stored message answers.
CREATE FUNCTION chat_answer(job chat_job, outcome text, m chat_messages, OUT result chat_outcome) LANGUAGE plpgsql AS $$
BEGIN
    result := ROW(job.n, outcome, m.seq, job.kind, m.id, m.room_id, m.sender_id, m.content, m.message_type,
                  m.is_edited::integer, chat_time(m.created_at), chat_time(m.updated_at), NULL, NULL, NULL, m.client_id,
                  NULL);
    IF m.reply_to_id IS NOT NULL THEN
        SELECT p.id, left(p.content, 1204), p.sender_id INTO result.reply_id, result.reply_content, result.reply_sender_id
        FROM chat_messages p WHERE p.id = m.reply_to_id AND p.room_id = m.room_id;
    END IF;
END $$;

-- Stores an edit. The room is locked.
CREATE FUNCTION chat_edit(job chat_job, event_seq bigint, event_at timestamptz, OUT result chat_outcome)
LANGUAGE plpgsql AS $$
DECLARE
    message chat_messages;
    sent    bigint; -- the seq that an earlier try got
BEGIN
    result.n := job.n;
    SELECT * INTO message FROM chat_messages m WHERE m.id = job.id AND m.room_id = job.room_id FOR NO KEY UPDATE;
    IF job.again AND message.content = job.content THEN
        SELECT max(e.seq) INTO sent FROM chat_events e
        WHERE e.room_id = job.room_id AND e.message_id = job.id AND e.kind = 1 AND e.seq > event_seq - 1000;
    END IF;
    IF message.id IS NULL THEN
        result.outcome := 'no_message';
    ELSIF message.sender_id <> job.sender_id THEN
        result.outcome := 'not_sender';
    ELSIF sent IS NOT NULL THEN
        message.seq := sent;
        result := chat_answer(job, 'stored', message);
    ELSE
        UPDATE chat_messages m SET content = job.content, is_edited = true, updated_at = greatest(event_at, m.created_at)
        WHERE m.id = job.id AND m.room_id = job.room_id RETURNING * INTO message;
        INSERT INTO chat_events (room_id, message_id, seq, at, kind)
        VALUES (job.room_id, job.id, event_seq, event_at, 1);
        message.seq := event_seq;
        result := chat_answer(job, 'stored', message);
    END IF;
END $$;

-- Takes the client_ids of new messages. Returns the messages' ids; those that are missing were sent before.
CREATE FUNCTION chat_claim(jobs chat_job[], rooms chat_locked_room[], OUT ids uuid[]) LANGUAGE plpgsql AS $$
BEGIN
    WITH claimed AS (
        INSERT INTO chat_client_ids (room_id, message_id, sent_at, sender_id, client_id)
        SELECT j.room_id, j.id, r.at, j.sender_id::text, j.client_id
        FROM unnest(jobs) j JOIN unnest(rooms) r ON r.id = j.room_id
        WHERE r.state = 'locked' AND j.kind = 0 AND j.client_id IS NOT NULL AND j.again IS NOT TRUE
        ON CONFLICT DO NOTHING RETURNING message_id)
    SELECT coalesce(array_agg(message_id), '{}') INTO ids FROM claimed;
END $$;

-- What becomes of a message that was sent before, perhaps, or that is a reply. outcome NULL: it is to be inserted.
CREATE FUNCTION chat_check(job chat_job, is_claimed boolean, OUT result chat_outcome) LANGUAGE plpgsql AS $$
DECLARE
    message chat_messages;
BEGIN
    result.n := job.n;
    IF job.again THEN
        SELECT * INTO message FROM chat_messages m WHERE m.id = job.id AND m.room_id = job.room_id;
        IF FOUND THEN
            result := chat_answer(job, 'stored', message);
            RETURN;
        END IF;
        IF job.client_id IS NOT NULL THEN
            INSERT INTO chat_client_ids (room_id, message_id, sent_at, sender_id, client_id)
            VALUES (job.room_id, job.id, clock_timestamp(), job.sender_id, job.client_id) ON CONFLICT DO NOTHING;
            is_claimed := FOUND;
        END IF;
    END IF;
    IF job.client_id IS NOT NULL AND NOT is_claimed THEN
        SELECT m.* INTO message
        FROM chat_client_ids c JOIN chat_messages m ON m.id = c.message_id AND m.room_id = c.room_id
        WHERE c.room_id = job.room_id AND c.sender_id = job.sender_id::text AND c.client_id = job.client_id;
        IF FOUND THEN
            result := chat_answer(job, 'repeated', message);
        ELSE
            result.outcome := 'no_message'; -- it was deleted meanwhile
        END IF;
    ELSIF job.reply_to_id IS NOT NULL THEN
        SELECT m.id, left(m.content, 1204), m.sender_id INTO result.reply_id, result.reply_content, result.reply_sender_id
        FROM chat_messages m WHERE m.id = job.reply_to_id AND m.room_id = job.room_id;
        IF NOT FOUND THEN
            result.outcome := 'no_reply';
            DELETE FROM chat_client_ids c
            WHERE c.room_id = job.room_id AND c.sender_id = job.sender_id::text AND c.client_id = job.client_id;
        END IF;
    END IF;
END $$;

-- Keeps the senders' names. People come before rooms, and in the order of their ids, so that two calls never deadlock.
CREATE FUNCTION chat_note_people(jobs json) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chat_people AS p (id, email, username, full_name)
    SELECT DISTINCT ON (j.sender_id::text) j.sender_id::text, coalesce(j.sender->>'email', ''),
           coalesce(j.sender->>'username', ''), coalesce(j.sender->>'full_name', '')
    FROM json_populate_recordset(NULL::chat_job, jobs) j WHERE j.sender IS NOT NULL ORDER BY j.sender_id::text
    ON CONFLICT (id) DO UPDATE
    SET email = excluded.email, username = excluded.username, full_name = excluded.full_name
    WHERE (p.email, p.username, p.full_name) <> (excluded.email, excluded.username, excluded.full_name);
END $$;

-- Stores jobs. A server with another timeline than the one that wrote to a room last may lack events that were committed
-- there, and so does one that lacks an event that the job's sender knows: then another epoch begins, before a number can be
-- given twice. The rooms are locked in the order of their ids, so two calls never deadlock. A job that fails makes the
-- call fail. At most `patience` times the call waits for a locked room; NULL: it waits for each. strict: see
-- chat_store().
CREATE FUNCTION chat_store_part(jobs json, patience integer, strict boolean DEFAULT false)
RETURNS SETOF chat_outcome LANGUAGE plpgsql AS $$
DECLARE
    batch   chat_job[] := ARRAY(SELECT j FROM json_populate_recordset(NULL::chat_job, jobs) j ORDER BY j.room_id, j.n);
    rooms   chat_locked_room[];
    claimed uuid[];
    coming  chat_new_message[] := '{}'; -- messages that are not inserted yet
    job     chat_job;
    at      integer := 0;               -- the room of the job, in `rooms`
    room    chat_locked_room;
    result  chat_outcome;
    timeline CONSTANT integer := chat_timeline();
BEGIN
    IF strpos(jobs::text, '"sender":') > 0 THEN
        PERFORM chat_note_people(jobs);
    END IF;
    rooms := chat_lock_rooms(ARRAY(SELECT DISTINCT j.room_id FROM unnest(batch) j ORDER BY 1), patience);
    claimed := chat_claim(batch, rooms);
    FOREACH job IN ARRAY batch LOOP
        IF job.room_id IS DISTINCT FROM room.id THEN
            IF at > 0 THEN
                rooms[at] := room;
            END IF;
            at := at + 1;
            room := rooms[at];
            IF room.timeline <> 0 AND room.timeline <> timeline AND timeline <> 0 THEN
                room := chat_begin_epoch(room);
            END IF;
            room.timeline := timeline;
        END IF;
        result := NULL;
        IF room.state <> 'locked' THEN
            result.n := job.n;
            result.outcome := room.state;
            RETURN NEXT result;
            CONTINUE;
        END IF;
        IF job.known_seq > room.newest THEN
            room := chat_begin_epoch(room, job.known_seq);
        END IF;
        IF job.kind = 1 OR job.again OR job.reply_to_id IS NOT NULL OR job.client_id IS NOT NULL AND NOT job.id = ANY (claimed) THEN
            coming := chat_insert(coming);
            IF job.kind = 1 THEN
                result := chat_edit(job, room.newest + 1, room.at);
                room.newest := greatest(room.newest, result.seq);
            ELSE
                result := chat_check(job, job.id = ANY (claimed));
            END IF;
        END IF;
        IF result.outcome IS NULL THEN
            room.newest := room.newest + 1;
            coming := array_append(coming, ROW(job.id, job.room_id, room.newest, job.sender_id, job.client_id,
                job.content, job.message_type, job.reply_to_id, room.at)::chat_new_message);
            result := ROW(job.n, 'stored', room.newest, 0, job.id, job.room_id, job.sender_id, NULL,
                job.message_type, 0, chat_time(room.at), NULL, result.reply_id, result.reply_content,
                result.reply_sender_id, job.client_id, NULL)::chat_outcome;
            result.updated_at := result.created_at;
        END IF;
        result.epoch := room.epoch;
        RETURN NEXT result;
    END LOOP;
    IF at > 0 THEN
        rooms[at] := room;
    END IF;
    coming := chat_insert(coming);
    rooms := chat_advance(rooms);
    IF strict THEN
        SET CONSTRAINTS ALL IMMEDIATE;
    END IF;
END $$;

-- Stores each job apart from the others, after a job of the batch failed. What fails because of the server (a read-only
-- or full database, for example) makes the whole call fail.
CREATE FUNCTION chat_store_singly(jobs json, patience integer, strict boolean)
RETURNS SETOF chat_outcome LANGUAGE plpgsql AS $$
DECLARE
    item   json;
    result chat_outcome;
    busy   text[] := '{}'; -- senders and messages that are locked by somebody else
    waits  integer := 0;
    reason text;
    broken text;
BEGIN
    FOR item IN SELECT j.value FROM json_array_elements(jobs) j
                ORDER BY (j.value->>'room_id')::uuid, (j.value->>'n')::integer LOOP
        result := NULL;
        result.n := item->>'n';
        IF item->>'sender_id' = ANY (busy) THEN
            result.outcome := 'busy_sender';
        ELSIF item->>'id' = ANY (busy) THEN
            result.outcome := 'busy_target';
        ELSE
            BEGIN
                SELECT * INTO result FROM chat_store_part(json_build_array(item), patience - waits, strict);
            EXCEPTION WHEN OTHERS THEN
                IF left(SQLSTATE, 2) IN ('08', '25', '53', '57', '58', 'F0', 'XX') THEN
                    RAISE;
                END IF;
                GET STACKED DIAGNOSTICS reason = MESSAGE_TEXT, broken = CONSTRAINT_NAME;
                result.outcome := SQLSTATE;
                result.content := reason;
                IF SQLSTATE IN ('55P03', '40P01', '40001') THEN
                    result.outcome := CASE WHEN item->>'kind' = '0' THEN 'busy_sender' ELSE 'busy_target' END;
                    busy := array_append(busy, item->>(CASE WHEN item->>'kind' = '0' THEN 'sender_id' ELSE 'id' END));
                    waits := waits + 1;
                ELSIF broken = 'chat_messages_sender_id_fkey' THEN
                    result.outcome := 'no_sender';
                END IF;
            END;
        END IF;
        IF waits = 4 THEN
            PERFORM set_config('lock_timeout', '1ms', true);
        END IF;
        RETURN NEXT result;
    END LOOP;
END $$;

-- Stores a batch and returns one row a job: what became of it, and the event. `jobs` is an array of objects with the
-- fields of chat_job. A call is a transaction of its own, or a part of the caller's. Whatever somebody else has locked
-- delays no other job: it is waited for a moment if the call is `patient`, and then reported as busy. Plans depend on
-- nothing in a batch, so they are made once a connection. strict: deferred constraints are checked with each job, so that one
-- that fails when the transaction commits is known to be a job's own.
CREATE FUNCTION chat_store(jobs json, patient boolean DEFAULT true, strict boolean DEFAULT false)
RETURNS SETOF chat_outcome LANGUAGE plpgsql SET lock_timeout = '50ms' SET plan_cache_mode = 'force_generic_plan' AS $$
DECLARE
    patience integer := CASE WHEN patient THEN 2 ELSE 0 END;
BEGIN
    IF NOT patient THEN
        PERFORM set_config('lock_timeout', '1ms', true);
    END IF;
    RETURN QUERY SELECT * FROM chat_store_part(jobs, patience, strict);
EXCEPTION WHEN OTHERS THEN
    IF left(SQLSTATE, 2) IN ('08', '25', '53', '57', '58', 'F0', 'XX') THEN
        RAISE;
    END IF;
    RETURN QUERY SELECT * FROM chat_store_singly(jobs, patience, strict);
END $$;

-- ---- after a loss ----

-- One event of chat_mend(), which the log does not have at its place. True: it was put back, at the end.
CREATE FUNCTION chat_put_back(room chat_locked_room, event json) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    latest  CONSTANT json := event->'message';
    message CONSTANT uuid := latest->>'id';
    present chat_messages;
BEGIN
    SELECT * INTO present FROM chat_messages m WHERE m.id = message AND m.room_id = room.id FOR NO KEY UPDATE;
    IF present.id IS NULL AND event->>'kind' = '0' THEN
        INSERT INTO chat_messages (id, room_id, seq, sender_id, content, message_type, reply_to_id, is_edited, created_at,
                                   updated_at)
        SELECT message, room.id, room.newest + 1, j.sender_id, latest->>'content', latest->>'message_type',
               (latest->'reply_to'->>'id')::uuid, (latest->>'is_edited')::boolean, room.at, room.at
        FROM json_populate_record(NULL::chat_job, json_build_object('sender_id', latest->'sender'->>'id')) j;
        RETURN true;
    ELSIF event->>'kind' = '1' AND present.content <> latest->>'content'
          AND present.updated_at < (latest->>'updated_at')::timestamptz THEN
        UPDATE chat_messages m SET content = latest->>'content', is_edited = true, updated_at = greatest(room.at, m.created_at)
        WHERE m.id = message AND m.room_id = room.id;
        INSERT INTO chat_events (room_id, message_id, seq, at, kind)
        VALUES (room.id, message, room.newest + 1, room.at, 1);
        RETURN true;
    END IF;
    RETURN false;
EXCEPTION WHEN integrity_constraint_violation OR data_exception THEN
    RETURN false; -- its sender does not exist any more
END $$;

-- Compares a room's log with events that were shown, [{"seq", "kind", "message": the message object as it reads now}, …],
-- ascending. `believed` is their epoch, `known_seq` the greatest seq that was shown. If the log lacks an event, and nobody
-- has noticed before, another epoch begins. Puts back what is missing, at the end: new messages whose sender still exists,
-- and edits whose message was not edited since. lost: how many of the events the log does not have at their places. No
-- row: the room does not exist.
CREATE FUNCTION chat_mend(room_id uuid, believed integer, known_seq bigint, events json,
                          OUT epoch integer, OUT last_seq bigint, OUT lost integer, OUT put_back integer)
RETURNS SETOF record LANGUAGE plpgsql SET lock_timeout = '200ms' AS $$
DECLARE
    room  chat_locked_room := (chat_lock_rooms(ARRAY[room_id], NULL))[1];
    event record;
    timeline CONSTANT integer := chat_timeline();
BEGIN
    IF room.state = 'gone' THEN
        RETURN;
    END IF;
    IF room.timeline <> 0 AND room.timeline <> timeline AND timeline <> 0
       OR known_seq > room.newest AND room.epoch = believed THEN
        room := chat_begin_epoch(room, known_seq);
    END IF;
    room.timeline := timeline;
    lost := 0;
    put_back := 0;
    FOR event IN SELECT e.value AS event, (e.value->>'seq')::bigint AS seq
                 FROM json_array_elements(events) WITH ORDINALITY e
                 WHERE NOT EXISTS (SELECT FROM chat_events c
                                   WHERE c.room_id = room.id AND c.seq = (e.value->>'seq')::bigint
                                     AND c.message_id = (e.value->'message'->>'id')::uuid)
                 ORDER BY e.ordinality LOOP
        lost := lost + 1;
        IF lost = 1 AND room.epoch = believed THEN
            room := chat_begin_epoch(room, known_seq);
        END IF;
        IF chat_put_back(room, event.event) THEN
            room.newest := room.newest + 1;
            put_back := put_back + 1;
        END IF;
    END LOOP;
    PERFORM chat_advance(ARRAY[room]);
    epoch := room.epoch;
    last_seq := room.newest;
    RETURN NEXT;
END $$;

-- Gives all rooms another epoch. Run this after the database was restored from a dump, before the chat uses it again.
CREATE OR REPLACE FUNCTION chat_begin_epochs() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    rooms bigint;
BEGIN
    UPDATE chat_rooms r SET lags = false, timeline = chat_timeline(),
        epoch = (r.epoch + 1 + floor(random() * 2147483646)::bigint) % 2147483647,
        last_seq = (greatest(r.last_seq, (SELECT max(e.seq) FROM chat_events e WHERE e.room_id = r.id)) / 1000000000 + 1)
            * 1000000000;
    GET DIAGNOSTICS rooms = ROW_COUNT;
    RETURN rooms;
END $$;

-- Finds the room of a trip, or makes it with this id: httpd calls it when a trip has no room yet. Like chat_store(), it does
-- not wait long for a lock of another program.
CREATE OR REPLACE FUNCTION chat_open_room(new_id uuid, wanted :trip_key, OUT room uuid, OUT trip :trip_key)
LANGUAGE plpgsql SET lock_timeout = '2s' AS $$
BEGIN
    INSERT INTO chat_rooms (id, trip_id) VALUES (new_id, wanted) ON CONFLICT (trip_id) DO NOTHING;
    SELECT r.id, r.trip_id INTO room, trip FROM chat_rooms r WHERE r.trip_id = wanted;
END $$;

-- ---- for other programs ----

-- Posts a message to a trip's room from another program, in its transaction, and returns the message's seq. Waits for
-- locks as any statement does. Lock the room before you lock users: call this first.
CREATE OR REPLACE FUNCTION chat_post(trip :trip_key, sender :user_key, message text, type text DEFAULT 'text',
                                     reply_to uuid DEFAULT NULL, client_id text DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    room   uuid;
    result chat_outcome;
BEGIN
    INSERT INTO chat_rooms (id, trip_id) VALUES (gen_random_uuid(), trip) ON CONFLICT (trip_id) DO NOTHING;
    SELECT id INTO room FROM chat_rooms WHERE trip_id = trip;
    SELECT * INTO result FROM chat_store_part(json_build_array(json_build_object('n', 0, 'kind', 0,
        'id', gen_random_uuid(), 'room_id', room, 'sender_id', sender, 'client_id', client_id, 'content', message,
        'message_type', type, 'reply_to_id', reply_to)), NULL);
    IF result.outcome NOT IN ('stored', 'repeated') THEN
        RAISE EXCEPTION 'the message was not stored: %', result.outcome;
    END IF;
    RETURN result.seq;
END $$;

-- Deletes what is needed for a while only: client_ids that are older than `age`, and those events other than messages
-- that are neither younger than `age` nor among the newest `kept` of their room. (A client resumes over at most
-- TripChatResumeLimit events, and httpd remembers the newest ones: keep a thousand at least.) Returns how many rows. Run
-- it from time to time; it locks nothing that others write.
CREATE OR REPLACE FUNCTION chat_prune(age interval DEFAULT '2 days', kept bigint DEFAULT 100000)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    ids    bigint;
    events bigint;
BEGIN
    DELETE FROM chat_client_ids WHERE sent_at < now() - age;
    GET DIAGNOSTICS ids = ROW_COUNT;
    DELETE FROM chat_events e USING chat_rooms r
    WHERE e.kind <> 0 AND e.at < now() - age AND r.id = e.room_id AND e.seq <= r.last_seq - kept;
    GET DIAGNOSTICS events = ROW_COUNT;
    RETURN ids + events;
END $$;

-- The functions find the chat's tables from any search_path, and the operators of the keys' types: citext, for example,
-- has its own, in the schema of its extension.
DO $$
DECLARE
    f    regprocedure;
    path text;
BEGIN
    SELECT quote_ident(current_schema()) || coalesce(string_agg(DISTINCT ', ' || quote_ident(n.nspname), ''), '')
    INTO path
    FROM pg_attribute a
    JOIN pg_type k ON k.oid = a.atttypid
    JOIN pg_type t ON t.oid IN (k.oid, k.typbasetype)
    JOIN pg_namespace n ON n.oid = t.typnamespace AND n.nspname NOT IN ('pg_catalog', current_schema())
    WHERE (a.attrelid = 'chat_rooms'::regclass AND a.attname = 'trip_id')
       OR (a.attrelid = 'chat_messages'::regclass AND a.attname = 'sender_id');
    FOR f IN SELECT p.oid FROM pg_proc p
             WHERE p.pronamespace = current_schema()::regnamespace
               AND p.proname IN ('chat_store', 'chat_mend', 'chat_begin_epochs', 'chat_open_room', 'chat_post',
                                 'chat_prune', 'chat_log_messages', 'chat_take_seq', 'chat_delete_rooms') LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %s, pg_temp', f, path);
    END LOOP;
END $$;

INSERT INTO chat_schema (version) VALUES (2) ON CONFLICT DO NOTHING;

COMMIT;
