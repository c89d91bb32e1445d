-- The second step: what workers that are gone still hold goes back to the queue, where any
-- worker claims it in the ordinary way.  It is marked suspect: its jobs may have been sent,
-- so jobs_read looks for evidence; and lost where nobody has read its journal, so that what
-- there is no evidence of may have been sent all the same.  Repeat until no row comes back.
-- all tenants: tenant_id is in the key
-- $1 limit int: batches
-- rows: tenant_id uuid, id uuid, owner uuid (the dead one), size int, leases int
WITH lost AS MATERIALIZED (
	SELECT b.tenant_id, b.id, b.owner, w.state = 'dead' AS lost
	FROM penguin.batches b
	JOIN penguin.workers w ON w.id = b.owner
	WHERE b.owner IS NOT NULL AND w.state IN ('dead', 'stopped', 'replayed')
	LIMIT $1::int
	FOR UPDATE OF b SKIP LOCKED
), emptied AS (
	DELETE FROM penguin.batches b USING lost l
	WHERE b.tenant_id = l.tenant_id AND b.id = l.id AND b.owner = l.owner AND b.size = 0
	RETURNING b.tenant_id, b.id, l.owner, b.size, b.leases
), freed AS (
	UPDATE penguin.batches b
	SET owner = NULL, token = NULL, suspect = true, lost = b.lost OR l.lost
	FROM lost l
	WHERE b.tenant_id = l.tenant_id AND b.id = l.id AND b.owner = l.owner AND b.size > 0
	RETURNING b.tenant_id, b.id, l.owner, b.size, b.leases
)
SELECT * FROM freed UNION ALL SELECT * FROM emptied
