-- A plain site schema for PostgreSQL, for psql and for sites without tables of their own. TripChatAccessQuery and
-- TripChatUserQuery ask these tables by default. May be run twice. Run chat.pgsql.sql afterwards.
\set ON_ERROR_STOP on

BEGIN;
SET LOCAL client_min_messages = warning;

CREATE TABLE IF NOT EXISTS users (
    id        uuid NOT NULL PRIMARY KEY,
    email     text NOT NULL UNIQUE,
    username  text NOT NULL UNIQUE,
    full_name text NOT NULL DEFAULT ''
);

CREATE TABLE IF NOT EXISTS trips (
    id    uuid NOT NULL PRIMARY KEY,
    title text NOT NULL DEFAULT ''
);

CREATE TABLE IF NOT EXISTS trip_collaborators (
    trip_id uuid NOT NULL REFERENCES trips (id) ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (trip_id, user_id)
);

CREATE INDEX IF NOT EXISTS trip_collaborators_by_user ON trip_collaborators (user_id);

COMMIT;
