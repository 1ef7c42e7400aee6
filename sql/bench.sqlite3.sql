-- The users of `make run WORLD=bench`: u0 … u999, all members of the same hundred trips. May be run twice.
BEGIN;

WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 999)
INSERT OR IGNORE INTO users (id, email, username, full_name)
SELECT printf('00000000-0000-4000-9000-%012d', i), printf('u%d@example.org', i), printf('u%d', i),
       printf('User %d', i)
FROM n;

WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99)
INSERT OR IGNORE INTO trips (id, title)
SELECT printf('00000000-0000-4000-8000-%012d', i), printf('Bench %d', i)
FROM n;

INSERT OR IGNORE INTO trip_collaborators (trip_id, user_id)
SELECT trips.id, users.id
FROM trips, users
WHERE trips.id LIKE '00000000-0000-4000-8000-%' AND users.id LIKE '00000000-0000-4000-9000-%';

COMMIT;
