-- The users of `make run STACK=full WORLD=bench`: u0 … u999, all members of the same hundred trips. May be run twice.
\set ON_ERROR_STOP on

BEGIN;

INSERT INTO users (id, email, username, full_name)
SELECT format('00000000-0000-4000-9000-%s', lpad(i::text, 12, '0'))::uuid,
       format('u%s@example.org', i), format('u%s', i), format('User %s', i)
FROM generate_series(0, 999) AS i
ON CONFLICT DO NOTHING;

INSERT INTO trips (id, title)
SELECT format('00000000-0000-4000-8000-%s', lpad(i::text, 12, '0'))::uuid, format('Bench %s', i)
FROM generate_series(0, 99) AS i
ON CONFLICT DO NOTHING;

INSERT INTO trip_collaborators (trip_id, user_id)
SELECT trips.id, users.id
FROM trips, users
WHERE trips.id::text LIKE '00000000-0000-4000-8000-%' AND users.id::text LIKE '00000000-0000-4000-9000-%'
ON CONFLICT DO NOTHING;

COMMIT;
