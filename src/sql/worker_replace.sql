-- A worker that starts knows that its predecessor is gone: it holds the lock on the same
-- spool.  Nobody need wait for that lease to run out.  Whose journal it has read and
-- reported is replayed, the others are dead.  One of another machine is none of its
-- predecessors, whatever it calls itself.
-- fleet table: belongs to no tenant
-- $1 id uuid: of the new one, $2 node text, $3 name text
-- $4 replayed uuid[]: also such as were dead before
-- $5 machine text
-- rows: id uuid: those that are gone now
UPDATE penguin.workers
SET state = CASE WHEN id = ANY ($4::uuid[]) THEN 'replayed' ELSE 'dead' END,
	ended_at = coalesce(ended_at, now())
WHERE id <> $1::uuid AND ((node = $2::text AND name = $3::text AND state = 'live'
		AND machine IN ($5::text, ''))
	OR (id = ANY ($4::uuid[]) AND state IN ('live', 'dead')))
RETURNING id
