-- Forgets limits that nobody has used for a day, evidence that all have read since long, and
-- workers of which nothing is left, with the addresses that they had.
-- fleet table: limits belong to all tenants
-- $1 now_us bigint: the database's clock; null: as it is
-- rows: none
WITH old_limits AS (
	DELETE FROM penguin.limits WHERE tat_us
		< coalesce($1::bigint, (extract(epoch FROM now()) * 1000000)::bigint) - 86400000000
), old_evidence AS (
	DELETE FROM penguin.evidence WHERE changed_at < now() - interval '1 day'
), old_leases AS (
	DELETE FROM penguin.source_leases l USING penguin.workers w
	WHERE w.id = l.owner AND w.state <> 'live' AND w.until < now() - interval '30 days'
)
DELETE FROM penguin.workers w
WHERE w.state <> 'live' AND w.until < now() - interval '30 days'
	AND NOT EXISTS (SELECT FROM penguin.batches b WHERE b.owner = w.id)
