-- The users and trips of the demo. May be run twice: a trip that exists keeps its members.
\set ON_ERROR_STOP on

BEGIN;

INSERT INTO users (id, email, username, full_name) VALUES
    ('11111111-1111-4111-8111-111111111111', 'ann@example.org', 'ann', 'Ann Archer'),
    ('22222222-2222-4222-8222-222222222222', 'bob@example.org', 'bob', 'Bob Baker'),
    ('33333333-3333-4333-8333-333333333333', 'carol@example.org', 'carol', 'Carol Cook'),
    ('44444444-4444-4444-8444-444444444444', 'dave@example.org', 'dave', 'Dave Dyer')
ON CONFLICT DO NOTHING;

WITH members (trip_id, title, username) AS (VALUES
    ('550e8400-e29b-41d4-a716-446655440000'::uuid, 'Lisbon', 'ann'),
    ('550e8400-e29b-41d4-a716-446655440000', 'Lisbon', 'bob'),
    ('550e8400-e29b-41d4-a716-446655440000', 'Lisbon', 'carol'),
    ('6ba7b810-9dad-41d1-80b4-00c04fd430c8', 'Kyoto', 'ann'),
    ('6ba7b810-9dad-41d1-80b4-00c04fd430c8', 'Kyoto', 'bob'),
    ('6ba7b810-9dad-41d1-80b4-00c04fd430c8', 'Kyoto', 'carol'),
    ('6ba7b811-9dad-41d1-80b4-00c04fd430c8', 'Alone', 'ann')),
new_trips AS (
    INSERT INTO trips (id, title) SELECT DISTINCT trip_id, title FROM members
    ON CONFLICT DO NOTHING RETURNING id)
INSERT INTO trip_collaborators (trip_id, user_id)
SELECT new_trips.id, users.id
FROM members JOIN new_trips ON new_trips.id = members.trip_id JOIN users USING (username);

COMMIT;
