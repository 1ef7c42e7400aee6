-- The users and trips of the demo. May be run twice: a trip that exists keeps its members.
BEGIN;

INSERT OR IGNORE INTO users (id, email, username, full_name) VALUES
    ('11111111-1111-4111-8111-111111111111', 'ann@example.org', 'ann', 'Ann Archer'),
    ('22222222-2222-4222-8222-222222222222', 'bob@example.org', 'bob', 'Bob Baker'),
    ('33333333-3333-4333-8333-333333333333', 'carol@example.org', 'carol', 'Carol Cook'),
    ('44444444-4444-4444-8444-444444444444', 'dave@example.org', 'dave', 'Dave Dyer');

CREATE TEMP TABLE demo_members (trip_id TEXT, title TEXT, user_id TEXT);
INSERT INTO demo_members VALUES
    ('550e8400-e29b-41d4-a716-446655440000', 'Lisbon', '11111111-1111-4111-8111-111111111111'),
    ('550e8400-e29b-41d4-a716-446655440000', 'Lisbon', '22222222-2222-4222-8222-222222222222'),
    ('550e8400-e29b-41d4-a716-446655440000', 'Lisbon', '33333333-3333-4333-8333-333333333333'),
    ('6ba7b810-9dad-41d1-80b4-00c04fd430c8', 'Kyoto', '11111111-1111-4111-8111-111111111111'),
    ('6ba7b810-9dad-41d1-80b4-00c04fd430c8', 'Kyoto', '22222222-2222-4222-8222-222222222222'),
    ('6ba7b810-9dad-41d1-80b4-00c04fd430c8', 'Kyoto', '33333333-3333-4333-8333-333333333333'),
    ('6ba7b811-9dad-41d1-80b4-00c04fd430c8', 'Alone', '11111111-1111-4111-8111-111111111111');
DELETE FROM demo_members WHERE trip_id IN (SELECT id FROM trips);

INSERT INTO trips (id, title) SELECT DISTINCT trip_id, title FROM demo_members;
INSERT INTO trip_collaborators (trip_id, user_id) SELECT trip_id, user_id FROM demo_members;

COMMIT;
