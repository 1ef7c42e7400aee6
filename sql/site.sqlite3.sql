-- A plain site schema for SQLite, for sites without tables of their own. TripChatAccessQuery and
-- TripChatUserQuery ask these tables by default. May be run twice.
CREATE TABLE IF NOT EXISTS users (
    id        TEXT NOT NULL PRIMARY KEY,
    email     TEXT NOT NULL UNIQUE,
    username  TEXT NOT NULL UNIQUE,
    full_name TEXT NOT NULL DEFAULT ''
);

CREATE TABLE IF NOT EXISTS trips (
    id    TEXT NOT NULL PRIMARY KEY,
    title TEXT NOT NULL DEFAULT ''
);

CREATE TABLE IF NOT EXISTS trip_collaborators (
    trip_id TEXT NOT NULL REFERENCES trips (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (trip_id, user_id)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS trip_collaborators_by_user ON trip_collaborators (user_id);
