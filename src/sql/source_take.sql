-- Takes addresses to send from: those that nobody has, or somebody who is gone.  Whoever has
-- one of the others is told.  An owner that was looked at and found gone is gone for ever; one
-- that took its place meanwhile is not the one that was looked at, so the join finds no row.
-- fleet table: belongs to no tenant
-- $1 owner uuid: the worker
-- $2 addresses text[]
-- $3 sources text[]: what the worker calls each
-- rows: address text, owner uuid, node text, name text, source text: who has it now; an
--	address that is not there was taken by another in this very moment
WITH me AS (
	SELECT w.id, w.node, w.name FROM penguin.workers w WHERE w.id = $1::uuid AND w.state = 'live'
), asked AS (
	SELECT a.address::inet AS address, a.source, a.address AS written
	FROM unnest($2::text[], $3::text[]) AS a (address, source)
), freed AS (
	UPDATE penguin.source_leases l SET owner = me.id, source = a.source, taken_at = now()
	FROM asked a, me, penguin.workers w
	WHERE l.address = a.address AND w.id = l.owner AND w.state <> 'live'
	RETURNING l.address
), added AS (
	INSERT INTO penguin.source_leases (address, owner, source)
	SELECT a.address, me.id, a.source FROM asked a, me
	WHERE NOT EXISTS (SELECT FROM penguin.source_leases l WHERE l.address = a.address)
	ORDER BY a.address
	ON CONFLICT (address) DO NOTHING
	RETURNING address
), taken AS (
	SELECT address FROM freed UNION ALL SELECT address FROM added
)
SELECT a.written AS address, me.id AS owner, me.node, me.name, a.source
FROM asked a JOIN taken t ON t.address = a.address, me
UNION ALL
SELECT a.written, l.owner, w.node, w.name, l.source
FROM asked a
JOIN penguin.source_leases l ON l.address = a.address
JOIN penguin.workers w ON w.id = l.owner AND w.state = 'live'
WHERE NOT EXISTS (SELECT FROM taken t WHERE t.address = a.address)
