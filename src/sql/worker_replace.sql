-- A worker that starts knows that its predecessor is gone: it holds the lock on the same
-- spool.  Nobody need wait for that lease to run out.
-- fleet table: belongs to no tenant
-- $1 id uuid: of the new one, $2 node text, $3 name text
-- rows: id uuid: those that are dead now
UPDATE penguin.workers
SET state = 'dead'
WHERE node = $2::text AND name = $3::text AND id <> $1::uuid AND state = 'live'
RETURNING id
