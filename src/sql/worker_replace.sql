-- A worker that starts knows that its predecessor is gone: it holds the lock on the same
-- spool.  Nobody need wait for that lease to run out.  Whose journal it has read and
-- reported is replayed, the others are dead.
-- fleet table: belongs to no tenant
-- $1 id uuid: of the new one, $2 node text, $3 name text
-- $4 replayed uuid[]: also such as were dead before
-- rows: id uuid: those that are gone now
UPDATE penguin.workers
SET state = CASE WHEN id = ANY ($4::uuid[]) THEN 'replayed' ELSE 'dead' END
WHERE id <> $1::uuid AND ((node = $2::text AND name = $3::text AND state = 'live')
	OR (id = ANY ($4::uuid[]) AND state = 'dead'))
RETURNING id
